# SPDX-License-Identifier: MIT
"""The kernel of whole limbs for Xtensa with windows (ESP32, S2, S3), as `rv32.py` for RV32IMC.

The same memory, microprograms and bounds; rv32.py says why each block keeps every number below
2^bits. Sixteen registers are few, so a2 is the memory and everything else that lasts is kept in
it, in the words below. There is no carry flag and no set-if-less: a carry is a branch over an
addition.

The assembler writes `entry` before and `retw` after.
"""

from host_tools.build.kernels import layout
from host_tools.build.kernels.layout import COLUMNS_OF, P256, P384, P521, TERMS

_TABLE, _STEP, _END, _COMB, _POINTS, _CODE, _TO, _LEFT_END, _ROW = range(
    layout.SCRATCH, layout.SCRATCH + 36, 4
)
_CARRY = _COMB  # RSA has no comb

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
    return f"@micropython.asm_xtensa\ndef run(a2, a3, a4, a5):\n{body}\n"


def _high_product(result: str, left: str, right: str) -> str:
    """muluh, which mpy-cross does not name: op0 0, op1 2, op2 10."""
    r, s, t = (int(register[1:]) for register in (result, left, right))
    return f"data(3, {0xA20000 | r << 12 | s << 8 | t << 4:#x})"


_CALL_A8 = "data(3, 0x0008e0)"  # callx8 a8: not named either


def _move(register: str, value: int) -> str:
    """movi with its constant in the instruction: mpy-cross would load it from a table."""
    if not -2048 <= value < 2048:
        raise ValueError(value)
    octets = value & 0xFF, value >> 8 & 0xF
    return f"data(3, {octets[0] << 16 | 0xA000 | octets[1] << 8 | int(register[1:]) << 4 | 2:#x})"


_CONDITIONS = {"beq": 1, "bltu": 3, "bne": 9, "bgeu": 11}
_ZERO_CONDITIONS = {"beqz": 0x16, "bnez": 0x56}


def _skip_if(condition: str, left: str, right: str = "") -> str:
    """A branch over the next instruction, which has three bytes.

    mpy-cross takes a label that it has not met yet for the first one, and so another size for a
    forward branch in each pass; forwards there is only this, and `j`.
    """
    register = int(left[1:]) << 8
    if right:
        octets = 2 << 16 | _CONDITIONS[condition] << 12 | register | int(right[1:]) << 4 | 7
    else:
        octets = 2 << 12 | register | _ZERO_CONDITIONS[condition]
    return f"data(3, {octets:#x})"


def _enter() -> list[str]:
    """Ask the runtime for the addresses of the four arguments; keep what is needed later."""
    # self.context.constants.obj_table[0] is the runtime's table of functions.
    lines = ["l32i(a2, a2, 4)", "l32i(a2, a2, 12)", "l32i(a2, a2, 0)"]
    for i, register in enumerate(("a3", "a4", "a6", "a7")):
        lines += [
            f"l32i(a10, a5, {4 * i})",
            _move("a11", _POINTER),
            f"l32i(a8, a2, {_FROM_OBJECT})",
            _CALL_A8,
            f"mov({register}, a10)",
        ]
    return [
        *lines,
        f"s32i(a2, a3, {_TABLE})",
        f"s32i(a4, a3, {_STEP})",
        f"s32i(a6, a3, {_COMB})",
        f"s32i(a7, a3, {_POINTS})",
        "mov(a2, a3)",
        f"l32i(a5, a2, {layout.STEPS})",
        "add(a4, a4, a5)",
        f"s32i(a4, a2, {_END})",
    ]


def _next_step() -> list[str]:
    return [
        "label(NEXT_STEP)",
        f"l32i(a3, a2, {_STEP})",
        f"l32i(a4, a2, {_END})",
        _skip_if("bltu", "a3", "a4"),
        "j(LEAVE)",
        "l8ui(a8, a3, 0)",
        "addi(a3, a3, 1)",
        f"s32i(a3, a2, {_STEP})",
        f"addi(a5, a2, {layout.DOUBLE_AT})",
        _move("a9", 255),
        _skip_if("bne", "a8", "a9"),
        "j(BEGIN)",
        _move("a5", layout.ADD_AT),
        "add(a5, a2, a5)",
        f"l32i(a9, a2, {layout.KIND})",
        _skip_if("beqz", "a9"),  # RSA has no points
        "j(LOAD_POINT)",
        "label(BEGIN)",
        f"s32i(a5, a2, {_CODE})",
        "j(NEXT_INSTRUCTION)",
    ]


