# SPDX-License-Identifier: MIT
# ruff: noqa: F821 - ptr8, ptr16, ptr32 and uint are words of the viper compiler
"""The field machine: point arithmetic on P-256 and P-384 in one viper function.

Numbers are limbs of 13 bits, 20 for P-256 and 30 for P-384: a column of a product is then at most
30 (2^13 - 1)^2 < 2^31, so a whole column is summed in one machine word without a carry. They are
multiplied in Montgomery's form with the factor R = 2^260 or 2^390. Both primes are -1 modulo
2^13, so the quotient digit of a reduction step is the low limb itself, and both are sums of five
powers of two, so adding its multiple of p is four shifted additions.

A product of numbers below 8p is below 2p (R > 64 p on P-384; on P-256 R > 16 p allows
4p times 4p), a sum of two products below 4p, a difference plus 2p below 4p: nothing between two
products is ever compared with p.

    x, z = yield from running(curve, steps, points, room())    # steps as in ecdsa

The one function runs a microprogram, 4 bytes an instruction (operation, destination, left,
right), over a register file in one bytearray: no Python objects, no allocation while it runs.
An addition of two equal or opposite points leaves Z = 0, and Z stays 0.

Depends on: micropython (viper). Absent or refused by `works` on other interpreters; ecdsa's plain
engine is the reference, and tests hold the two equal.
Heap: 1 KB from a .mpy file, 2.5 KB while running; native code is counted apart (`make bench`).
"""

import sys

import micropython
from micropython import const

# The bytearray: header, microprograms, registers with five zero limbs before, between and after,
# columns of 32 bits.
_DOUBLE_AT = const(8)
_ADD_AT = const(80)
_SIGN_AT = const(108)  # the coefficient of y2 in the addition: its byte is 17 or 15
_REGISTERS = const(172)
_COLUMNS = const(956)
_TOTAL = const(1208)

# Registers: X Y Z of the sum, x2 y2 of the point to add, the rest as in the comments; 10 is
# doubled limbs of a square, and belongs to the machine.
# An instruction is destination, left, right, k, m. k = 0: left * right. Else (k - 16) left +
# (m - 16) right, brought below 2.1 p. 255 ends.
_PROGRAM_DOUBLE = (
    b"\x05\x02\x02\x00\x00"  # delta = Z^2
    b"\x06\x01\x01\x00\x00"  # gamma = Y^2
    b"\x07\x00\x06\x00\x00"  # beta = X gamma
    b"\x08\x00\x05\x11\x0f"  # X - delta
    b"\x09\x00\x05\x13\x13"  # 3 (X + delta)
    b"\x08\x08\x09\x00\x00"  # alpha
    b"\x02\x01\x02\x00\x00"
    b"\x02\x02\x02\x11\x11"  # Z3 = 2 Y Z
    b"\x00\x08\x08\x00\x00"
    b"\x00\x00\x07\x11\x08"  # X3 = alpha^2 - 8 beta
    b"\x07\x07\x00\x14\x0f"  # 4 beta - X3
    b"\x01\x08\x07\x00\x00"
    b"\x06\x06\x06\x00\x00"
    b"\x01\x01\x06\x11\x08"  # Y3 = alpha (4 beta - X3) - 8 gamma^2
    b"\xff"
)
_PROGRAM_ADD = (
    b"\x05\x02\x02\x00\x00"  # zz = Z^2
    b"\x03\x03\x05\x00\x00"
    b"\x03\x03\x00\x11\x0f"  # h = x2 zz - X
    b"\x05\x05\x02\x00\x00"
    b"\x04\x04\x05\x00\x00"
    b"\x04\x04\x01\x11\x0f"  # r = +-y2 zz Z - Y, the sign at _SIGN_AT
    b"\x02\x02\x03\x00\x00"  # Z3 = Z h
    b"\x05\x03\x03\x00\x00"  # hh
    b"\x03\x03\x05\x00\x00"  # hhh
    b"\x05\x00\x05\x00\x00"  # v = X hh
    b"\x00\x04\x04\x00\x00"
    b"\x00\x00\x03\x11\x0f"
    b"\x00\x00\x05\x11\x0e"  # X3 = r^2 - hhh - 2 v
    b"\x05\x05\x00\x11\x0f"
    b"\x05\x05\x04\x00\x00"
    b"\x01\x01\x03\x00\x00"
    b"\x01\x05\x01\x11\x0f"  # Y3 = r (v - X3) - Y hhh
    b"\xff"
)


