# SPDX-License-Identifier: MIT
"""RSA below the door: encodings that must not pass, and the limits of keys."""

import sys

import check
from trustanchor.compat import finish
from trustanchor.crypto import rsa, rsa_pss, sha2, signatures
from trustanchor.limits import RSA_MAX_EXPONENT


def _key():
    lines = check.fixture("signatures/rsa2048-sha256").decode().split("\n")
    spki, message, signature = [bytes.fromhex(line) for line in lines[1:4]]
    n, e = rsa.key_of(spki[24:])
    return n, e, message, signature


def _der(n, e):
    def integer(value):
        octets = value.to_bytes(2100, "big").lstrip(b"\x00") or b"\x00"
        if octets[0] >= 0x80:
            octets = b"\x00" + octets
        return b"\x02" + _length(len(octets)) + octets

    body = integer(n) + integer(e)
    return b"\x30" + _length(len(body)) + body


def _length(n):
    if n < 0x80:
        return bytes((n,))
    return bytes((0x81, n)) if n < 0x100 else b"\x82" + n.to_bytes(2, "big")


_N = (1 << 2047) + 12345


def _pkcs1(encoded):
    """Whether this encoding of b"m" passes. To choose what a signature opens to needs the private
    key, so the opening is replaced."""

    def opening(n, e, signature):
        yield
        return signature

    kept, rsa.opening = rsa.opening, opening
    try:
        return finish(rsa.verifying(_N, 3, 256, b"m", encoded))
    finally:
        rsa.opening = kept


_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def test_the_one_right_encoding_passes():
    digest = sha2.digest(256, b"m")
    padding = b"\xff" * (256 - 3 - 19 - 32)
    check.true(_pkcs1(b"\x00\x01" + padding + b"\x00" + _INFO + digest))


def test_every_other_encoding_is_false():
    digest = sha2.digest(256, b"m")
    info = _INFO + digest
    bare = bytes.fromhex("302f300b0609608648016503040201") + b"\x04\x20" + digest
    renamed = info[:14] + b"\x02" + info[15:]
    for what, wrong in (
        ("block type 2", b"\x00\x02" + b"\xff" * 202 + b"\x00" + info),
        ("no separator", b"\x00\x01" + b"\xff" * 203 + info),
        ("short padding, bytes after", b"\x00\x01" + b"\xff" * 8 + b"\x00" + info + bytes(194)),
        ("a byte of padding differs", b"\x00\x01" + b"\xff" * 201 + b"\xfe\x00" + info),
        ("no NULL", b"\x00\x01" + b"\xff" * 204 + b"\x00" + bare),
        ("no DigestInfo", b"\x00\x01" + b"\xff" * 221 + b"\x00" + digest),
        ("SHA-384's name", b"\x00\x01" + b"\xff" * 202 + b"\x00" + renamed),
        ("a leading byte", b"\x01\x01" + b"\xff" * 202 + b"\x00" + info),
    ):
        check.equal(len(wrong), 256, what)
        check.false(_pkcs1(wrong), what)


def test_a_signature_is_as_long_as_the_modulus_and_smaller():
    n, e, message, signature = _key()
    check.true(finish(rsa.verifying(n, e, 256, message, signature)))
    s = int.from_bytes(signature, "big")
    for wrong in (signature[:-1], b"\x00" + signature, signature + b"\x00", b""):
        check.false(finish(rsa.verifying(n, e, 256, message, wrong)))
    # The same residue, one modulus higher, where it still fits.
    if (s + n) >> 2048 == 0:
        check.false(finish(rsa.verifying(n, e, 256, message, (s + n).to_bytes(256, "big"))))
    check.false(finish(rsa.verifying(n, e, 256, message, n.to_bytes(256, "big"))))
    check.false(finish(rsa.verifying(n, e, 256, message, bytes(256))))


