# SPDX-License-Identifier: MIT
"""Points on P-256, P-384 and P-521, and RSA, in limbs of 32 bits: where a kernel is at hand.

    x, z = yield from running(curve, steps, points, room(curve))    # steps as in ecdsa
    result = yield from opening(n, e, signature)

`_kernel` is a `.mpy` for one processor (RV32IMC, or Xtensa with windows), made by host_tools from
inline assembler: one function that runs a microprogram over a register file in one bytearray, as
the viper machine of `_field` does, which serves where there is none. Numbers are in Montgomery's
form with R = 2^(32 limbs) and stay below 2^256, 2^384, 2^521, or R for RSA; only the result is
reduced. Combs and tables are those of the viper machine: a point is brought to R when it is
loaded, by a product with a constant.

An addition of two equal or opposite points leaves Z = 0 modulo p, and Z stays 0.

Depends on: compat, _kernel.
Heap: 3 KB from a .mpy file, given back when it is needed (`_kernel` stays); 0.7 to 1.3 KB while
running, for RSA 5.1 times the modulus.
"""

from ..compat import const
from ._kernel import run  # type: ignore[import-not-found] # no Python

# The bytearray: header, two microprograms, the digits of 2^bits - p, registers, columns. The
# kernels have the same numbers in host_tools/build/kernels/layout.py.
_LIMBS = const(0)
_WIDTH = const(4)
_STEPS = const(8)
_KIND = const(12)
_SIZE = const(16)
_INVERSE = const(20)
_REGISTERS = const(24)
_COLUMNS = const(28)
_DOUBLE_AT = const(80)
_ADD_AT = const(152)
_DIGITS_AT = const(252)
_REGISTERS_AT = const(272)
_REGISTER_COUNT = const(11)

# The digits of 2^bits - p for each limb, and the kinds of the kernel.
_DIGITS = {
    256: b"\x01\x00\x00\xff\x00\x00\xff\x01",
    384: b"\x01\xff\x00\x01\x01",
    521: b"\x01",
}

# Registers: X Y Z of the sum, x2 y2 of the point to add, the rest as in the comments; 10 brings
# the coordinates of a table to R.
# An instruction is destination, left, right, k, m. k = 0: left * right. Else (k - 16) left +
# (m - 16) right. 255 ends.
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
    b"\x03\x03\x0a\x00\x00"
    b"\x04\x04\x0a\x00\x00"
    b"\x05\x02\x02\x00\x00"  # zz = Z^2
    b"\x03\x03\x05\x00\x00"
    b"\x03\x03\x00\x11\x0f"  # h = x2 zz - X
    b"\x05\x05\x02\x00\x00"
    b"\x04\x04\x05\x00\x00"
    b"\x04\x04\x01\x11\x0f"  # r = +-y2 zz Z - Y, its sign set by the kernel
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

_SQUARE = b"\xff"
_TIMES = b"\x00"


def works() -> bool:
    """Whether the kernel runs here: yes, or its import would have been refused."""
    return True


def room(on) -> bytearray:
    """Return what `running` works in. Ask for it while the heap still has it in one piece."""
    limbs = (on.bits + 31) // 32
    width = 4 * ((limbs + 3) & ~3)
    memory = bytearray(_REGISTERS_AT + _REGISTER_COUNT * width + 4 * limbs + width + 4)
    _set_up(memory, limbs, width, _REGISTER_COUNT)
    _put(memory, _KIND, {256: 1, 384: 2, 521: 3}[on.bits])
    _put(memory, _SIZE, on.size)
    digits = _DIGITS[on.bits]
    memory[_DIGITS_AT : _DIGITS_AT + len(digits)] = digits
    memory[_DOUBLE_AT : _DOUBLE_AT + len(_PROGRAM_DOUBLE)] = _PROGRAM_DOUBLE
    memory[_ADD_AT : _ADD_AT + len(_PROGRAM_ADD)] = _PROGRAM_ADD
    return memory


