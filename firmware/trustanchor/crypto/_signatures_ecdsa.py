# SPDX-License-Identifier: MIT
"""What signatures.py does for ECDSA alone: curves, points and signatures as they are encoded.

Depends on: compat, der, errors, kinds; sha2, ecdsa, _key_tables when a signature is verified.
Heap: 1 KB from a .mpy file.
"""

from .compat import forget
from .der import Reader
from .errors import MalformedError, UnsupportedError
from .kinds import SEQUENCE


def verifying(parameters, key, spki, bits, message, numbers, table, is_short=False):
    """Generator: an ECDSA verification once the signature is two numbers, (r, s).

    is_short  heap is: what has computed the digest makes room for what comes next
    """
    from . import sha2

    digest = yield from sha2.digesting(bits, message)
    if is_short:
        del sha2
        forget("sha2", "sha512", "_sha2_plain")
    from . import ecdsa

    on = ecdsa.curve(curve_bits(parameters))
    q = ecdsa.point_of(on, key)
    points = None
    if table:
        from ._key_tables import unseal

        points = unseal(spki, table)
    return (yield from ecdsa.verifying(on, q, digest, numbers[0], numbers[1], points))


def numbers_of(der):
    """Return (r, s) of a DER ECDSA-Sig-Value (RFC 3279 section 2.2.3); (0, 0) is never valid."""
    try:
        outer = Reader(der)
        fields = outer.enter(SEQUENCE)
        outer.finish()
        r = fields.unsigned()
        s = fields.unsigned()
        fields.finish()
    except MalformedError:
        return 0, 0
    return r, s


def curve_bits(parameters) -> int:
    # RFC 5480 section 2.1.1: namedCurve only; implicitCurve and specifiedCurve must not be used.
    found = bytes(parameters)
    if found == b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07":
        return 256
    if found == b"\x06\x05\x2b\x81\x04\x00\x22":
        return 384
    if found == b"\x06\x05\x2b\x81\x04\x00\x23":
        return 521
    raise UnsupportedError("sig.unsupported", "curve")


def check_point(parameters, key) -> None:
    """Refuse what is no uncompressed point of a curve of ours, by its length and first byte."""
    size = (curve_bits(parameters) + 7) // 8
    if len(key) != 1 + 2 * size or key[0] != 0x04:
        raise MalformedError("sig.key_malformed", "point")
