# SPDX-License-Identifier: MIT
"""COSE algorithms behind the door, and the tables of kept keys."""

import check
from trustanchor.crypto import cose_signatures, signatures


def _case(name):
    return [
        bytes.fromhex(line)
        for line in check.fixture("signatures/" + name).decode().split("\n")[:4]
    ]


def test_es256_is_raw_r_and_s_on_p256():
    _, key, message, signature = _case("cose-es256")
    check.true(cose_signatures.verify(-7, key, message, signature))
    check.false(cose_signatures.verify(-7, key, message + b"x", signature))
    for wrong in (signature[:-1], signature + b"\x00", bytes(64), signature[32:] + signature[:32]):
        check.false(cose_signatures.verify(-7, key, message, wrong))
    # DER is the other form, and the wrong one here.
    check.false(cose_signatures.verify(-7, key, *_case("p256-sha256")[2:]))


def test_ps256_has_a_salt_of_32_bytes():
    for name in ("cose-ps256-rsa2048", "cose-ps256-rsa3072"):
        _, key, message, signature = _case(name)
        check.true(cose_signatures.verify(-37, key, message, signature), name)
        check.false(cose_signatures.verify(-37, key, message + b"x", signature), name)
    _, key, message, signature = _case("refused-cose-ps256-salt33")
    check.false(cose_signatures.verify(-37, key, message, signature))


def test_the_key_must_be_of_the_algorithm():
    _, key, message, signature = _case("cose-es256")
    for name in ("p384-sha256", "rsa2048-sha256"):
        check.refuses(
            "sig.key_malformed", cose_signatures.verify, -7, _case(name)[1], message, signature
        )
    check.refuses("sig.key_malformed", cose_signatures.verify, -37, key, message, signature)


def test_other_cose_algorithms_are_unsupported():
    _, key, message, signature = _case("cose-es256")
    # -48 to -50 are ML-DSA (RFC 9964), reserved and not verified yet.
    for alg in (-8, -35, -36, -38, -48, -49, -50, -257, -65535, 0, 5):
        check.refuses("sig.unsupported", cose_signatures.verify, alg, key, message, signature)


def test_a_signers_key_is_checked_whole():
    key = _case("cose-es256")[1]
    cose_signatures.check_key(-7, key)
    cose_signatures.check_key(-37, _case("cose-ps256-rsa2048")[1])
    off_curve = bytearray(key)
    off_curve[-1] ^= 1
    check.refuses("sig.key_malformed", cose_signatures.check_key, -7, off_curve)
    check.refuses("sig.key_malformed", cose_signatures.check_key, -7, _case("p384-sha256")[1])
    check.refuses("sig.key_malformed", cose_signatures.check_key, -37, key)
    small = _case("refused-rsa1024-sha256")[1]
    check.refuses("sig.key_size", cose_signatures.check_key, -37, small)
    for alg in (-8, -48, -49, -50):
        check.refuses("sig.unsupported", cose_signatures.check_key, alg, key)


def test_a_kept_key_verifies_with_its_table():
    for name in ("p256-sha256", "p384-sha384"):
        sig_alg, spki, message, signature = _case(name)
        table = signatures.key_table(spki)
        check.equal(len(table), 17 + 16 * (64 if name == "p256-sha256" else 96), name)
        check.true(signatures.verify(sig_alg, spki, message, signature, table), name)
        check.false(signatures.verify(sig_alg, spki, message + b"x", signature, table), name)


def test_keys_without_gain_have_no_table():
    for name in ("p521-sha512", "rsa2048-sha256"):
        sig_alg, spki, message, signature = _case(name)
        check.equal(signatures.key_table(spki), b"")
        check.true(signatures.verify(sig_alg, spki, message, signature, b""))


def test_a_damaged_or_foreign_table_changes_no_answer():
    sig_alg, spki, message, signature = _case("p256-sha256")
    table = signatures.key_table(spki)
    damaged = bytearray(table)
    damaged[500] ^= 1
    foreign = signatures.key_table(_case("p384-sha384")[1])
    other_form = (b"P" if table[:1] == b"S" else b"S") + table[1:]
    for wrong in (damaged, table[:-1], table + b"\x00", foreign, other_form, b"\x00"):
        check.true(signatures.verify(sig_alg, spki, message, signature, wrong))
        check.false(signatures.verify(sig_alg, spki, message + b"x", signature, wrong))


def test_a_short_heap_is_tried_again_without_the_other_families_code():
    sig_alg, spki, message, signature = _case("p384-sha384")
    genuine = signatures._verifying
    attempts = []

    def short(*arguments):
        attempts.append(arguments[-1])
        if len(attempts) == 1:
            raise MemoryError
        return (yield from genuine(*arguments))

    signatures._verifying = short
    try:
        check.true(signatures.verify(sig_alg, spki, message, signature))
        check.equal(attempts, [False, True])
        attempts.clear()
        check.false(signatures.verify(sig_alg, spki, message + b"x", signature))
        check.equal(attempts, [False, True])
    finally:
        signatures._verifying = genuine
