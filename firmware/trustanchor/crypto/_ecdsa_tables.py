# SPDX-License-Identifier: MIT
"""Combs of keys that a device keeps: anchors, intermediates, signers.

    table = yield from making(on, q)      once a key

Depends on: compat, ecdsa, kinds, _ecdsa_plain.
Heap: 2 KB from a .mpy file; a table is 1 KB (P-256) or 1.5 KB (P-384).
"""

from ..compat import const
from ..kinds import COMB_POINTS
from ._ecdsa_plain import double
from .ecdsa import TEETH, inverse_of, kernel

_SLICE = const(8)


def making(on, q):
    """Generator: return the points of the comb of q, as bytes; b"" for P-521.

    Point i is 2^(4c) Q plus or minus 2^(3c) Q ... plus or minus Q, c columns, the sign of tooth
    t being bit t of i.
    """
    if not on.limbs:
        return b""
    p = on.p
    teeth = [(q[0], q[1], 1)]
    x, y, z = teeth[0]
    for _ in range(TEETH - 1):
        for step in range(on.columns):
            x, y, z = double(p, x, y, z)
            if step % _SLICE == 0:
                yield
        teeth.append((x, y, z))
    points = []
    for i in range(COMB_POINTS):
        total = teeth[-1]
        for t in range(TEETH - 1):
            x, y, z = teeth[t]
            total = _add(p, total[0], total[1], total[2], (x, y if i >> t & 1 else p - y, z))
        points.append(total)
        yield
    return _pack(on, points, kernel())


def _pack(on, points, is_scaled):
    """Return Jacobian points as affine ones: x and y, little-endian, scaled for the machine.

    One inversion for all (Montgomery's trick). A point at infinity has no affine form: a scalar
    of a prime order curve below n never makes one here.
    """
    p, size = on.p, on.size
    products = []
    product = 1
    for _, _, z in points:
        products.append(product)
        product = product * z % p
    inverse = inverse_of(product, p)
    packed = bytearray(2 * size * len(points))
    scale = on.scale if is_scaled else 1
    for i in range(len(points) - 1, -1, -1):
        x, y, z = points[i]
        z_inverse = inverse * products[i] % p
        inverse = inverse * z % p
        square = z_inverse * z_inverse % p
        x = x * square * scale % p
        y = y * square * z_inverse * scale % p
        packed[2 * size * i : 2 * size * (i + 1)] = x.to_bytes(size, "little") + y.to_bytes(
            size, "little"
        )
    return packed


def _add(p, x1, y1, z1, other):
    """Sum of two Jacobian points that are neither equal, opposite nor infinite."""
    x2, y2, z2 = other
    z1z1 = z1 * z1 % p
    z2z2 = z2 * z2 % p
    u1 = x1 * z2z2 % p
    s1 = y1 * z2 * z2z2 % p
    h = (x2 * z1z1 - u1) % p
    r = (y2 * z1 * z1z1 - s1) % p
    hh = h * h % p
    hhh = h * hh % p
    v = u1 * hh % p
    x3 = (r * r - hhh - 2 * v) % p
    return x3, (r * (v - x3) - s1 * hhh) % p, z1 * z2 * h % p