def _load_point() -> list[str]:
    """Copy x and y of the step's point, byte for byte, into registers 3 and 4; note the sign."""
    return [
        "label(LOAD_POINT)",
        f"s32i(a5, a2, {_CODE})",
        _move("a9", 64),
        "and_(a9, a8, a9)",
        _move("a10", 17),
        _skip_if("beqz", "a9"),
        _move("a10", 15),
        f"s8i(a10, a2, {layout.SIGN_AT})",
        _move("a9", 63),
        "and_(a8, a8, a9)",
        f"l32i(a11, a2, {_COMB})",
        _move("a9", 16),
        _skip_if("bgeu", "a8", "a9"),
        "j(FROM_COMB)",
        f"l32i(a11, a2, {_POINTS})",
        "addi(a8, a8, -16)",
        "label(FROM_COMB)",
        f"l32i(a4, a2, {layout.SIZE})",
        "mull(a8, a8, a4)",
        "addx2(a11, a8, a11)",
        f"l32i(a5, a2, {layout.WIDTH})",
        f"l32i(a3, a2, {layout.REGISTERS})",
        "add(a3, a3, a2)",
        "add(a3, a3, a5)",
        "addx2(a3, a5, a3)",  # register 3
        f"l32i(a6, a2, {layout.LIMBS})",
        _move("a7", 2),
        _move("a8", 0),
        "label(COORDINATE)",
        "addx4(a9, a6, a3)",
        "addi(a9, a9, -4)",
        "s32i(a8, a9, 0)",  # a coordinate of P-521 ends within its last limb
        "mov(a9, a3)",
        "add(a12, a11, a4)",
        "label(BYTE)",
        "l8ui(a10, a11, 0)",
        "s8i(a10, a9, 0)",
        "addi(a11, a11, 1)",
        "addi(a9, a9, 1)",
        "bltu(a11, a12, BYTE)",
        "add(a3, a3, a5)",
        "addi(a7, a7, -1)",
        "bnez(a7, COORDINATE)",
    ]


def _next_instruction() -> list[str]:
    """An instruction: destination, left, right, 16 + K, 16 + M; the last two zero: a product."""
    return [
        "label(NEXT_INSTRUCTION)",
        f"l32i(a3, a2, {_CODE})",
        "l8ui(a4, a3, 0)",
        _move("a5", 255),
        _skip_if("bne", "a4", "a5"),
        "j(NEXT_STEP)",
        "l8ui(a7, a3, 1)",
        "l8ui(a8, a3, 2)",
        "l8ui(a9, a3, 3)",
        "l8ui(a10, a3, 4)",
        "addi(a3, a3, 5)",
        f"s32i(a3, a2, {_CODE})",
        f"l32i(a5, a2, {layout.WIDTH})",
        f"l32i(a6, a2, {layout.REGISTERS})",
        "add(a6, a6, a2)",
        "mull(a4, a4, a5)",
        "add(a4, a4, a6)",
        f"s32i(a4, a2, {_TO})",
        "mull(a7, a7, a5)",
        "add(a7, a7, a6)",
        "mull(a8, a8, a5)",
        "add(a8, a8, a6)",
        _skip_if("bnez", "a9"),
        "j(PRODUCT)",
    ]


