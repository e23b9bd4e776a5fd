# SPDX-License-Identifier: MIT
"""RSASSA-PSS (RFC 8017 section 8.1) and its parameters in certificates (RFC 4055).

    parameters = rsa_pss.parameters_of(element)       # (hash bits, MGF1 hash bits, salt length)
    valid = yield from rsa_pss.verifying(n, e, *parameters, message, signature)

Depends on: algorithms, compat, der, errors, rsa, sha2.
Heap: 1.5 KB from a .mpy file.
"""

from ..compat import const
from ..encoding.der import Reader
from ..errors import MalformedError, UnsupportedError
from ..kinds import SEQUENCE
from . import sha2
from .algorithms import identifier_of
from .rsa import bit_length, opening

_MGF1 = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08"  # 1.2.840.113549.1.1.8
_SHA2 = b"\x60\x86\x48\x01\x65\x03\x04\x02"  # 2.16.840.1.101.3.4.2; then 1, 2, 3
_NULL = b"\x05\x00"
_DEFAULT_SALT = const(20)  # RFC 4055 section 3.1


def parameters_of(element):
    """Return (hash bits, MGF1 hash bits, salt length) of RSASSA-PSS-params, RFC 4055 3.1.

    The defaults are SHA-1 and therefore refused. A trailerField is 1, left out or written: the
    section wants both recognised, although X.690 section 11.5 forbids to write a default.
    """
    try:
        outer = Reader(element)
        fields = outer.enter(SEQUENCE)
        outer.finish()
        if fields.peek() != 0xA0:
            raise UnsupportedError("sig.unsupported", "sha1")
        bits = _hash_bits(fields.read(0xA0))
        if fields.peek() != 0xA1:
            raise UnsupportedError("sig.unsupported", "sha1")
        oid, inner = identifier_of(fields.read(0xA1))
        if oid != _MGF1:
            raise UnsupportedError("sig.unsupported", "mgf")
        mgf_bits = _hash_bits(inner)
        salt_length = _DEFAULT_SALT
        if fields.peek() == 0xA2:
            salt = fields.enter(0xA2)
            salt_length = salt.unsigned()
            salt.finish()
        if fields.more() and fields.read(0xA3) != b"\x02\x01\x01":
            raise MalformedError("sig.algorithm_malformed", "trailer")
        fields.finish()
    except MalformedError as error:
        raise MalformedError("sig.algorithm_malformed", error.code)
    return bits, mgf_bits, salt_length


def _hash_bits(element):
    """Return the bits of a SHA-2 AlgorithmIdentifier; RFC 4055 section 2.1: NULL or absent."""
    oid, parameters = identifier_of(element)
    if oid[:-1] != _SHA2 or not 1 <= oid[-1] <= 3:
        raise UnsupportedError("sig.unsupported", "hash")
    if parameters not in (_NULL, b""):
        raise MalformedError("sig.algorithm_malformed", "hash")
    return 128 * (oid[-1] + 1)


def verifying_under(element, parameters, n, e, message, signature):
    """Generator: `verifying` under a key whose own parameters are in element, if it has any."""
    bits, mgf_bits, salt_length = parameters
    # RFC 4055 section 3.3: the key's own parameters bind hash and mask; the salt may be longer in
    # the signature.
    if element:
        key_bits, key_mgf_bits, key_salt_length = parameters_of(element)
        if key_bits != bits or key_mgf_bits != mgf_bits or key_salt_length > salt_length:
            return False
    return (yield from verifying(n, e, bits, mgf_bits, salt_length, message, signature))


def verifying(n, e, bits, mgf_bits, salt_length, message, signature):
    """Generator: return whether signature is PSS over message (RFC 8017 section 8.1.2).

    bits, mgf_bits  the hash of the message and of MGF1
    salt_length     bytes, exactly
    """
    encoded = yield from opening(n, e, signature)
    if encoded is None:
        return False
    digest = yield from sha2.digesting(bits, message)
    # Section 9.1.2 with emBits = bits of the modulus - 1; the steps are the RFC's.
    em_bits = bit_length(n) - 1
    if not em_bits % 8:
        if encoded[0]:
            return False
        encoded = encoded[1:]
    h_length = bits // 8
    db_length = len(encoded) - h_length - 1
    if db_length < salt_length + 1 or encoded[-1] != 0xBC:  # steps 3 and 4
        return False
    h = encoded[db_length:-1]
    unused = 8 * len(encoded) - em_bits
    if encoded[0] >> (8 - unused):  # step 6
        return False
    mask = yield from _mgf1(mgf_bits, h, db_length)
    db = int.from_bytes(encoded[:db_length], "big") ^ int.from_bytes(mask, "big")
    db &= (1 << (8 * db_length - unused)) - 1  # step 9
    # Step 10: zeros, a one, the salt.
    if db >> (8 * salt_length) != 1:
        return False
    salt = db.to_bytes(db_length, "big")[db_length - salt_length :]
    return (yield from sha2.digesting(bits, bytes(8) + digest + salt)) == h


def _mgf1(bits, seed, length):
    """Generator: return the mask of RFC 8017 appendix B.2.1."""
    mask = b""
    counter = 0
    while len(mask) < length:
        mask += yield from sha2.digesting(bits, seed + counter.to_bytes(4, "big"))
        counter += 1
    return mask[:length]