def running(on, steps, points: "bytes | memoryview", memory: "bytearray"):
    """Generator: run the steps; return X and Z: X on.scale / Z^2 is the result's abscissa.

    on      the Curve
    steps   rows of steps, as ecdsa makes them; the first step is an addition
    points  indices from 16 on; below is the comb of G; both packed and times on.scale
    memory  from `room`, used once
    """
    size, p = on.size, on.p
    width = memory[_WIDTH]
    scale = 1 << 8 * 4 * memory[_LIMBS]
    is_begun = False
    for part in steps:
        if part and not is_begun:
            # The first point is the first sum.
            is_begun = True
            index = part[0] & 63
            table, start = (on.comb, index) if index < 16 else (points, index - 16)
            start *= 2 * size
            y = int.from_bytes(table[start + size : start + 2 * size], "little")
            factor = scale * on.unscale % p
            at = _REGISTERS_AT
            _put(
                memory,
                at,
                int.from_bytes(table[start : start + size], "little") * factor % p,
                width,
            )
            _put(memory, at + width, (p - y if part[0] & 64 else y) * factor % p, width)
            _put(memory, at + 2 * width, scale % p, width)
            _put(memory, at + 10 * width, factor * scale % p, width)
            part = part[1:]
        _put(memory, _STEPS, len(part))
        run(memory, part, on.comb, points)
        yield
    at = _REGISTERS_AT
    x = int.from_bytes(memory[at : at + width], "little")
    at += 2 * width
    return x * scale * on.unscale % p, int.from_bytes(memory[at : at + width], "little")


def opening(n: int, e: int, base: bytes):
    """Generator: return base ** e mod n as an integer. (A name that boards have in rsa.py too.)

    n     odd
    e     at least 3, odd
    base  big-endian, as long as n, below n

    Works in 5 times the modulus and 276 bytes in one piece.
    """
    width = (len(base) + 15) // 16 * 16
    memory = bytearray(_REGISTERS_AT + 5 * width + 4)
    limbs = width // 4
    _set_up(memory, limbs, width, 3)
    memory[_DOUBLE_AT : _DOUBLE_AT + 6] = b"\x00\x00\x00\x00\x00\xff"
    memory[_ADD_AT : _ADD_AT + 6] = b"\x00\x00\x01\x00\x00\xff"
    # -1 / n mod 2^32: x (2 - n x) doubles the bits that are right, and n is right for three.
    inverse = low = n & 0xFFFFFFFF
    for _ in range(4):
        inverse = inverse * (2 - low * inverse & 0xFFFFFFFF) & 0xFFFFFFFF
    _put(memory, _INVERSE, -inverse & 0xFFFFFFFF)
    at = _REGISTERS_AT
    _put(memory, at + 2 * width, n, width)
    _put(memory, at, (int.from_bytes(base, "big") << 8 * width) % n, width)
    memory[at + width : at + 2 * width] = memory[at : at + width]
    _put(memory, _STEPS, 1)
    yield
    bit = 1
    while bit << 1 <= e:
        bit <<= 1
    bit >>= 1
    while bit:
        run(memory, _SQUARE, b"", b"")
        yield
        if e & bit:
            run(memory, _TIMES, b"", b"")
            yield
        bit >>= 1
    _put(memory, at + width, 1, width)
    run(memory, _TIMES, b"", b"")
    return int.from_bytes(memory[at : at + width], "little") % n


def _set_up(memory, limbs, width, registers):
    _put(memory, _LIMBS, limbs)
    _put(memory, _WIDTH, width)
    _put(memory, _REGISTERS, _REGISTERS_AT)
    _put(memory, _COLUMNS, _REGISTERS_AT + registers * width)


def _put(memory, at, value, size=4):
    memory[at : at + size] = value.to_bytes(size, "little")


# A core that multiplies otherwise would refuse every signature: it is asked once, and then the
# import fails as if there were no kernel.
_BASE = b"\xfe\xdc\xba\x98\x76\x54\x32\x10" * 2
_MODULUS = (1 << 128) - 159
_cube = opening(_MODULUS, 3, _BASE)
try:
    while True:
        next(_cube)
except StopIteration as done:
    if done.value != int.from_bytes(_BASE, "big") ** 3 % _MODULUS:
        raise ImportError("kernel") from None
