# SPDX-License-Identifier: MIT
"""What signatures.py does for ECDSA alone: curves, points and signatures as they are encoded.

Depends on: algorithms, compat, der, errors, kinds; sha2, ecdsa, _key_tables when a signature is
verified.
Heap: 1 KB from a .mpy file.
"""

from ..compat import forget
from ..encoding.der import Reader
from ..errors import MalformedError
from ..kinds import SEQUENCE
from .algorithms import curve_bits


def verifying(parameters, key, spki, bits, message, numbers, table, is_short=False):
    """Generator: an ECDSA verification once the signature is two numbers, (r, s).

    is_short  heap is: what has computed the digest makes room for what comes next
    """
    from . import sha2

    digest = yield from sha2.digesting(bits, message)
    if is_short:
        del sha2
        forget("sha2 sha512 _sha2_plain")
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


def check_point(parameters, key) -> None:
    """Refuse what is no uncompressed point of a curve of ours, by its length and first byte."""
    size = (curve_bits(parameters) + 7) // 8
    if len(key) != 1 + 2 * size or key[0] != 0x04:
        raise MalformedError("sig.key_malformed", "point")