def _combination() -> list[str]:
    """Destination = K left + M right, K and M from -8 to 8, and a6 what is above it, |a6| < 16."""
    return [
        "label(COMBINATION)",
        "addi(a9, a9, -16)",
        "addi(a10, a10, -16)",
        f"l32i(a3, a2, {layout.LIMBS})",
        "addx4(a3, a3, a4)",
        "ssai(31)",
        _move("a6", 0),
        "label(COMBINE)",
        # a11, a12 = K left: the high word of a negative K's product is less by left.
        "l32i(a5, a7, 0)",
        "mull(a11, a9, a5)",
        _high_product("a12", "a9", "a5"),
        "sra(a13, a9)",
        "and_(a13, a13, a5)",
        "sub(a12, a12, a13)",
        "l32i(a5, a8, 0)",
        "mull(a14, a10, a5)",
        _high_product("a15", "a10", "a5"),
        "sra(a13, a10)",
        "and_(a13, a13, a5)",
        "sub(a15, a15, a13)",
        "add(a12, a12, a15)",
        "add(a11, a11, a14)",
        _skip_if("bgeu", "a11", "a14"),
        "addi(a12, a12, 1)",
        # A signed carry: the word plus it, less one above for what its sign stands for.
        "add(a11, a11, a6)",
        "sra(a13, a6)",
        "add(a12, a12, a13)",
        _skip_if("bgeu", "a11", "a6"),
        "addi(a12, a12, 1)",
        "mov(a6, a12)",
        "s32i(a11, a4, 0)",
        "addi(a7, a7, 4)",
        "addi(a8, a8, 4)",
        "addi(a4, a4, 4)",
        "bne(a4, a3, COMBINE)",
        "j(ABOVE)",
    ]


def _product() -> list[str]:
    """Columns = left * right, a row for each limb of left: schoolbook, 2 limbs + 1 columns.

    A row adds x y + column + carry <= (2^32 - 1)^2 + 2 (2^32 - 1) = 2^64 - 1: it fits two words.
    """
    return [
        "label(PRODUCT)",
        f"l32i(a3, a2, {layout.COLUMNS})",
        "add(a3, a3, a2)",
        f"s32i(a3, a2, {_ROW})",
        "add(a4, a3, a5)",
        _move("a9", 0),
        "label(CLEAR)",
        *[f"s32i(a9, a3, {4 * i})" for i in range(4)],
        "addi(a3, a3, 16)",
        "bne(a3, a4, CLEAR)",
        f"l32i(a10, a2, {layout.KIND})",
        _skip_if("bnez", "a10"),
        f"s32i(a9, a2, {_CARRY})",
        f"l32i(a3, a2, {layout.LIMBS})",
        "addx4(a3, a3, a7)",
        f"s32i(a3, a2, {_LEFT_END})",
        "mov(a12, a7)",  # left
        "mov(a13, a8)",  # right
        "label(ROW)",
        "l32i(a5, a12, 0)",
        "mov(a3, a13)",
        f"l32i(a4, a2, {_ROW})",
        *_multiply_row("QUAD"),
        "s32i(a6, a4, 0)",
        f"l32i(a10, a2, {layout.KIND})",
        _skip_if("beqz", "a10"),
        "j(ROW_DONE)",
        # RSA: add q times the modulus, register 2, so that the row's lowest column becomes 0.
        f"l32i(a4, a2, {_ROW})",
        "l32i(a5, a4, 0)",
        f"l32i(a3, a2, {layout.INVERSE})",
        "mull(a5, a5, a3)",
        f"l32i(a3, a2, {layout.REGISTERS})",
        f"l32i(a6, a2, {layout.WIDTH})",
        "add(a3, a3, a2)",
        "addx2(a3, a6, a3)",
        *_multiply_row("QUAD_RSA"),
        "l32i(a8, a4, 0)",
        f"l32i(a9, a2, {_CARRY})",
        _move("a10", 0),
        "add(a8, a8, a6)",
        _skip_if("bgeu", "a8", "a6"),
        "addi(a10, a10, 1)",
        "add(a8, a8, a9)",
        _skip_if("bgeu", "a8", "a9"),
        "addi(a10, a10, 1)",
        "s32i(a8, a4, 0)",
        f"s32i(a10, a2, {_CARRY})",
        "label(ROW_DONE)",
        f"l32i(a4, a2, {_ROW})",
        "addi(a4, a4, 4)",
        f"s32i(a4, a2, {_ROW})",
        "addi(a12, a12, 4)",
        f"l32i(a9, a2, {_LEFT_END})",
        "bne(a12, a9, ROW)",
        f"l32i(a3, a2, {layout.COLUMNS})",
        "add(a3, a3, a2)",
        f"l32i(a4, a2, {_TO})",
        _move("a6", 0),
        f"l32i(a10, a2, {layout.KIND})",
        _skip_if("bnez", "a10"),
        "j(REDUCE_RSA)",
        _move("a8", P384),
        _skip_if("bgeu", "a10", "a8"),
        "j(REDUCE_256)",
        _skip_if("bne", "a10", "a8"),
        "j(REDUCE_384)",
        "j(REDUCE_521)",
    ]


