# SPDX-License-Identifier: MIT
"""Name constraints where RFC 5280 section 6.1.3 (b) and (c) apply them: along a path.

The door to cryptography is a fake that accepts every signature, so that names alone decide.
"""

import gc

from check import equal
from der_maker import (
    CA,
    CONSTRAINTS,
    CRITICAL,
    SAN,
    SPKI,
    certificate,
    constraints_of,
    dns,
    extension,
    name,
    san_of,
)
from trustanchor.crypto import signatures
from trustanchor.errors import TrustError
from trustanchor.kinds import SERVER_AUTH
from trustanchor.state.anchors import Anchor
from trustanchor.verdict import path
from trustanchor.x509.certificate import Certificate

ROOT, INTER = name(b"Root"), name(b"Inter")
HOST = "a.test"
NOW = 1750000000
A, B = [dns(b"a.test")], [dns(b"b.test")]


def key(number):
    """A public key of its own; nobody looks into it here."""
    return SPKI[:-1] + bytes((number,))


def constrained(permitted=None, excluded=None):
    return [CA, extension(CONSTRAINTS, constraints_of(permitted, excluded), CRITICAL)]


def authority(subject, issuer, number, extensions=None):
    return certificate(
        subject=subject, issuer=issuer, spki=key(number), extensions=extensions or [CA]
    )


def leaf(*hosts, issuer=INTER, subject=None):
    names = san_of(*(dns(host) for host in hosts))
    return certificate(
        subject=subject, issuer=issuer, spki=key(1), extensions=[extension(SAN, names)]
    )


class Trust:
    """The state and the local state in one: an anchor and nothing else."""

    intermediates = learned = ()

    def __init__(self, constraints):
        self.anchors = self
        self.anchor = Anchor(ROOT, key(9), name_constraints=constraints)

    def find(self, issuer):
        return [self.anchor] if issuer == ROOT else []

    def is_denied(self, spki_sha256):
        return False

    def key_table(self, spki_sha256):
        return None


def code(*chain, anchor_constraints=None):
    """Return "ok" or why there is no path."""

    def verifying(*_):
        yield None
        return True

    gc.collect()
    trust = Trust(anchor_constraints)
    question = path.Question(NOW, True, SERVER_AUTH, HOST, trust, trust)
    genuine = signatures.verifying, signatures.check_key
    signatures.verifying = verifying
    signatures.check_key = lambda spki: None
    try:
        found = list(path.search(Certificate(chain[0]), chain[1:], question))
        return "ok" if found[-1] is not None else "a slice of work without a path"
    except TrustError as error:
        return error.code
    finally:
        signatures.verifying, signatures.check_key = genuine


def test_the_constraints_of_an_intermediate_hold_for_the_leaf():
    equal(code(leaf(b"a.test"), authority(INTER, ROOT, 2, constrained(A))), "ok")
    chain = (leaf(b"a.test", b"b.test"), authority(INTER, ROOT, 2, constrained(A)))
    equal(code(*chain), "constraints.not_permitted")


def test_the_constraints_of_an_anchor_hold_for_everything_below():
    chain = (leaf(b"a.test"), authority(INTER, ROOT, 2))
    equal(code(*chain, anchor_constraints=constraints_of(A)), "ok")
    equal(code(*chain, anchor_constraints=constraints_of(B)), "constraints.not_permitted")
    equal(code(*chain, anchor_constraints=constraints_of(None, A)), "constraints.excluded")


def test_an_intermediate_may_narrow_and_never_widen():
    upper = name(b"Upper")
    both = [dns(b"a.test"), dns(b"b.test")]
    narrow = (
        authority(INTER, upper, 2, constrained(A)),
        authority(upper, ROOT, 3, constrained(both)),
    )
    equal(code(leaf(b"a.test"), *narrow), "ok")
    wide = (
        authority(INTER, upper, 2, constrained(both)),
        authority(upper, ROOT, 3, constrained(B)),
    )
    equal(code(leaf(b"a.test"), *wide), "constraints.not_permitted")


def test_the_names_of_an_intermediate_are_held_too():
    names = extension(SAN, san_of(dns(b"b.test")))
    chain = (leaf(b"a.test"), authority(INTER, ROOT, 2, [CA, names]))
    equal(code(*chain), "ok")
    equal(code(*chain, anchor_constraints=constraints_of(A)), "constraints.not_permitted")


def test_a_self_issued_intermediate_is_left_out_and_what_is_below_it_is_not():
    names = extension(SAN, san_of(dns(b"b.test")))
    rolled = authority(INTER, INTER, 4, [CA, names])
    constrained_to_a = authority(INTER, ROOT, 2, constrained(A))
    equal(code(leaf(b"a.test"), rolled, constrained_to_a), "ok")
    refused = code(leaf(b"a.test", b"b.test"), rolled, constrained_to_a)
    equal(refused, "constraints.not_permitted")


def test_a_self_issued_leaf_is_not_left_out():
    chain = (
        leaf(b"a.test", issuer=INTER, subject=INTER),
        authority(INTER, ROOT, 2, constrained(B)),
    )
    equal(code(*chain), "constraints.not_permitted")


def test_a_path_without_the_constraints_is_found_beside_one_that_breaks_them():
    chain = (leaf(b"a.test"), authority(INTER, ROOT, 2, constrained(B)), authority(INTER, ROOT, 3))
    equal(code(*chain), "ok")


def test_more_comparisons_than_the_budget_end_the_search():
    many = [dns(b"x%d" % number) for number in range(120)]
    names = leaf(b"a.test", *(b"a%d" % number for number in range(99)))
    one = authority(INTER, ROOT, 2, constrained(None, many[:50]))
    equal(code(names, one), "ok")
    both = authority(INTER, ROOT, 2, constrained(None, many))
    # A second CA without constraints would be a way out; a budget leaves none.
    refused = code(names, both, authority(INTER, ROOT, 3))
    equal(refused, "constraints.too_many_comparisons")
