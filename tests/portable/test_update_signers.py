# SPDX-License-Identifier: MIT
"""Who signed: groups, thresholds, distinct keys, only valid signatures (SPEC.md A1 to A4, U13)."""

# isort: skip_file
from updating import accept, first
from bundling import (
    AUTHORITY, BACKUP, REVERT, SEQUENCE, authority, encode, key, kid, message, signature, state,
    wrap,
)  # fmt: skip
from check import equal, refuses
from trustanchor.update import authority as authorities

RECORD, CURRENT = first()
TWO_OF_THREE = authority("a1", "a2", "a3", threshold=2)


def provisioned(one, signers):
    """A first state with this authority."""
    return accept(None, message("state", state(AUTHORITY, one), signers))[0]


def offer(signatures, *changes):
    payload = encode(state(SEQUENCE, 2, *changes))
    entries = [signature("state", payload, one) for one in signatures]
    return accept(RECORD, wrap("state", payload, entries), [CURRENT])[0]


def test_two_of_three_is_met_by_any_two_and_by_three():
    for signers in (["a1", "a2"], ["a1", "a3"], ["a3", "a2"], ["a1", "a2", "a3"]):
        equal(provisioned(TWO_OF_THREE, signers).sequence, 1)


def test_two_of_three_is_not_met_by_one():
    for signer in ("a1", "a2", "a3"):
        refuses("update.threshold", lambda signer=signer: provisioned(TWO_OF_THREE, [signer]))


def test_every_group_is_met_or_none_counts():
    hybrid = [[1, [key("a1"), key("a2")]], [1, [key("h1", -46)]]]
    payload = encode(state(AUTHORITY, hybrid))

    def signed(*signers):
        entries = [signature("state", payload, name, alg) for name, alg in signers]
        return accept(None, wrap("state", payload, entries))[0]

    equal(signed(("a1", -7), ("h1", -46)).sequence, 1)
    refuses("update.threshold", lambda: signed(("a1", -7), ("a2", -7)))
    refuses("update.threshold", lambda: signed(("h1", -46)))


def test_one_signer_does_not_count_twice():
    refuses("cose.signature_repeated", lambda: offer(["a1", "a1"]))


def test_a_foreign_signature_refuses_the_bundle_though_enough_are_valid():
    equal(offer(["a1"]).sequence, 2)
    refuses("cose.signature_foreign", lambda: offer(["a1", "x1"]))
    refuses("cose.signature_foreign", lambda: offer(["x1"]))


def test_an_invalid_signature_refuses_the_bundle_though_enough_are_valid():
    payload = encode(state(AUTHORITY, TWO_OF_THREE))
    entries = [signature("state", payload, one) for one in ("a1", "a2", "a3")]
    equal(accept(None, wrap("state", payload, entries))[0].sequence, 1)
    entries[2][2] = bytes(32)
    refuses("cose.signature_invalid", lambda: accept(None, wrap("state", payload, entries)))


def test_the_algorithm_is_the_one_of_the_key_record():
    payload = encode(state(SEQUENCE, 2))
    entry = signature("state", payload, "a1")
    entry[0] = encode({1: -37, 4: kid("a1")})
    refuses("cose.algorithm", lambda: accept(RECORD, wrap("state", payload, [entry]), [CURRENT]))


def test_a_signature_by_an_algorithm_that_is_reserved_is_foreign():
    payload = encode(state(SEQUENCE, 2))
    for alg in (-48, -49, -50):  # ML-DSA, RFC 9964
        entries = [signature("state", payload, "a1"), signature("state", payload, "m1", alg)]
        refuses(
            "cose.signature_foreign",
            lambda entries=entries: accept(RECORD, wrap("state", payload, entries), [CURRENT]),
        )


def test_a_signature_of_another_type_or_version_does_not_count():
    payload = encode(state(SEQUENCE, 2))
    for aad in (b"trustanchor/rescue/1", b"trustanchor/link/1", b"trustanchor/state/2", b""):
        entry = signature("state", payload, "a1", aad=aad)
        data = wrap("state", payload, [entry])
        refuses("cose.signature_invalid", lambda data=data: accept(RECORD, data, [CURRENT]))


