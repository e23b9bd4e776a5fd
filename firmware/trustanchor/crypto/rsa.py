# SPDX-License-Identifier: MIT
"""RSA keys and PKCS#1 v1.5 signatures (RFC 8017), verification only. PSS is in rsa_pss.py.

PKCS#1 v1.5 padding is never parsed: the one encoding that is right is built and compared, so
there is no parser to fool (Bleichenbacher 2006). The same holds for the hash's DigestInfo, whose
NULL must be there (RFC 8017 appendix A.2.4; what omits it is refused, as BoringSSL and ring do).

    n, e = rsa.key_of(spki_bit_string)
    valid = yield from rsa.verifying(n, e, 256, message, signature)

Depends on: compat, der, errors, kinds, limits, sha2; _limbs where there is one.
Heap: 1.5 KB from a .mpy file; a verification needs about six times the modulus, in a pinch five
times, in no piece much longer than it.
"""

from ..compat import const, forget, tidy
from ..encoding.der import Reader
from ..errors import MalformedError, UnsupportedError
from ..kinds import SEQUENCE
from ..limits import RSA_MAX_BITS, RSA_MAX_EXPONENT, RSA_MIN_BITS

_DIGIT_BITS = const(512)
_DIGIT = (1 << 512) - 1

# DigestInfo of RFC 8017 section 9.2, note 1: AlgorithmIdentifier up to the hash's last arc.
_DIGEST_INFO = b"\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02"


def key_of(contents: "bytes | memoryview") -> "tuple[int, int]":
    """Return (modulus, exponent) of an RSAPublicKey (RFC 8017 appendix A.1.1).

    Refuses with sig.key_malformed, or sig.key_size outside 2048 to 8192 bits.
    """
    try:
        outer = Reader(contents)
        fields = outer.enter(SEQUENCE)
        outer.finish()
        n = fields.unsigned()
        e = fields.unsigned()
        fields.finish()
    except MalformedError as error:
        raise MalformedError("sig.key_malformed", error.code)
    if not n >> (RSA_MIN_BITS - 1) or n >> RSA_MAX_BITS:
        raise UnsupportedError("sig.key_size")
    # An even modulus or exponent is no RSA key, and e = 1 signs nothing.
    if not n & 1 or not e & 1 or e < 3 or e > RSA_MAX_EXPONENT:
        raise MalformedError("sig.key_malformed", "rsa")
    return n, e


def verifying(n, e, bits, message, signature):
    """Generator: return whether signature is PKCS#1 v1.5 over message (RFC 8017 section 8.2.2)."""
    encoded = yield from opening(n, e, signature)
    if encoded is None:
        return False
    from . import sha2  # not for key_of, which a state with RSA anchors asks for each of them

    digest = yield from sha2.digesting(bits, message)
    return encoded == _emsa_pkcs1(bits, digest, len(encoded))


def opening(n, e, signature):
    """Generator: return signature ** e mod n as bytes of the modulus' length, or None."""
    length = (bit_length(n) + 7) // 8
    # Section 8.2.2 step 1: exactly as long as the modulus, leading zeros included.
    if len(signature) != length:
        return None
    result = int.from_bytes(signature, "big")
    if result >= n:
        return None
    try:
        from ._limbs import opening as by_kernel

        opened = yield from by_kernel(n, e, signature)
        return opened.to_bytes(length, "big")
    except (ImportError, ValueError, SyntaxError):
        pass  # no kernel for this processor
    except MemoryError:
        forget("_limbs")  # slower then, in smaller pieces
    # By hand and not pow(s, e, n): a watchdog and an event loop must live, and MicroPython 1.25
    # crashes on some arguments of pow. e is odd and at least 3.
    bit = 1
    while bit << 1 <= e:
        bit <<= 1
    bit >>= 1
    while bit:
        result = _product(result, result, n)
        yield
        if e & bit:
            result = _product(result, int.from_bytes(signature, "big"), n)
            yield
        bit >>= 1
    return result.to_bytes(length, "big")


def _product(a, b, n):
    """Return a * b mod n."""
    try:
        return a * b % n
    except MemoryError:
        tidy()
        return product_by_digits(a, b, n)


def product_by_digits(a, b, n):
    """Return a * b mod n, for a heap that keeps no pieces twice as long as n.

    A digit of b at a time, so nothing is much longer than n. Takes 1.7 times the time.
    """
    shift = bit_length(n) // _DIGIT_BITS * _DIGIT_BITS
    product = 0
    while shift >= 0:
        product <<= _DIGIT_BITS
        product += a * ((b >> shift) & _DIGIT)
        product %= n
        shift -= _DIGIT_BITS
    return product


def _emsa_pkcs1(bits, digest, length):
    """Return the one right encoding, RFC 8017 section 9.2."""
    size = bits // 8
    # The last arc of the hash's OID: sha256 1, sha384 2, sha512 3; then NULL, then the digest.
    info = _DIGEST_INFO + bytes((bits // 128 - 1, 0x05, 0x00, 0x04, size)) + digest
    info = bytes((0x30, len(info))) + info
    return b"\x00\x01" + b"\xff" * (length - 3 - len(info)) + b"\x00" + info


def bit_length(n):
    # MicroPython's int has no bit_length; n is at least 2^2047.
    length = RSA_MIN_BITS - 1
    while n >> (length + 256):
        length += 256
    while n >> length:
        length += 1
    return length
