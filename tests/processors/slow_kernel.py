# SPDX-License-Identifier: MIT
"""The kernel's microprograms in Python, for a MicroPython that has no kernel of its own.

Runs on the device's interpreter: `import slow_kernel` puts it where `_limbs` looks for its kernel.
It follows layout.py, not the assembler, and reduces everything.
"""

import sys

_PRIMES = (
    0,
    2**256 - 2**224 + 2**192 + 2**96 - 1,
    2**384 - 2**128 - 2**96 + 2**32 - 1,
    2**521 - 1,
)
_LIMBS, _WIDTH, _STEPS, _KIND, _SIZE, _REGISTERS = 0, 4, 8, 12, 16, 24
_DOUBLE_AT, _ADD_AT, _SIGN_AT = 80, 152, 190
_inverses: "dict[tuple[int, int], int]" = {}


def _inverse(a, m):
    if (a, m) not in _inverses:
        last_r, r, last_t, t = m, a % m, 0, 1
        while r:
            quotient = last_r // r
            last_r, r, last_t, t = r, last_r - quotient * r, t, last_t - quotient * t
        _inverses[a, m] = last_t % m
    return _inverses[a, m]


def run(memory, steps, comb, points):
    def word(at):
        return int.from_bytes(memory[at : at + 4], "little")

    width, size, first = word(_WIDTH), word(_SIZE), word(_REGISTERS)

    def get(register):
        at = first + register * width
        return int.from_bytes(memory[at : at + width], "little")

    def put(register, value):
        at = first + register * width
        memory[at : at + width] = value.to_bytes(width, "little")

    p = _PRIMES[word(_KIND)] or get(2)
    unscale = _inverse(1 << 32 * word(_LIMBS), p)
    for step in steps[: word(_STEPS)]:
        at = _DOUBLE_AT if step == 255 else _ADD_AT
        if at == _ADD_AT and word(_KIND):
            index = step & 63
            table, index = (comb, index) if index < 16 else (points, index - 16)
            start = 2 * size * index
            put(3, int.from_bytes(table[start : start + size], "little"))
            put(4, int.from_bytes(table[start + size : start + 2 * size], "little"))
            memory[_SIGN_AT] = 15 if step & 64 else 17
        while memory[at] != 255:
            left, right = get(memory[at + 1]), get(memory[at + 2])
            k, m = memory[at + 3], memory[at + 4]
            if k:
                value = (k - 16) * left + (m - 16) * right
            else:
                value = left * right * unscale
            put(memory[at], value % p)
            at += 5


class _Kernel:
    pass


_kernel = _Kernel()
_kernel.run = run  # type: ignore[attr-defined]
sys.modules["trustanchor.crypto._kernel"] = _kernel  # type: ignore[assignment]