def test_a_signature_of_another_state_does_not_count():
    entry = signature("state", encode(state(SEQUENCE, 3)), "a1")
    data = wrap("state", encode(state(SEQUENCE, 2)), [entry])
    refuses("cose.signature_invalid", lambda: accept(RECORD, data, [CURRENT]))


def test_a_new_authority_signs_together_with_the_old_one():
    changes = (AUTHORITY, authority("c1"), REVERT, 1)
    equal(offer(["a1", "c1"], *changes).authority != RECORD.authority, True)
    refuses("update.threshold", lambda: offer(["a1"], *changes))
    refuses("update.threshold", lambda: offer(["c1"], *changes))


def test_a_key_in_both_authorities_signs_once_for_both():
    changes = (AUTHORITY, authority("a1", "c1", threshold=2), REVERT, 1)
    equal(offer(["a1", "c1"], *changes).sequence, 2)
    refuses("update.threshold", lambda: offer(["a1"], *changes))


def test_the_backup_authority_changes_only_with_the_signature_of_the_old_backup():
    changes = (BACKUP, authority("b2"), REVERT, 1)
    equal(offer(["a1", "b1"], *changes).backup != RECORD.backup, True)
    refuses("update.threshold", lambda: offer(["a1"], *changes))
    refuses("cose.signature_foreign", lambda: offer(["a1", "b2"], *changes))


def test_an_unchanged_backup_is_not_asked_to_sign():
    refuses("cose.signature_foreign", lambda: offer(["a1", "b1"]))


def test_a_stolen_ordinary_authority_cannot_replace_the_backup():
    changes = (BACKUP, authority("x1"), REVERT, 1)
    refuses("update.threshold", lambda: offer(["a1"], *changes))
    refuses("cose.signature_foreign", lambda: offer(["a1", "x1"], *changes))


def test_an_authority_is_well_formed():
    for code, one in (
        ("bundle.threshold", [[2, [key("a1")]]]),
        ("bundle.key_repeated", [[1, [key("a1"), key("a1")]]]),
        ("bundle.key_repeated", [[1, [key("a1")]], [1, [key("a1")]]]),
        ("bundle.key_repeated", [[1, [key("a1"), key("a1", -37)]]]),
        ("bundle.key_repeated", authority("a1", "b1")),
        ("bundle.key", [[1, [key("a1"), key("malformed")]]]),
        ("bundle.authority", [[1, [key("a1")], 0]]),
        ("bundle.authority", [[1, [[-7]]]]),
        ("cbor.range", []),
        ("cbor.range", [[0, [key("a1")]]]),
        ("cbor.range", [[1, []]]),
        ("cbor.range", [[1, [key("a1")]]] * 4),
        ("cbor.range", [[1, [key("k%d" % i) for i in range(9)]]]),
        ("cbor.type", [[1, [[7, b"a1"]]]]),
    ):
        refuses(code, lambda one=one: provisioned(one, ["a1"]))


def test_two_keys_of_one_identifier_are_refused():
    # Eight bytes of a digest: who makes 2^32 keys finds two.
    genuine = authorities.sha256
    authorities.sha256 = lambda *parts: bytes(32)
    try:
        refuses("bundle.kid_collision", lambda: provisioned(TWO_OF_THREE, ["a1", "a2"]))
    finally:
        authorities.sha256 = genuine


def test_the_backup_authority_is_well_formed_too():
    for code, one in (
        ("bundle.key", [[1, [key("malformed")]]]),
        ("bundle.threshold", [[2, [key("b1")]]]),
    ):
        data = message("state", state(BACKUP, one))
        refuses(code, lambda data=data: accept(None, data))


def test_two_authorities_with_one_identifier_for_two_keys_are_refused():
    class Asked:
        def __init__(self, public):
            self.groups = [(1, [(b"identity", -7, public)])]

        def members(self):
            return self.groups[0][1]

    class Signed:
        kid, alg = b"identity", -7

    class Message:
        signatures = (Signed,)

        def verifying(self, signature, public):
            yield
            return True

    def verify(*publics):
        asked = [Asked(public) for public in publics]
        for _ in authorities.verifying(Message(), asked):  # type: ignore[arg-type]
            pass

    verify(b"one", b"one")
    refuses("bundle.kid_collision", lambda: verify(b"one", b"two"))