def test_moduli_from_2048_to_8192_bits():
    check.equal(rsa.key_of(_der((1 << 2047) + 1, 65537)), ((1 << 2047) + 1, 65537))
    check.equal(rsa.key_of(_der((1 << 8192) - 1, 3)), ((1 << 8192) - 1, 3))
    check.refuses("sig.key_size", rsa.key_of, _der((1 << 2047) - 1, 65537))
    check.refuses("sig.key_size", rsa.key_of, _der((1 << 8192) + 1, 65537))


def test_exponents_are_odd_and_bounded():
    check.equal(rsa.key_of(_der(_N, (1 << 33) - 1))[1], (1 << 33) - 1)
    for e in (0, 1, 2, 65536, (1 << 33) + 1):
        check.refuses("sig.key_malformed", rsa.key_of, _der(_N, e))
    check.refuses("sig.key_malformed", rsa.key_of, _der(_N + 1, 65537))


def test_keys_are_strict_der():
    good = _der(_N, 65537)
    check.equal(rsa.key_of(good), (_N, 65537))
    # The zero before the modulus gone: the number would be negative.
    negative = (
        good[:1] + b"\x82" + (len(good) - 5).to_bytes(2, "big") + b"\x02\x82\x01\x00" + good[9:]
    )
    for wrong in (good + b"\x00", good[:-1], b"", b"\x30\x00", b"\x31" + good[1:], negative):
        check.refuses("sig.key_malformed", rsa.key_of, wrong)


def _pss(encoded, n=_N, salt=32):
    def opening(n, e, signature):
        yield
        return signature

    kept, rsa_pss.opening = rsa_pss.opening, opening
    try:
        return finish(rsa_pss.verifying(n, 3, 256, 256, salt, b"m", encoded))
    finally:
        rsa_pss.opening = kept


