# SPDX-License-Identifier: MIT
# ruff: noqa: F821 - ptr8, ptr16, ptr32 and uint are words of the viper compiler
"""The SHA-512 compression function in viper: words as two halves of 32 bits.

    state = yield from running(room(), start, constants, (first, last))

a, b, c, d are four neighbours in the row of all a's, and e, f, g, h in that of all e's, so a round
moves no words: it walks along records (a, e) by one pointer, and sixteen rounds later the last
four records become the first. The schedule is a ring of sixteen words.

Depends on: micropython (viper). Absent or refused by `works` on other interpreters; the plain
code of `sha2` is the reference, and tests hold the two equal.
Heap: 0.5 KB from a .mpy file, 0.6 KB while running; native code is counted apart (`make bench`).
"""

import sys

import micropython
from micropython import const

_SLICE = const(2048)  # bytes between two yields, a twentieth of a P-256 verification
# Bytes: eight words of state, the ring of sixteen, 20 records of two words.
_TOTAL = const(64 + 128 + 320)


def works() -> bool:
    """Whether viper's integers have 32 bits here, stored low byte first: both are relied on."""
    return sys.maxsize == 0x7FFFFFFF and sys.byteorder == "little"


def room() -> bytearray:
    """Return what `running` works in."""
    return bytearray(_TOTAL)


def running(memory: bytearray, start: bytes, constants: bytes, parts: "tuple[memoryview, ...]"):
    """Generator: fold parts, whole blocks of 128 bytes, into the state; return the new one."""
    # Low half first, each low byte first.
    for i in range(0, 64, 8):
        for j in range(8):
            memory[i + j] = start[i + 7 - j]
    for part in parts:
        for at in range(0, len(part), _SLICE):
            blocks = part[at : at + _SLICE]
            _run(memory, blocks, constants, len(blocks))  # type: ignore[arg-type] # any buffer
            yield
    state = bytearray(64)
    for i in range(0, 64, 8):
        for j in range(8):
            state[i + j] = memory[i + 7 - j]
    return bytes(state)


