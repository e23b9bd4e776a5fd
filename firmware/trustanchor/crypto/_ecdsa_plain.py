# SPDX-License-Identifier: MIT
"""The steps of ecdsa on Python integers: complete, and the reference for the viper machine.

    x, z = yield from running(on, steps, points, is_scaled)

Depends on: compat, kinds.
Heap: 1.3 KB from a .mpy file.
"""

from ..compat import const
from ..kinds import COMB_POINTS

_DOUBLE = const(0xFF)  # as in ecdsa
_NEGATE = const(0x40)


def running(on, steps, points, is_scaled):
    """Generator: run the steps; return (X, Z) of the result.

    steps      rows of steps, as ecdsa makes them
    points     indices from COMB_POINTS on; is_scaled when they are for the machine, as G's comb is
    """
    p, size = on.p, on.size
    x = y = z = 0
    for part in steps:
        for step in part:
            if step != _DOUBLE:
                index = step & ~_NEGATE
                table, unscale = on.comb, on.unscale
                if index >= COMB_POINTS:
                    index -= COMB_POINTS
                    table = points
                    if not is_scaled:
                        unscale = 1
                start = 2 * size * index
                x2 = int.from_bytes(table[start : start + size], "little")
                y2 = int.from_bytes(table[start + size : start + 2 * size], "little")
                if step & _NEGATE:
                    y2 = p - y2
                # add_affine(), written out for operands that are neither equal nor opposite.
                zz = z * z * unscale % p
                h = (x2 * zz - x) % p
                if not z or not h:
                    x, y, z = add_affine(p, x, y, z, x2, y2, unscale)
                    continue
                r = (y2 * z * zz - y) % p
                hh = h * h % p
                hhh = h * hh % p
                v = x * hh % p
                z = z * h % p
                x = (r * r - hhh - v - v) % p
                y = (r * (v - x) - y * hhh) % p
                continue
            # double(), written out: half of the time is spent here.
            delta = z * z % p
            gamma = y * y % p
            beta = x * gamma % p
            alpha = 3 * (x - delta) * (x + delta) % p
            beta <<= 2
            z = (y + y) * z % p  # on MicroPython a sum takes half the time of 2 * y
            x = (alpha * alpha - beta - beta) % p
            y = (alpha * (beta - x) - (gamma << 3) * gamma) % p
        yield
    return x, z


def add_affine(p, x1, y1, z1, x2, y2, unscale=1):
    """(x1 : y1 : z1) + (x2, y2) unscale, whatever the operands are."""
    if not z1:
        return x2 * unscale % p, y2 * unscale % p, 1
    # Both products with z1z1 below carry the scale away.
    z1z1 = z1 * z1 * unscale % p
    h = (x2 * z1z1 - x1) % p
    r = (y2 * z1 * z1z1 - y1) % p
    if not h:
        return (0, 0, 0) if r else double(p, x1, y1, z1)
    hh = h * h % p
    hhh = h * hh % p
    v = x1 * hh % p
    x3 = (r * r - hhh - v - v) % p
    return x3, (r * (v - x3) - y1 * hhh) % p, z1 * h % p


def double(p, x, y, z):
    # dbl-2001-b for a = -3 (Explicit-Formulas Database); doubles infinity to infinity.
    delta = z * z % p
    gamma = y * y % p
    beta = x * gamma % p
    alpha = 3 * (x - delta) * (x + delta) % p
    x3 = (alpha * alpha - 8 * beta) % p
    return x3, (alpha * (4 * beta - x3) - 8 * gamma * gamma) % p, 2 * y * z % p