def _multiply_row(label: str) -> list[str]:
    """Columns from a4 on += a5 times the register at a3; a6 is what is above them."""
    return [
        _move("a6", 0),
        f"l32i(a7, a2, {layout.WIDTH})",
        "add(a7, a7, a3)",
        f"label({label})",
        *[line for i in range(4) for line in _multiply_add(i)],
        "addi(a3, a3, 16)",
        "addi(a4, a4, 16)",
        _skip_if("beq", "a3", "a7"),
        f"j({label})",
    ]


def _multiply_add(i: int) -> list[str]:
    # The carry comes in one register and leaves in the other.
    carry, above = ("a6", "a11") if i % 2 == 0 else ("a11", "a6")
    return [
        f"l32i(a8, a3, {4 * i})",
        f"l32i(a9, a4, {4 * i})",
        "mull(a10, a5, a8)",
        _high_product(above, "a5", "a8"),
        f"add(a10, a10, {carry})",
        _skip_if("bgeu", "a10", carry),
        f"addi({above}, {above}, 1)",
        "add(a10, a10, a9)",
        _skip_if("bgeu", "a10", "a9"),
        f"addi({above}, {above}, 1)",
        f"s32i(a10, a4, {4 * i})",
    ]


def _reduce_rsa() -> list[str]:
    """The upper half of the columns is below R + modulus: less the modulus, if not below R."""
    return [
        "label(REDUCE_RSA)",
        f"l32i(a5, a2, {layout.LIMBS})",
        "addx4(a3, a5, a3)",
        "addx4(a5, a5, a4)",
        f"l32i(a7, a2, {layout.REGISTERS})",
        f"l32i(a8, a2, {layout.WIDTH})",
        "add(a7, a7, a2)",
        "addx2(a7, a8, a7)",
        f"l32i(a8, a2, {_CARRY})",
        "neg(a8, a8)",  # all ones, or none
        "label(UPPER)",
        "l32i(a9, a3, 0)",
        "l32i(a10, a7, 0)",
        "and_(a10, a10, a8)",
        _move("a11", 0),
        _skip_if("bgeu", "a9", "a10"),
        _move("a11", 1),
        "sub(a9, a9, a10)",
        _skip_if("bgeu", "a9", "a6"),
        "addi(a11, a11, 1)",
        "sub(a9, a9, a6)",
        "mov(a6, a11)",
        "s32i(a9, a4, 0)",
        "addi(a3, a3, 4)",
        "addi(a7, a7, 4)",
        "addi(a4, a4, 4)",
        "bne(a4, a5, UPPER)",
        "j(NEXT_INSTRUCTION)",
    ]


def _reduce_sparse(kind: int) -> list[str]:
    """Montgomery's reduction for P-256 and P-384 without a multiplication, as in rv32.py.

    The quotient's limbs stay where they are, in the lower columns.
    """
    limbs = COLUMNS_OF[kind]
    lines = [f"label(REDUCE_{32 * limbs})", "ssai(31)"]
    is_carried = False
    for k in range(2 * limbs):
        terms = [(k - shift, sign) for shift, sign in TERMS[kind] if 0 <= k - shift < limbs]
        if k < limbs and not terms and not is_carried:
            continue
        lines.append(f"l32i(a8, a3, {4 * k})")
        if is_carried:
            lines += [
                "mov(a9, a6)",
                "add(a8, a8, a6)",
                "sra(a6, a6)",
                _skip_if("bgeu", "a8", "a9"),
                "addi(a6, a6, 1)",
            ]
        for q, sign in terms:
            is_carried = True
            lines.append(f"l32i(a9, a3, {4 * q})")
            if sign > 0:
                lines += ["add(a8, a8, a9)", _skip_if("bgeu", "a8", "a9")]
                lines += ["addi(a6, a6, 1)"]
            else:
                lines += [_skip_if("bgeu", "a8", "a9"), "addi(a6, a6, -1)"]
                lines += ["sub(a8, a8, a9)"]
        lines.append(f"s32i(a8, a3, {4 * k})" if k < limbs else f"s32i(a8, a4, {4 * (k - limbs)})")
    return [*lines, "j(ABOVE)"]