def _pss_encoding(bits, salt, one=1, trailer=0xBC, first=0):
    """EMSA-PSS of b"m" for a modulus of this many bits, with chosen faults (RFC 8017 9.1.1)."""
    length = (bits - 1 + 7) // 8
    h = sha2.digest(256, bytes(8) + sha2.digest(256, b"m") + salt)
    size = length - 33
    db = bytearray(bytes(size - len(salt) - 1) + bytes((one,)) + salt)
    db[0] |= first
    mask = finish(rsa_pss._mgf1(256, h, size))
    masked = bytearray(size)
    for i in range(size):
        masked[i] = db[i] ^ mask[i]
    unused = 8 * length - (bits - 1)
    masked[0] &= 0xFF >> unused
    encoded = bytes(masked) + h + bytes((trailer,))
    return bytes((bits + 7) // 8 - length) + encoded


def test_pss_passes_with_every_alignment_of_the_modulus():
    for bits in (2048, 2049, 2050, 2055):
        n = (1 << (bits - 1)) + 1
        check.true(_pss(_pss_encoding(bits, b"s" * 32), n), bits)
        check.false(_pss(_pss_encoding(bits, b"s" * 31), n), bits)
        check.true(_pss(_pss_encoding(bits, b""), n, 0), bits)
        check.false(_pss(_pss_encoding(bits, b"s"), n, 0), bits)


def test_pss_faults_are_false():
    n = (1 << 2047) + 1
    check.true(_pss(_pss_encoding(2048, b"s" * 32), n))
    check.false(_pss(_pss_encoding(2048, b"s" * 32, one=2), n))
    check.false(_pss(_pss_encoding(2048, b"s" * 32, trailer=0xCC), n))
    check.false(_pss(_pss_encoding(2048, b"s" * 32, first=0x40), n))
    good = bytearray(_pss_encoding(2048, b"s" * 32))
    # The bit above emBits.
    good[0] |= 0x80
    check.false(_pss(bytes(good), n))
    # One bit more modulus: a whole byte above emBits must be zero.
    good = bytearray(_pss_encoding(2049, b"s" * 32))
    good[0] = 1
    check.false(_pss(bytes(good), (1 << 2048) + 1))
    # A salt longer than the encoding has room for.
    check.false(_pss(_pss_encoding(2048, b"s" * 32), n, 256))


def test_a_product_by_digits_is_the_product():
    for bits in (2048, 2049, 2559, 2560, 2561, 3000, 4096, 8191, 8192):
        n = (1 << (bits - 1)) | int.from_bytes(sha2.digest(512, b"n") * 4, "big") | 1
        some = int.from_bytes(sha2.digest(512, b"a") * (bits // 512), "big") % n
        other = int.from_bytes(sha2.digest(512, b"b") * (bits // 512), "big") % n
        for a, b in ((some, other), (n - 1, n - 1), (n - 1, 1), (1, n - 1), (0, some), (some, 0)):
            check.equal(rsa.product_by_digits(a, b, n), a * b % n, bits)


def test_a_signature_verifies_where_every_product_goes_by_digits():
    n, e, message, signature = _key()
    whole, rsa._product = rsa._product, rsa.product_by_digits
    try:
        check.true(finish(rsa.verifying(n, e, 256, message, signature)))
        check.false(finish(rsa.verifying(n, e, 256, message + b"x", signature)))
        check.false(finish(rsa.verifying(n, e, 256, message, signature[:-1] + b"\x00")))
    finally:
        rsa._product = whole


def test_a_product_the_heap_has_no_piece_for_goes_by_digits():
    class Wide(int):
        """A number whose whole product asks for more than there is."""

        def __mul__(self, other):
            if other >> 512:
                raise MemoryError
            return int(self) * int(other)

    n, _, _, _ = _key()
    check.equal(rsa._product(Wide(n - 2), n - 3, n), 6)


class _Full:
    """The kernel's module on a heap that is full: at once, or after so many slices."""

    def __init__(self, slices):
        self.asked = 0

        def opening(n, e, signature):
            self.asked += 1
            for _ in range(slices):
                yield
            raise MemoryError

        # A function, not a method: MicroPython imports no bound one.
        self.opening = opening


def test_a_kernel_the_heap_has_no_room_for_leaves_the_signature_to_the_plain_engine():
    n, e, message, signature = _key()
    name = "trustanchor.crypto._limbs"
    before = sys.modules.pop(name, None)
    try:
        for slices in (0, 1, 3):
            for content, is_valid in ((message, True), (message + b"x", False)):
                # Let go of each time, where modules can be.
                full = sys.modules[name] = _Full(slices)  # type: ignore[assignment]
                check.equal(finish(rsa.verifying(n, e, 256, content, signature)), is_valid)
                check.equal(full.asked, 1)
    finally:
        sys.modules.pop(name, None)
        if before is not None:
            sys.modules[name] = before


def _spki(n, e):
    key = b"\x00" + _der(n, e)
    algorithm = bytes.fromhex("300d06092a864886f70d0101010500")
    body = algorithm + b"\x03" + _length(len(key)) + key
    return b"\x30" + _length(len(body)) + body


def test_what_a_key_costs_goes_by_its_size_and_exponent():
    for bits, e, cost in (
        (2048, 3, 1),
        (4096, 0x10001, 1),
        (4096, 0x10003, 4),
        (4097, 0x10001, 4),
        (4097, 0x1000001, 16),
        # What verifying refuses takes nothing from the budget of what it would not.
        (8193, 3, 1),
        (16384, 0x10001, 1),
        (4096, RSA_MAX_EXPONENT + 2, 1),
        (4096, 1 << 64 | 1, 1),
        (4097, 0x10002, 1),
        (8192, 3, 4),
        (8192, RSA_MAX_EXPONENT, 16),
    ):
        check.equal(signatures.cost_of(_spki((1 << (bits - 1)) | 1, e)), cost, (bits, e))
    damaged = _spki((1 << 2047) | 1, 3)
    check.refuses(
        "der.truncated", signatures.cost_of, damaged[:24] + b"\x30\x82\x08\x00" + damaged[28:]
    )