@micropython.viper
def _run(p: ptr32, source: ptr8, constants: ptr8, length: int):
    # The first three locals live in registers.
    memory = int(p)
    ring = memory + 64
    records = memory + 192
    last = int(source) + length
    while int(source) < last:
        # Records 0 to 3 hold (d, h), (c, g), (b, f), (a, e).
        p = ptr32(records)
        i = 0
        while i < 8:
            p[0] = ptr32(memory)[6 - i]
            p[1] = ptr32(memory)[7 - i]
            p[2] = ptr32(memory)[14 - i]
            p[3] = ptr32(memory)[15 - i]
            p = ptr32(int(p) + 16)
            i += 2
        k = constants
        i = 0
        while i < 80:
            # Into (y, x): the word of the schedule, which also goes into the ring.
            p = ptr32(ring + ((i & 15) << 3))
            if i < 16:
                y = uint(source[0] << 24 | source[1] << 16 | source[2] << 8 | source[3])
                x = uint(source[4] << 24 | source[5] << 16 | source[6] << 8 | source[7])
                source = ptr8(int(source) + 8)
            else:
                q = ptr32(ring + ((i + 1 & 15) << 3))
                lo = uint(q[0])
                hi = uint(q[1])
                x = (lo >> 1 | hi << 31) ^ (lo >> 8 | hi << 24) ^ (lo >> 7 | hi << 25)
                y = (hi >> 1 | lo << 31) ^ (hi >> 8 | lo << 24) ^ hi >> 7
                q = ptr32(ring + ((i + 14 & 15) << 3))
                lo = uint(q[0])
                hi = uint(q[1])
                z = (lo >> 19 | hi << 13) ^ (hi >> 29 | lo << 3) ^ (lo >> 6 | hi << 26)
                y += (hi >> 19 | lo << 13) ^ (lo >> 29 | hi << 3) ^ hi >> 6
                q = ptr32(ring + ((i + 9 & 15) << 3))
                # Low halves are summed as two 16-bit halves, whose carries are in reach.
                lo = (x & 65535) + (z & 65535) + uint(p[0] & 65535) + uint(q[0] & 65535)
                hi = (x >> 16) + (z >> 16) + (uint(p[0]) >> 16) + (uint(q[0]) >> 16) + (lo >> 16)
                x = hi << 16 | lo & 65535
                y += uint(p[1]) + uint(q[1]) + (hi >> 16)
            p[0] = int(x)
            p[1] = int(y)
            # The round: p at d 0, h 2, c 4, g 6, b 8, f 10, a 12, e 14, the new a 16, e 18.
            p = ptr32(records + ((i & 15) << 4))
            lo = uint(p[14])
            hi = uint(p[15])
            z = (lo >> 14 | hi << 18) ^ (lo >> 18 | hi << 14) ^ (hi >> 9 | lo << 23)
            y += (hi >> 14 | lo << 18) ^ (hi >> 18 | lo << 14) ^ (lo >> 9 | hi << 23)
            y += uint(p[7]) ^ (hi & (uint(p[11]) ^ uint(p[7])))
            y += uint(p[3]) + uint(k[0] << 24 | k[1] << 16 | k[2] << 8 | k[3])
            hi = uint(p[6]) ^ (lo & (uint(p[10]) ^ uint(p[6])))
            lo = (x & 65535) + (z & 65535) + (hi & 65535) + uint(p[2] & 65535)
            lo += uint(k[6] << 8 | k[7])
            hi = (x >> 16) + (z >> 16) + (hi >> 16) + (uint(p[2]) >> 16) + (lo >> 16)
            hi += uint(k[4] << 8 | k[5])
            x = hi << 16 | lo & 65535
            y += hi >> 16
            # (y, x) is T1; e = d + T1.
            lo = (x & 65535) + uint(p[0] & 65535)
            hi = (x >> 16) + (uint(p[0]) >> 16) + (lo >> 16)
            p[18] = int(hi << 16 | lo & 65535)
            p[19] = int(y + uint(p[1]) + (hi >> 16))
            # a = T1 + T2.
            lo = uint(p[12])
            hi = uint(p[13])
            z = (lo >> 28 | hi << 4) ^ (hi >> 2 | lo << 30) ^ (hi >> 7 | lo << 25)
            y += (hi >> 28 | lo << 4) ^ (lo >> 2 | hi << 30) ^ (lo >> 7 | hi << 25)
            y += hi & uint(p[9]) | uint(p[5]) & (hi | uint(p[9]))
            lo = lo & uint(p[8]) | uint(p[4]) & (lo | uint(p[8]))
            hi = (x >> 16) + (z >> 16) + (lo >> 16)
            lo = (x & 65535) + (z & 65535) + (lo & 65535)
            hi += lo >> 16
            p[16] = int(hi << 16 | lo & 65535)
            p[17] = int(y + (hi >> 16))
            k = ptr8(int(k) + 8)
            i += 1
            if not i & 15:
                # The last four records become the first.
                p = ptr32(records)
                q = ptr32(records + 256)
                j = 0
                while j < 16:
                    p[j] = q[j]
                    j += 1
        # Records 0 to 3 again: a..d are words 0, 2, 4, 6 of the state, e..h words 8, 10, 12, 14.
        i = 0
        while i < 16:
            p = ptr32(memory + (i << 2))
            q = ptr32(records + 48 - ((i & 7) << 3) + (i & 8))
            lo = uint(p[0] & 65535) + uint(q[0] & 65535)
            hi = (uint(p[0]) >> 16) + (uint(q[0]) >> 16) + (lo >> 16)
            p[0] = int(hi << 16 | lo & 65535)
            p[1] = int(uint(p[1]) + uint(q[1]) + (hi >> 16))
            i += 2


_STAYS = True  # compat.forget
