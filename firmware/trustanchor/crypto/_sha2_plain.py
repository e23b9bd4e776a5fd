# SPDX-License-Identifier: MIT
"""The compression function of SHA-512 on Python integers, the reference for the viper one.

Depends on: compat.
Heap: 0.9 KB from a .mpy file.
"""

from ..compat import const

_BLOCK = const(128)
_MASK = 0xFFFFFFFFFFFFFFFF


def fold(constants, state, block):
    """Section 6.4.2: fold one block of 128 bytes into the eight words of state."""
    mask = _MASK
    w = [int.from_bytes(block[i : i + 8], "big") for i in range(0, _BLOCK, 8)]
    a, b, c, d, e, f, g, h = state
    for t in range(80):
        i = t & 15
        if t > 15:
            x = w[(t + 1) & 15]
            # A word doubled side by side makes every rotation one shift.
            y = x << 64 | x
            s0 = (y >> 1) ^ (y >> 8) ^ (x >> 7)
            x = w[(t + 14) & 15]
            y = x << 64 | x
            w[i] = (
                w[i] + (s0 & mask) + w[(t + 9) & 15] + (((y >> 19) ^ (y >> 61) ^ (x >> 6)) & mask)
            ) & mask
        y = e << 64 | e
        x = h + (((y >> 14) ^ (y >> 18) ^ (y >> 41)) & mask) + (g ^ (e & (f ^ g))) + w[i]
        x += int.from_bytes(constants[8 * t : 8 * t + 8], "big")
        y = a << 64 | a
        y = (((y >> 28) ^ (y >> 34) ^ (y >> 39)) & mask) + ((a & b) | (c & (a | b)))
        h, g, f, e, d, c, b, a = g, f, e, (d + x) & mask, c, b, a, (x + y) & mask
    for i, x in enumerate((a, b, c, d, e, f, g, h)):
        state[i] = (state[i] + x) & mask
