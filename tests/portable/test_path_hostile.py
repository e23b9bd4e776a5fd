# SPDX-License-Identifier: MIT
"""The search against who makes it dear, and beside who changes what it searches."""

from forest import (
    HOST,
    Fake,
    Local,
    anchor,
    authority,
    basic,
    code,
    end_entity,
    key_id,
    question,
    signed,
    state_of,
)

import trustanchor.limits as limits
from check import equal, true
from der_maker import (
    CONSTRAINTS,
    SAN,
    certificate,
    constraints_of,
    dns,
    extension,
    name,
    san_of,
    tlv,
)
from trustanchor.errors import TrustError
from trustanchor.verdict import path
from trustanchor.x509.certificate import Certificate

EC_KEY = bytes.fromhex("06072a8648ce3d0201")
P521 = bytes.fromhex("06052b81040023")


def fakes(count, *more):
    """Sent certificates of the leaf's issuer, none of which has signed it, with P-521 keys."""
    return [
        certificate(
            subject=name(b"Inter"),
            issuer=name(b"Root"),
            spki=tlv(0x30, tlv(0x30, EC_KEY, P521), tlv(0x03, bytes((0, n, n, n)))),
            signature=signed(9),
            extensions=[basic()] + list(more),
        )
        for n in range(10, 10 + count)
    ]


def test_a_dear_signature_counts_as_several():
    # Nine of them took 50 times as long as an ordinary chain.
    most = limits.PATH_SIGNATURES // 4
    equal(code([end_entity()] + fakes(most)), "path.bad_signature")
    equal(code([end_entity()] + fakes(most + 1)), "path.too_many_signatures")


def test_a_dear_signature_leaves_fewer_steps():
    # All budgets spent in one search took as long as 13 ordinary chains.
    most = limits.PATH_SIGNATURES // 4
    left = limits.PATH_STEPS - most * (1 + 3 * limits.DEAR_STEPS)
    dud = certificate(subject=name(b"Inter"), issuer=name(b"Root"))
    equal(code([end_entity()] + [dud] * left + fakes(most)), "path.not_ca")
    equal(code([end_entity()] + [dud] * (left + 1) + fakes(most)), "path.too_many_steps")


def test_steps_without_a_signature_are_counted():
    # Two for an authority and the anchor above it, which has not signed it; no signature follows.
    liar = authority("Inter", "Root", 2, signer=5)
    dud = certificate(subject=name(b"Inter"), issuer=name(b"Root"))
    left = limits.PATH_STEPS - 2
    equal(code([end_entity(), liar] + [dud] * left), "path.not_ca")
    equal(code([end_entity(), liar] + [dud] * (left + 1)), "path.too_many_steps")


def test_a_dear_signature_leaves_fewer_comparisons():
    most = limits.PATH_SIGNATURES // 4
    left = (limits.NAME_COMPARISONS - 3 * most * limits.DEAR_COMPARISONS) // most
    names = san_of(*[dns(HOST.encode())] * (left // 9 - 1))  # and the subject; one subtree and 8
    leaf = certificate(
        issuer=name(b"Inter"), signature=signed(2), extensions=[extension(SAN, names)]
    )
    for subtrees, refusal in ((1, "path.bad_signature"), (2, "path.too_many_steps")):
        excluded = extension(CONSTRAINTS, constraints_of(excluded=[dns(b"a.test")] * subtrees))
        equal(code([leaf] + fakes(most, excluded)), refusal)


def test_a_signature_is_remembered_for_the_very_certificate():
    # Two sent certificates of one name and key; only the first is signed by who it says.
    first = authority("Lower", "Inter", 3, signer=2)
    second = authority("Lower", "Inter", 3, signer=5)
    inter = authority("Inter", "Root", 2, signer=8)
    equal(code([end_entity("Lower", 3), first, second, inter]), "path.bad_signature")
    equal(code([end_entity("Lower", 3), second, inter]), "path.bad_signature")
    other = state_of([anchor("Inter", 2)])
    equal(code([end_entity("Lower", 3), second, first], other), "ok")


class Shifting(Local):
    """What was learned changes between two slices, as another connection's handshake does it."""

    def __init__(self, learned):
        Local.__init__(self)
        self.learned = list(learned)


def found_while_learning(first, then):
    """Return how many paths a search finds when first becomes then after its first slice."""
    local = Shifting(first)
    leaf = Certificate(end_entity("Inter", 2, more=key_id(issuer=7)))
    found = 0
    with Fake():
        try:
            for step in path.search(leaf, [], question(state_of(), local)):
                if step is not None:
                    found += 1
                    equal(step.learnable, (first[1],))
                local.learned[:] = then
        except TrustError as error:
            true(error.code in ("path.no_issuer", "path.bad_signature", "der.truncated"))
    return found


def test_learned_intermediates_may_change_while_a_path_is_searched():
    # Neither has the key identifier asked for, so both wait and are read a second time.
    wrong = authority("Inter", "Root", 3, 9, more=key_id(subject=1))
    right = authority("Inter", "Root", 2, 9, more=key_id(subject=2))
    equal(found_while_learning([wrong, right], [wrong, right]), 1)
    equal(found_while_learning([wrong, right], [b"", b""]), 0)
    # It changes after it was read: what has been verified is what is learned again.
    direct = authority("Inter", "Root", 2, 9, more=key_id(subject=7))
    equal(found_while_learning([wrong, direct], [b"", b""]), 1)
    # The key that signed the leaf under a name that is not the leaf's issuer.
    stray = authority("Stray", "Root", 2, 9)
    equal(found_while_learning([wrong, right], [wrong, stray]), 0)