def works() -> bool:
    """Whether viper's integers have 32 bits here; on 64-bit machines plain integers are faster."""
    return sys.maxsize == 0x7FFFFFFF


def room(on) -> "bytearray | None":
    """Return what `running` works in, None for P-521. Ask while the heap has it in one piece."""
    return bytearray(_TOTAL) if on.limbs else None


def running(on, steps, points: "bytes | memoryview", memory: "bytearray"):
    """Generator: run the steps; return X and Z of the result, times R, not reduced.

    on      the Curve: P-256 or P-384, 20 or 30 limbs
    steps   rows of steps, as ecdsa makes them; the first step is an addition
    points  indices from 16 on; below is the comb of G; both packed and scaled by R
    memory  from `room`, used once
    """
    limbs, size = on.limbs, on.size
    memory[0] = limbs
    memory[4] = size
    memory[_DOUBLE_AT : _DOUBLE_AT + len(_PROGRAM_DOUBLE)] = _PROGRAM_DOUBLE
    memory[_ADD_AT : _ADD_AT + len(_PROGRAM_ADD)] = _PROGRAM_ADD
    is_begun = False
    for part in steps:
        if part and not is_begun:
            # The first point is the first sum.
            is_begun = True
            index = part[0] & 63
            table, start = (on.comb, index) if index < 16 else (points, index - 16)
            start *= 2 * size
            y = int.from_bytes(table[start + size : start + 2 * size], "little")
            _store(memory, limbs, 0, int.from_bytes(table[start : start + size], "little"))
            _store(memory, limbs, 1, on.p - y if part[0] & 64 else y)
            _store(memory, limbs, 2, on.scale)
            part = part[1:]
        memory[2] = len(part) & 0xFF
        memory[3] = len(part) >> 8
        _run(memory, part, on.comb, points)  # type: ignore[arg-type] # viper takes any buffer
        yield
    return _number(memory, limbs, 0), _number(memory, limbs, 2)


def _store(memory, limbs, register, value):
    at = _REGISTERS + 10 + 2 * (limbs + 5) * register
    for i in range(at, at + 2 * limbs, 2):
        memory[i] = value & 0xFF
        memory[i + 1] = value >> 8 & 0x1F
        value >>= 13


def _number(memory, limbs, register):
    at = _REGISTERS + 10 + 2 * (limbs + 5) * register
    value = 0
    for i in range(2 * limbs - 2, -2, -2):
        value = value << 13 | memory[at + i] | memory[at + i + 1] << 8
    return value


