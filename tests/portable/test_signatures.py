# SPDX-License-Identifier: MIT
"""The door: which algorithm identifiers and keys it knows, and what it answers."""

import check
from trustanchor.crypto import signatures


def _case(name):
    return [
        bytes.fromhex(line)
        for line in check.fixture("signatures/" + name).decode().split("\n")[:4]
    ]


def _accepts_and_refuses(name):
    """The signature verifies; with one bit changed in message or signature it does not."""
    sig_alg, spki, message, signature = _case(name)
    check.true(signatures.verify(sig_alg, memoryview(spki), memoryview(message), signature), name)
    check.false(signatures.verify(sig_alg, spki, message + b"\x00", signature), name)
    forged = bytearray(signature)
    forged[-1] ^= 1
    check.false(signatures.verify(sig_alg, spki, message, forged), name)


def test_every_curve_with_every_hash():
    for curve in ("p256", "p384", "p521"):
        for bits in (256, 384, 512):
            _accepts_and_refuses("%s-sha%d" % (curve, bits))


def test_rsa_with_every_hash_and_padding():
    for bits in (256, 384, 512):
        _accepts_and_refuses("rsa2048-sha%d" % bits)
        _accepts_and_refuses("rsa2048-pss-sha%d" % bits)
    _accepts_and_refuses("rsa3072-sha256")


def test_a_signature_of_the_other_kind_of_key_is_false():
    sig_alg, _, message, signature = _case("p256-sha256")
    _, spki, _, _ = _case("rsa2048-sha256")
    check.false(signatures.verify(sig_alg, spki, message, signature))
    sig_alg, _, message, signature = _case("rsa2048-sha256")
    _, spki, _, _ = _case("p256-sha256")
    check.false(signatures.verify(sig_alg, spki, message, signature))


def test_another_padding_or_hash_than_signed_is_false():
    pkcs1, spki, message, signature = _case("rsa2048-sha256")
    pss = _case("rsa2048-pss-sha256")[0]
    sha384 = _case("rsa2048-sha384")[0]
    check.true(signatures.verify(pkcs1, spki, message, signature))
    check.false(signatures.verify(pss, spki, message, signature))
    check.false(signatures.verify(sha384, spki, message, signature))


def test_a_key_marked_for_pss_signs_nothing_else():
    """RFC 4055 section 1.2: id-RSASSA-PSS in the SPKI."""
    pkcs1, spki, message, signature = _case("rsa2048-sha256")
    marked = bytearray(spki)
    at = spki.find(bytes.fromhex("2a864886f70d010101"))
    marked[at + 8] = 10
    del_null = (
        bytes(marked[:4]) + bytes.fromhex("300b06092a864886f70d01010a") + bytes(marked[at + 11 :])
    )
    del_null = (
        bytes((del_null[0], del_null[1])) + (len(del_null) - 4).to_bytes(2, "big") + del_null[4:]
    )
    check.false(signatures.verify(pkcs1, del_null, message, signature))
    pss, _, message, signature = _case("rsa2048-pss-sha256")
    check.true(signatures.verify(pss, del_null, message, signature))


def test_weak_and_foreign_algorithms_are_unsupported():
    _, spki, message, signature = _case("rsa2048-sha256")
    for identifier in (
        "300d06092a864886f70d0101050500",  # sha1WithRSAEncryption
        "300d06092a864886f70d0101040500",  # md5WithRSAEncryption
        "300d06092a864886f70d01010e0500",  # sha224WithRSAEncryption
        "300906072a8648ce3d0401",  # ecdsa-with-SHA1
        "300a06082a8648ce3d040301",  # ecdsa-with-SHA224
        "300906072a8648ce380403",  # dsa-with-sha1
        "300b0609608648016503040302",  # dsa-with-sha256
        "300506032b6570",  # Ed25519
        "300d06092a864886f70d01010a3000",  # PSS with its defaults, SHA-1
        # PSS, SHA-256, the mask left to its default, SHA-1
        "301e06092a864886f70d01010a3011a00f300d06096086480165030402010500",
    ):
        check.refuses(
            "sig.unsupported",
            signatures.verify,
            bytes.fromhex(identifier),
            spki,
            message,
            signature,
        )


def test_parameters_that_do_not_belong_are_refused():
    _, spki, message, signature = _case("p256-sha256")
    for identifier in (
        "300c06082a8648ce3d0403020500",  # ecdsa-with-SHA256 with NULL, RFC 5758 section 3.2
        "300e06092a864886f70d01010b040100",  # RSA with an OCTET STRING for NULL
        "300f06092a864886f70d01010b05000500",  # two NULLs
        "300d06092a864886f70d01010b0500ff",  # bytes after it
        "310d06092a864886f70d01010b0500",  # a SET
        "300b06092a864886f70d01010a",  # PSS without parameters
    ):
        check.refuses(
            "sig.algorithm_malformed",
            signatures.verify,
            bytes.fromhex(identifier),
            spki,
            message,
            signature,
        )


def test_an_rsa_algorithm_without_its_null_is_accepted():
    """RFC 4055 section 5: implementations MUST accept the parameters being absent."""
    _, spki, message, signature = _case("rsa2048-sha256")
    absent = bytes.fromhex("300b06092a864886f70d01010b")
    check.true(signatures.verify(absent, spki, message, signature))
    check.false(signatures.verify(absent, spki, message + b"x", signature))