def _reduce_p521() -> list[str]:
    """Montgomery's reduction for p = 2^521 - 1 with R = 2^544, as in rv32.py."""
    return [
        "label(REDUCE_521)",
        "ssai(23)",
        _move("a9", 0),
        "l32i(a8, a3, 0)",
        "src(a8, a8, a9)",
        "l32i(a9, a3, 64)",
        "add(a9, a9, a8)",
        _skip_if("bgeu", "a9", "a8"),
        "addi(a6, a6, 1)",
        "s32i(a9, a3, 64)",
        "mov(a5, a3)",
        "addi(a7, a4, 64)",
        "label(COLUMN_521)",
        "l32i(a8, a5, 4)",
        "l32i(a9, a5, 0)",
        "src(a8, a8, a9)",
        "l32i(a9, a5, 68)",
        "add(a9, a9, a6)",
        _move("a10", 0),
        _skip_if("bgeu", "a9", "a6"),
        _move("a10", 1),
        "add(a9, a9, a8)",
        _skip_if("bgeu", "a9", "a8"),
        "addi(a10, a10, 1)",
        "mov(a6, a10)",
        "s32i(a9, a4, 0)",
        "addi(a5, a5, 4)",
        "addi(a4, a4, 4)",
        "bne(a4, a7, COLUMN_521)",
        _move("a8", 0),
        "l32i(a9, a3, 64)",
        "src(a8, a8, a9)",
        "l32i(a9, a3, 132)",
        "add(a9, a9, a8)",
        "add(a9, a9, a6)",
        "s32i(a9, a4, 0)",
        _move("a6", 0),
    ]


def _fold() -> list[str]:
    """While a6, above 2^bits, is not 0: destination += a6 D, D = 2^bits - p; as in rv32.py."""
    return [
        "label(ABOVE)",
        f"l32i(a4, a2, {_TO})",
        # P-521: 2^521 lies within the last limb.
        f"l32i(a8, a2, {layout.KIND})",
        _move("a9", P521),
        _skip_if("beq", "a8", "a9"),
        "j(FOLD)",
        "l32i(a8, a4, 64)",
        "ssai(9)",
        "src(a6, a6, a8)",
        _move("a9", 511),
        "and_(a8, a8, a9)",
        "s32i(a8, a4, 64)",
        "label(FOLD)",
        _skip_if("bnez", "a6"),
        "j(NEXT_INSTRUCTION)",
        f"l32i(a5, a2, {layout.LIMBS})",
        "addx4(a5, a5, a4)",
        _move("a3", layout.DIGITS_AT),
        "add(a3, a3, a2)",
        _move("a7", 128),
        _move("a11", 0),
        "ssai(31)",
        "label(DIGIT)",
        "l8ui(a8, a3, 0)",
        "xor(a8, a8, a7)",
        "sub(a8, a8, a7)",
        "mull(a8, a8, a6)",
        "add(a8, a8, a11)",
        "l32i(a9, a4, 0)",
        "add(a9, a9, a8)",
        "sra(a11, a8)",
        _skip_if("bgeu", "a9", "a8"),
        "addi(a11, a11, 1)",
        "s32i(a9, a4, 0)",
        "addi(a4, a4, 4)",
        "addi(a3, a3, 1)",
        "bne(a4, a5, DIGIT)",
        "mov(a6, a11)",
        "j(ABOVE)",
    ]


def _leave() -> list[str]:
    """The assembler's own `retw` follows; the result is None, from the runtime's table."""
    return [
        "label(LEAVE)",
        f"l32i(a2, a2, {_TABLE})",
        f"l32i(a2, a2, {_NONE})",
    ]
