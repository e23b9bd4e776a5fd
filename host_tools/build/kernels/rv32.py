# SPDX-License-Identifier: MIT
"""The kernel of whole limbs for RV32IMC: `source()` is a module for mpy-cross' inline assembler.

One function runs the microprograms of crypto/_limbs.py over registers of 32-bit limbs. Every
number is below 2^bits (2^256, 2^384, 2^521, or 2^(32 limbs) for RSA), not necessarily below p;
each block keeps that and says how. The function has the calling convention of a viper function
(`native.py` says why): self, count, keywords, objects in a0 to a3.

    s0  memory             s5  bytes of a register       s9   kind
    s1  next step          s6  columns                   s10  comb; RSA: carry above the row
    s2  end of the steps   s7  limbs                     s11  points
    s3  next instruction   s8  destination
    s4  registers
"""

from host_tools.build.kernels import layout
from host_tools.build.kernels.layout import COLUMNS_OF, P256, P384, TERMS

_SAVED = ("ra", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11")
_FRAME = 80
_ARGUMENTS = 56  # in the frame, after the saved registers

# mp_fun_table and the types of MicroPython's native code, .mpy version 6.3 (py/nativeglue.h).
_NONE = 0
_FROM_OBJECT = 12
_POINTER = 4


def source() -> str:
    lines = [
        *_enter(),
        *_next_step(),
        *_load_point(),
        *_next_instruction(),
        *_combination(),
        *_product(),
        *_reduce_rsa(),
        *_reduce_sparse(P256),
        *_reduce_sparse(P384),
        *_reduce_p521(),
        *_fold(),
        *_leave(),
    ]
    body = "\n".join("    " + line for line in lines)
    return f"@micropython.asm_rv32\ndef run(a0, a1, a2, a3):\n{body}\n"


def _enter() -> list[str]:
    """Save what the caller owns; ask the runtime for the addresses of the four arguments."""
    lines = [f"addi(sp, sp, {-_FRAME})"]
    lines += [f"sw({register}, {4 * i}(sp))" for i, register in enumerate(_SAVED)]
    # self.context.constants.obj_table[0] is the runtime's table of functions.
    lines += ["lw(t0, 4(a0))", "lw(t0, 12(t0))", "lw(s1, 0(t0))", "mv(s0, a3)"]
    lines += [f"sw(s1, {_ARGUMENTS - 4}(sp))"]
    for i in range(4):
        lines += [
            f"lw(a0, {4 * i}(s0))",
            f"li(a1, {_POINTER})",
            f"lw(t0, {_FROM_OBJECT}(s1))",
            "jalr(ra, t0, 0)",
            f"sw(a0, {_ARGUMENTS + 4 * i}(sp))",
        ]
    return [
        *lines,
        f"lw(s0, {_ARGUMENTS}(sp))",
        f"lw(s1, {_ARGUMENTS + 4}(sp))",
        f"lw(s10, {_ARGUMENTS + 8}(sp))",
        f"lw(s11, {_ARGUMENTS + 12}(sp))",
        f"lw(s2, {layout.STEPS}(s0))",
        "add(s2, s2, s1)",
        f"lw(s4, {layout.REGISTERS}(s0))",
        "add(s4, s4, s0)",
        f"lw(s5, {layout.WIDTH}(s0))",
        f"lw(s6, {layout.COLUMNS}(s0))",
        "add(s6, s6, s0)",
        f"lw(s7, {layout.LIMBS}(s0))",
        f"lw(s9, {layout.KIND}(s0))",
    ]


def _next_step() -> list[str]:
    return [
        "label(NEXT_STEP)",
        "bltu(s1, s2, STEP)",
        "jal(zero, LEAVE)",
        "label(STEP)",
        "lbu(t0, 0(s1))",
        "addi(s1, s1, 1)",
        f"addi(s3, s0, {layout.DOUBLE_AT})",
        "li(t1, 255)",
        "beq(t0, t1, NEXT_INSTRUCTION)",
        f"addi(s3, s0, {layout.ADD_AT})",
        "beq(s9, zero, NEXT_INSTRUCTION)",  # RSA has no points
    ]


def _load_point() -> list[str]:
    """Copy x and y of the step's point, byte for byte, into registers 3 and 4; note the sign."""
    return [
        "andi(t1, t0, 64)",
        "srli(t1, t1, 5)",
        "li(t2, 17)",
        "sub(t2, t2, t1)",
        f"sb(t2, {layout.SIGN_AT}(s0))",
        "andi(t0, t0, 63)",
        "mv(t3, s10)",
        "li(t1, 16)",
        "bltu(t0, t1, FROM_COMB)",
        "mv(t3, s11)",
        "addi(t0, t0, -16)",
        "label(FROM_COMB)",
        f"lw(t1, {layout.SIZE}(s0))",
        "mul(t0, t0, t1)",
        "slli(t0, t0, 1)",
        "add(t3, t3, t0)",
        "slli(t2, s5, 1)",
        "add(t2, t2, s5)",
        "add(a0, s4, t2)",  # register 3
        "slli(a3, s7, 2)",
        "li(a2, 2)",
        "label(COORDINATE)",
        "add(t2, a0, a3)",
        "sw(zero, -4(t2))",  # a coordinate of P-521 ends within its last limb
        "mv(t2, a0)",
        "add(t4, t3, t1)",
        "label(BYTE)",
        "lbu(t5, 0(t3))",
        "sb(t5, 0(t2))",
        "addi(t3, t3, 1)",
        "addi(t2, t2, 1)",
        "bltu(t3, t4, BYTE)",
        "add(a0, a0, s5)",
        "addi(a2, a2, -1)",
        "bne(a2, zero, COORDINATE)",
    ]


def _next_instruction() -> list[str]:
    """An instruction: destination, left, right, 16 + K, 16 + M; the last two zero: a product."""
    return [
        "label(NEXT_INSTRUCTION)",
        "lbu(t0, 0(s3))",
        "li(t1, 255)",
        "beq(t0, t1, NEXT_STEP)",
        "lbu(a0, 1(s3))",
        "lbu(a1, 2(s3))",
        "lbu(a4, 3(s3))",
        "lbu(a5, 4(s3))",
        "addi(s3, s3, 5)",
        "mul(t0, t0, s5)",
        "add(s8, s4, t0)",
        "mul(a0, a0, s5)",
        "add(a0, s4, a0)",
        "mul(a1, a1, s5)",
        "add(a1, s4, a1)",
        "beq(a4, zero, PRODUCT)",
    ]


def _combination() -> list[str]:
    """Destination = K left + M right, K and M from -8 to 8, and a6 what is above it, |a6| < 16."""
    return [
        "addi(a4, a4, -16)",
        "addi(a5, a5, -16)",
        "mv(a2, s8)",
        "slli(t6, s7, 2)",
        "add(t6, t6, a2)",
        "li(a6, 0)",
        "label(COMBINE)",
        "lw(t0, 0(a0))",
        "lw(t1, 0(a1))",
        "mul(t2, a4, t0)",
        "mulhsu(t3, a4, t0)",
        "mul(t4, a5, t1)",
        "mulhsu(t5, a5, t1)",
        "add(t2, t2, t4)",
        "sltu(t4, t2, t4)",
        "add(t3, t3, t5)",
        "add(t3, t3, t4)",
        # A signed carry: the word plus it, less one above for what its sign stands for.
        "add(t2, t2, a6)",
        "sltu(t4, t2, a6)",
        "srai(a6, a6, 31)",
        "add(a6, a6, t3)",
        "add(a6, a6, t4)",
        "sw(t2, 0(a2))",
        "addi(a0, a0, 4)",
        "addi(a1, a1, 4)",
        "addi(a2, a2, 4)",
        "bne(a2, t6, COMBINE)",
        "jal(zero, ABOVE)",
    ]


def _product() -> list[str]:
    """Columns = left * right, a row for each limb of left: schoolbook, 2 limbs + 1 columns.

    A row adds x y + column + carry <= (2^32 - 1)^2 + 2 (2^32 - 1) = 2^64 - 1: it fits two words.
    """
    return [
        "label(PRODUCT)",
        "mv(t0, s6)",
        "add(t1, s6, s5)",
        "label(CLEAR)",
        *[f"sw(zero, {4 * i}(t0))" for i in range(4)],
        "addi(t0, t0, 16)",
        "bne(t0, t1, CLEAR)",
        "bne(s9, zero, ROWS)",
        "li(s10, 0)",
        "label(ROWS)",
        "slli(t5, s7, 2)",
        "add(t5, t5, a0)",
        "mv(t6, s6)",
        "label(ROW)",
        "lw(a4, 0(a0))",
        "mv(a3, a1)",
        "mv(a2, t6)",
        "jal(ra, MULTIPLY_ADD)",
        "sw(a6, 0(a2))",
        "bne(s9, zero, ROW_DONE)",
        # RSA: add q times the modulus, register 2, so that the row's lowest column becomes 0.
        "lw(t0, 0(t6))",
        f"lw(t1, {layout.INVERSE}(s0))",
        "mul(a4, t0, t1)",
        "slli(a3, s5, 1)",
        "add(a3, a3, s4)",
        "mv(a2, t6)",
        "jal(ra, MULTIPLY_ADD)",
        "lw(t0, 0(a2))",
        "add(t0, t0, a6)",
        "sltu(t1, t0, a6)",
        "add(t0, t0, s10)",
        "sltu(t2, t0, s10)",
        "add(s10, t1, t2)",
        "sw(t0, 0(a2))",
        "label(ROW_DONE)",
        "addi(t6, t6, 4)",
        "addi(a0, a0, 4)",
        "bne(a0, t5, ROW)",
        "li(t0, 2)",
        "beq(s9, zero, REDUCE_RSA)",
        "bltu(s9, t0, REDUCE_256)",
        "beq(s9, t0, TO_384)",
        "jal(zero, REDUCE_521)",
        "label(TO_384)",
        "jal(zero, REDUCE_384)",
        # Columns from a2 on += a4 times the register at a3; a6 is what is above them.
        "label(MULTIPLY_ADD)",
        "li(a6, 0)",
        "add(a5, a3, s5)",
        "label(QUAD)",
        *[line for i in range(4) for line in _multiply_add(i)],
        "addi(a3, a3, 16)",
        "addi(a2, a2, 16)",
        "bne(a3, a5, QUAD)",
        "jalr(zero, ra, 0)",
    ]


def _multiply_add(i: int) -> list[str]:
    return [
        f"lw(t0, {4 * i}(a3))",
        f"lw(t1, {4 * i}(a2))",
        "mul(t2, a4, t0)",
        "mulhu(t3, a4, t0)",
        "add(t2, t2, a6)",
        "sltu(t4, t2, a6)",
        "add(t3, t3, t4)",
        "add(t2, t2, t1)",
        "sltu(t4, t2, t1)",
        "add(a6, t3, t4)",
        f"sw(t2, {4 * i}(a2))",
    ]


def _reduce_rsa() -> list[str]:
    """The upper half of the columns is below R + modulus: less the modulus, if not below R."""
    return [
        "label(REDUCE_RSA)",
        "slli(t6, s7, 2)",
        "add(a2, s6, t6)",
        "slli(a3, s5, 1)",
        "add(a3, a3, s4)",
        "mv(a4, s8)",
        "add(t6, t6, s8)",
        "sub(a5, zero, s10)",  # all ones, or none
        "li(a6, 0)",
        "label(UPPER)",
        "lw(t0, 0(a2))",
        "lw(t1, 0(a3))",
        "and_(t1, t1, a5)",
        "sltu(t2, t0, t1)",
        "sub(t0, t0, t1)",
        "sltu(t3, t0, a6)",
        "sub(t0, t0, a6)",
        "add(a6, t2, t3)",
        "sw(t0, 0(a4))",
        "addi(a2, a2, 4)",
        "addi(a3, a3, 4)",
        "addi(a4, a4, 4)",
        "bne(a4, t6, UPPER)",
        "jal(zero, NEXT_INSTRUCTION)",
    ]


def _reduce_sparse(kind: int) -> list[str]:
    """Montgomery's reduction for P-256 and P-384 without a multiplication.

    The lowest limb of p is -1, so the quotient's limb k is column k itself, once the earlier ones'
    terms are in it, and adding q p clears it without a carry. Column k is then T[k] plus and minus
    at most four q's plus a carry between -4 and 4. What is left is below R + p: a6 is 0 or 1.
    """
    limbs = COLUMNS_OF[kind]
    quotient = ("t0", "t1", "t2", "t3", "t4", "t5", "t6", "a0", "a1", "a2", "a3", "a4")[:limbs]
    bits = 32 * limbs
    lines = [f"label(REDUCE_{bits})", "li(a6, 0)"]
    is_carried = False
    for k in range(2 * limbs):
        column = quotient[k] if k < limbs else "a5"
        lines.append(f"lw({column}, {4 * k}(s6))")
        if is_carried:
            lines += [
                f"add({column}, {column}, a6)",
                f"sltu(a7, {column}, a6)",
                "srai(a6, a6, 31)",
                "add(a6, a6, a7)",
            ]
        for shift, sign in TERMS[kind]:
            if not 0 <= k - shift < limbs:
                continue
            is_carried = True
            q = quotient[k - shift]
            if sign > 0:
                lines += [f"add({column}, {column}, {q})", f"sltu(a7, {column}, {q})"]
                lines += ["add(a6, a6, a7)"]
            else:
                lines += [f"sltu(a7, {column}, {q})", f"sub({column}, {column}, {q})"]
                lines += ["sub(a6, a6, a7)"]
        if k >= limbs:
            lines.append(f"sw({column}, {4 * (k - limbs)}(s8))")
    return [*lines, "jal(zero, ABOVE)"]


def _reduce_p521() -> list[str]:
    """Montgomery's reduction for p = 2^521 - 1 with R = 2^544: q are the columns 0 to 16.

    Column k gets the 32 bits of q 2^521 that lie there, q[k - 16] << 9 | q[k - 17] >> 23. Factors
    below 2^521 leave columns below 2^1042, and so a result below 2^521 + 2^498.
    """
    return [
        "label(REDUCE_521)",
        "lw(t0, 0(s6))",
        "slli(t0, t0, 9)",
        "lw(t1, 64(s6))",
        "add(t1, t1, t0)",
        "sltu(a6, t1, t0)",
        "sw(t1, 64(s6))",
        "mv(a0, s6)",
        "mv(a2, s8)",
        "addi(a3, s8, 64)",
        "label(COLUMN_521)",
        "lw(t0, 4(a0))",
        "lw(t1, 0(a0))",
        "slli(t0, t0, 9)",
        "srli(t1, t1, 23)",
        "or_(t0, t0, t1)",
        "lw(t2, 68(a0))",
        "add(t2, t2, a6)",
        "sltu(a6, t2, a6)",
        "add(t2, t2, t0)",
        "sltu(t1, t2, t0)",
        "add(a6, a6, t1)",
        "sw(t2, 0(a2))",
        "addi(a0, a0, 4)",
        "addi(a2, a2, 4)",
        "bne(a2, a3, COLUMN_521)",
        "lw(t1, 64(s6))",
        "srli(t1, t1, 23)",
        "lw(t2, 132(s6))",
        "add(t2, t2, t1)",
        "add(t2, t2, a6)",
        "sw(t2, 0(a2))",
        "li(a6, 0)",
    ]


def _fold() -> list[str]:
    """While a6, above 2^bits, is not 0: destination += a6 D, D = 2^bits - p.

    |a6| < 16 and D < 2^(bits - 31), so the second time a6 is 1, 0 or -1, and the third time 0.
    """
    return [
        # P-521: 2^521 lies within the last limb.
        "label(ABOVE)",
        "li(t0, 3)",
        "bne(s9, t0, FOLD)",
        "lw(t0, 64(s8))",
        "srli(t1, t0, 9)",
        "slli(a6, a6, 23)",
        "or_(a6, a6, t1)",
        "andi(t0, t0, 511)",
        "sw(t0, 64(s8))",
        "label(FOLD)",
        "beq(a6, zero, FOLDED)",
        "mv(a0, s8)",
        "slli(t6, s7, 2)",
        "add(t6, t6, a0)",
        f"addi(t5, s0, {layout.DIGITS_AT})",
        "li(a7, 0)",
        "label(DIGIT)",
        "lb(t0, 0(t5))",
        "lw(t1, 0(a0))",
        "mul(t0, t0, a6)",
        "add(t0, t0, a7)",
        "add(t1, t1, t0)",
        "sltu(t2, t1, t0)",
        "srai(a7, t0, 31)",
        "add(a7, a7, t2)",
        "sw(t1, 0(a0))",
        "addi(a0, a0, 4)",
        "addi(t5, t5, 1)",
        "bne(a0, t6, DIGIT)",
        "mv(a6, a7)",
        "jal(zero, ABOVE)",
        "label(FOLDED)",
        "jal(zero, NEXT_INSTRUCTION)",
    ]


def _leave() -> list[str]:
    lines = ["label(LEAVE)", f"lw(t0, {_ARGUMENTS - 4}(sp))", f"lw(a0, {_NONE}(t0))"]
    lines += [f"lw({register}, {4 * i}(sp))" for i, register in enumerate(_SAVED)]
    return [*lines, f"addi(sp, sp, {_FRAME})"]