def test_pss_parameters_are_strict():
    good, spki, message, signature = _case("rsa2048-pss-sha256")
    check.true(signatures.verify(good, spki, message, signature))
    check.equal(good[-3:], bytes((2, 1, 32)))
    # A salt of another length than the signature's is false, not malformed.
    check.false(signatures.verify(good[:-1] + b"\x1f", spki, message, signature))
    check.false(signatures.verify(good[:-1] + b"\x21", spki, message, signature))
    # trailerField spelled out: RFC 4055 section 3.1 wants 1 recognised in both forms.
    trailer = bytearray(good + bytes.fromhex("a303020101"))
    trailer[1] += 5
    trailer[14] += 5
    check.equal(trailer[13], 0x30)
    check.true(signatures.verify(bytes(trailer), spki, message, signature))
    check.false(signatures.verify(bytes(trailer), spki, message + b"x", signature))
    others = [bytes(trailer[:-1]) + bytes((value,)) for value in (0, 2, 0x81)]
    others.append(bytes(trailer[:-3]) + b"\x04\x01\x01")
    for wrong in others + [good[:-1] + b"\xff", good[:-1], good + b"\x00"]:
        check.refuses(
            "sig.algorithm_malformed", signatures.verify, wrong, spki, message, signature
        )


def test_a_key_binds_the_hashes_and_the_least_salt_of_pss():
    """RFC 4055 section 3.3: the salt of a signature may be longer than its key says."""
    from trustanchor.crypto import rsa_pss

    algorithm, _, message, _ = _case("rsa2048-pss-sha256")
    parameters = algorithm[algorithm.index(b"\x30", 2) :]

    def reaching(element, asked=(256, 256, 32)):
        """Whether the signature itself is looked at."""
        asked_of = []

        def verifying(*arguments):
            yield
            asked_of.append(arguments)
            return True

        genuine, rsa_pss.verifying = rsa_pss.verifying, verifying
        try:
            for _ in rsa_pss.verifying_under(element, asked, 0, 0, message, b""):
                pass
        finally:
            rsa_pss.verifying = genuine
        return bool(asked_of)

    check.true(reaching(b""))
    check.true(reaching(parameters))
    check.true(reaching(parameters[:-1] + b"\x1f"))
    check.false(reaching(parameters[:-1] + b"\x21"))
    check.false(reaching(parameters, (384, 256, 32)))
    check.false(reaching(parameters, (256, 384, 32)))


def test_keys_are_checked_whole():
    sig_alg, spki, message, signature = _case("p256-sha256")

    def verdict(key):
        return signatures.verify(sig_alg, key, message, signature)

    check.true(verdict(spki))
    off_curve = bytearray(spki)
    off_curve[-1] ^= 1
    compressed = bytearray(spki[:-32])
    compressed[1] -= 32
    compressed[24] -= 32
    compressed[26] = 2
    hybrid = bytearray(spki)
    hybrid[26] = 6
    unused_bits = bytearray(spki)
    unused_bits[25] = 1
    for wrong in (off_curve, compressed, hybrid, unused_bits, spki + b"\x00", spki[:-1], b""):
        check.refuses("sig.key_malformed", verdict, bytes(wrong))


def test_other_curves_and_keys_are_unsupported():
    sig_alg, spki, message, signature = _case("p256-sha256")
    point = spki[23:]
    for identifier in (
        "301006072a8648ce3d020106052b8104000a",  # secp256k1
        "301406072a8648ce3d020106092b2403030208010107",  # brainpoolP256r1
        "300906072a8648ce3d0201",  # no curve at all
        "300b06072a8648ce3d02010500",  # implicitCurve
        "300d06072a8648ce3d02013002 0101",  # a stub of specifiedCurve
        "300506032b6570",  # Ed25519
        "300906072a8648ce380401",  # DSA
    ):
        body = bytes.fromhex(identifier.replace(" ", "")) + point
        check.refuses(
            "sig.unsupported",
            signatures.verify,
            sig_alg,
            bytes((0x30, len(body))) + body,
            message,
            signature,
        )


def test_rsa_keys_outside_the_sizes_are_refused():
    check.refuses("sig.key_size", signatures.verify, *_case("refused-rsa1024-sha256"))
    check.refuses("sig.key_size", signatures.check_key, _case("refused-rsa1024-sha256")[1])


def test_rsa_keys_need_their_null():
    sig_alg, spki, message, signature = _case("rsa2048-sha256")
    body = bytes.fromhex("300b06092a864886f70d010101") + spki[19:]
    bare = b"\x30\x82" + len(body).to_bytes(2, "big") + body
    check.refuses("sig.key_malformed", signatures.verify, sig_alg, bare, message, signature)


def test_the_key_check_is_about_algorithm_curve_and_size():
    for name in ("p256-sha256", "p384-sha256", "p521-sha256", "rsa2048-sha256"):
        spki = _case(name)[1]
        signatures.check_key(spki)
        check.refuses("sig.key_malformed", signatures.check_key, spki[:-1])
    compressed = bytearray(_case("p384-sha256")[1])
    compressed[23] = 2
    check.refuses("sig.key_malformed", signatures.check_key, compressed)
    secp256k1 = bytes.fromhex("301006072a8648ce3d020106052b8104000a034200") + bytes(65)
    body = bytes((0x30, len(secp256k1))) + secp256k1
    check.refuses("sig.unsupported", signatures.check_key, body)


def test_work_comes_in_slices():
    steps = signatures.verifying(*_case("p256-sha256"))
    slices = 0
    try:
        while True:
            check.equal(next(steps), None)
            slices += 1
    except StopIteration as done:
        check.true(done.value)
    check.true(slices >= 15, slices)
