# SPDX-License-Identifier: MIT
"""Signatures with the device's own key: ES256, for what it says of itself.

    scalar = scalar_of(pem_or_der)      # the key that load_cert_chain() takes, where it is P-256
    signature = sign(scalar, digest)    # r and s, 32 bytes each (RFC 9053 section 2.1)

The nonce is RFC 6979's with fresh random bytes mixed in (section 3.6), so that neither a poor
random generator nor a repeated message gives the key away. The multiplication takes the same
steps for every nonce, a signed comb without zeros, and the inversion is blinded; Python's integers
take a little longer for larger values all the same. SECURITY.md says what that means.

Depends on: compat, der, ecdsa, errors, kinds.
Heap: 1.5 KB from a .mpy file, and what ecdsa takes.
"""

import os
from binascii import a2b_base64
from hashlib import sha256

from ..compat import const, finish
from ..encoding.der import Reader
from ..errors import MalformedError
from ..kinds import OID, SEQUENCE
from . import ecdsa

_OCTET_STRING = const(0x04)
_DOUBLE = const(0xFF)  # as in ecdsa
_EC_PUBLIC_KEY = b"\x2a\x86\x48\xce\x3d\x02\x01"  # RFC 5480 section 2.1.1
_P256 = b"\x2a\x86\x48\xce\x3d\x03\x01\x07"
_BEGIN, _KIND, _END = b"-----BEGIN ", b"PRIVATE KEY-----", b"-----END "


def scalar_of(key: "bytes | str") -> int:
    """Return the secret of a P-256 key: PKCS #8 (RFC 5958) or SEC 1 (RFC 5915), PEM or DER.

    Refuses everything else with sig.private_key: other curves, RSA, an encrypted key.
    """
    data = key.encode() if isinstance(key, str) else bytes(key)
    try:
        if data[:1] != b"\x30":
            data = _body(data)
        scalar = _scalar(Reader(data).enter(SEQUENCE), None)
    except (ValueError, MalformedError):
        scalar = 0
    if not 0 < scalar < ecdsa.curve(256).n:
        raise MalformedError("sig.private_key")
    return scalar


def sign(scalar: int, digest: bytes, random=None) -> bytes:
    """Return r and s over a SHA-256 digest. random: bytes for the nonce; os.urandom's if None."""
    on = ecdsa.curve(256)
    n = on.n
    e = int.from_bytes(digest, "big")
    for nonce in _nonces(scalar, digest, n, os.urandom(32) if random is None else random):
        r = _abscissa(on, nonce) % n
        blind = int.from_bytes(os.urandom(32), "big") % (n - 1) + 1
        s = (blind * e + blind * r % n * scalar) * ecdsa.inverse_of(nonce * blind, n) % n
        if r and s:
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    raise MalformedError("sig.private_key")  # unreachable: _nonces() does not end


def _abscissa(on, nonce: int) -> int:
    """The x of nonce times the generator."""
    steps = bytearray()
    for digit in reversed(ecdsa.comb_digits(nonce, on.n, on.columns, 0)):
        if steps:
            steps.append(_DOUBLE)
        steps.append(digit)
    machine = ecdsa.kernel()
    memory = machine.room(on) if machine else None  # type: ignore[union-attr]
    x = z = 0
    if memory:
        x, z = finish(machine.running(on, (steps,), b"", memory))  # type: ignore[union-attr]
        x *= on.scale
    if not z % on.p:
        from ._ecdsa_plain import running

        x, z = finish(running(on, (steps,), b"", machine))
    return x * ecdsa.inverse_of(z * z, on.p) % on.p


def _nonces(scalar: int, digest: bytes, n: int, extra: bytes):
    """Generator of nonces: RFC 6979 section 3.2 with the extra bytes of section 3.6."""
    told = scalar.to_bytes(32, "big") + (int.from_bytes(digest, "big") % n).to_bytes(32, "big")
    told += extra
    v, k = b"\x01" * 32, bytes(32)
    for octet in (b"\x00", b"\x01"):
        k = _hmac(k, v + octet + told)
        v = _hmac(k, v)
    while True:
        v = _hmac(k, v)
        nonce = int.from_bytes(v, "big")
        if 0 < nonce < n:
            yield nonce
        k = _hmac(k, v + b"\x00")
        v = _hmac(k, v)


def _hmac(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA-256 (RFC 2104) with a key of 32 bytes."""
    block = key + bytes(32)
    inner = sha256(bytes(octet ^ 0x36 for octet in block))
    inner.update(message)
    outer = sha256(bytes(octet ^ 0x5C for octet in block))
    outer.update(inner.digest())
    return outer.digest()


def _body(data: bytes) -> bytes:
    """The DER of the one PEM block that holds a private key, as it is or with its kind."""
    kind = data.find(_KIND)
    begin = data.rfind(_BEGIN, 0, kind + 1)
    end = data.find(_END, kind)
    if kind < 0 or end < 0 or data[begin + len(_BEGIN) : kind] not in (b"", b"EC "):
        raise ValueError
    return a2b_base64(data[kind + len(_KIND) : end])


def _scalar(fields, curve) -> int:
    version = fields.unsigned()
    if version == 0 and curve is None:  # PKCS #8: the algorithm, and the key inside
        algorithm = fields.enter(SEQUENCE)
        if bytes(algorithm.read(OID)) != _EC_PUBLIC_KEY:
            return 0
        curve = bytes(algorithm.read(OID))
        return _scalar(Reader(fields.read(_OCTET_STRING)).enter(SEQUENCE), curve)
    secret = fields.read(_OCTET_STRING)
    named = fields.optional(0xA0)
    if named is not None:
        curve = bytes(Reader(named).read(OID))
    if version != 1 or len(secret) != 32 or curve != _P256:
        return 0
    return int.from_bytes(secret, "big")