@micropython.viper
def _run(pa: ptr16, pt: ptr32, pb: ptr16, points: ptr8):
    # The first three locals live in registers, so the arguments become the inner loops' pointers:
    # pa and pb walk over limbs, pt over columns.
    memory = int(pa)
    steps = int(pt)
    comb = int(pb)
    limbs = pa[0]
    last = steps + pa[1]
    size = pa[2]
    width = 2 * limbs + 10
    registers = memory + 182
    columns = memory + 956
    while steps < last:
        step = ptr8(steps)[0]
        steps += 1
        code = memory + 8
        if step != 255:
            code = memory + 80
            ptr8(memory)[108] = 17 - (step >> 5 & 2)
            step &= 63
            if step < 16:
                source = comb + 2 * size * step
            else:
                source = int(points) + 2 * size * (step - 16)
            # Unpack x and y into registers 3 and 4.
            target = registers + 3 * width
            turn = 0
            while turn < 2:
                pa = ptr16(target)
                carry = 0
                bits = 0
                stop = source + size
                while source < stop:
                    carry |= ptr8(source)[0] << bits
                    source += 1
                    bits += 8
                    if bits >= 13:
                        pa[0] = carry & 8191
                        pa = ptr16(int(pa) + 2)
                        carry >>= 13
                        bits -= 13
                pa[0] = carry
                target += width
                turn += 1
        while ptr8(code)[0] != 255:
            target = registers + ptr8(code)[0] * width
            pa = ptr16(registers + ptr8(code)[1] * width)
            pb = ptr16(registers + ptr8(code)[2] * width)
            k = ptr8(code)[3]
            if k:
                k -= 16
                m = ptr8(code)[4] - 16
                pt = ptr32(columns)
                stop = columns + 4 * limbs
                while int(pt) < stop:
                    pt[0] = k * pa[0] + m * pb[0]
                    pt = ptr32(int(pt) + 4)
                    pa = ptr16(int(pa) + 2)
                    pb = ptr16(int(pb) + 2)
                # Subtract q p, q one less than the bits above p's: what is left is positive and
                # below 2.1 p.
                pt = ptr32(columns)
                if limbs == 20:
                    q = (pt[19] >> 9) - 1
                    pt[19] = pt[19] - (q << 9)
                    pt[17] = pt[17] + (q << 3)
                    pt[14] = pt[14] - (q << 10)
                    pt[7] = pt[7] - (q << 5)
                else:
                    q = (pt[29] >> 7) - 1
                    pt[29] = pt[29] - (q << 7)
                    pt[9] = pt[9] + (q << 11)
                    pt[7] = pt[7] + (q << 5)
                    pt[2] = pt[2] - (q << 6)
                pt[0] = pt[0] + q
            else:
                # Five rows at a time: column c of the block gets a0 b[c] + ... + a4 b[c - 4], the
                # zeros around a register standing in for b below 0 and above the last limb.
                square = int(pa) == int(pb)
                if square:
                    # a[i] a[j] counts twice for i < j: right of the diagonal block stands 2 a.
                    pb = ptr16(registers + 10 * width)
                    stop = int(pa) + 2 * limbs
                    while int(pa) < stop:
                        pb[0] = pa[0] << 1
                        pa = ptr16(int(pa) + 2)
                        pb = ptr16(int(pb) + 2)
                    pa = ptr16(int(pa) - 2 * limbs)
                    pb = ptr16(registers + 10 * width)
                rows = int(pb) - 8
                row = 0
                while row < limbs:
                    pt = ptr32(columns + 4 * row)
                    stop = int(pt) + 4 * limbs + 16
                    pb = ptr16(rows)
                    if square:
                        pb = ptr16(rows + 8 + 2 * row)
                        pb[0] = pa[0]
                        pb[1] = pa[1]
                        pb[2] = pa[2]
                        pb[3] = pa[3]
                        pb[4] = pa[4]
                        pb = ptr16(int(pb) - 8)
                        pt = ptr32(int(pt) + 4 * row)
                    while int(pt) < stop:
                        pt[0] = (
                            pt[0]
                            + pa[0] * pb[4]
                            + pa[1] * pb[3]
                            + pa[2] * pb[2]
                            + pa[3] * pb[1]
                            + pa[4] * pb[0]
                        )
                        pt[1] = (
                            pt[1]
                            + pa[0] * pb[5]
                            + pa[1] * pb[4]
                            + pa[2] * pb[3]
                            + pa[3] * pb[2]
                            + pa[4] * pb[1]
                        )
                        pt = ptr32(int(pt) + 8)
                        pb = ptr16(int(pb) + 4)
                    if square:
                        pb = ptr16(rows + 8 + 2 * row)
                        pb[0] = 0
                        pb[1] = 0
                        pb[2] = 0
                        pb[3] = 0
                        pb[4] = 0
                    pa = ptr16(int(pa) + 10)
                    row += 5
                # Montgomery: the low limb times p, a sum of powers of two, clears the column.
                pt = ptr32(columns)
                stop = columns + 4 * limbs
                if limbs == 20:
                    while int(pt) < stop:
                        q = pt[0] & 8191
                        pt[1] = pt[1] + (pt[0] >> 13)
                        pt[0] = 0
                        pt[7] = pt[7] + (q << 5)
                        pt[14] = pt[14] + (q << 10)
                        pt[17] = pt[17] - (q << 3)
                        pt[19] = pt[19] + (q << 9)
                        pt = ptr32(int(pt) + 4)
                else:
                    while int(pt) < stop:
                        q = pt[0] & 8191
                        pt[1] = pt[1] + (pt[0] >> 13)
                        pt[0] = 0
                        pt[2] = pt[2] + (q << 6)
                        pt[7] = pt[7] - (q << 5)
                        pt[9] = pt[9] - (q << 11)
                        pt[29] = pt[29] + (q << 7)
                        pt = ptr32(int(pt) + 4)
            # Carry the columns from pt on into the destination.
            carry = 0
            if k:
                pt = ptr32(columns)
            stop = int(pt) + 4 * limbs
            pa = ptr16(target)
            while int(pt) < stop:
                carry += pt[0]
                pt[0] = 0
                pa[0] = carry & 8191
                carry >>= 13
                pt = ptr32(int(pt) + 4)
                pa = ptr16(int(pa) + 2)
            code += 5


_STAYS = True  # compat.forget
