# SPDX-License-Identifier: MIT
"""Write the modules of the curves, firmware/trustanchor/crypto/_p256.py, _p384.py and _p521.py.

    python -m tests.certs.make_combs

Domain parameters are those of SEC 2. The combs are arithmetic, not data: tests/host/test_combs.py
makes them again and compares.
"""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "firmware" / "trustanchor" / "crypto"
TEETH = 5
_PER_LINE = 22
_LIMB_BITS = 13
_LIMBS = {256: 20, 384: 30, 521: 0}

# bits: p, n, b, x and y of the generator
PARAMETERS = {
    256: (
        2**256 - 2**224 + 2**192 + 2**96 - 1,
        0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
        0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
        0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    ),
    384: (
        2**384 - 2**128 - 2**96 + 2**32 - 1,
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
        0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
        0xAA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A545E3872760AB7,
        0x3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F,
    ),
    521: (
        2**521 - 1,
        0x1FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409,
        0x51953EB9618E1C9A1F929A21A0B68540EEA2DA725B99B315F3B8B489918EF109E156193951EC7E937B1652C0BD3BB1BF073573DF883D2C34F1EF451FD46B503F00,
        0xC6858E06B70404E9CD9E3ECB662395B4429C648139053FB521F828AF606B4D3DBAA14B5E77EFE75928FE1DC127A2FFA8DE3348B3C1856A429BF97E7E31C2E5BD66,
        0x11839296A789A3BC0045C8A5FB42C7D1BD998F54449579B446817AFBD17273E662C97EE72995EF42640C550B9013FAD0761353C7086A272C24088BE94769FD16650,
    ),
}

_MODULE = '''# SPDX-License-Identifier: MIT
"""The domain parameters of P-{bits} and {what}, made by tests/certs/make_combs.py.

Depends on: nothing.
Heap: {heap} KB from a .mpy file.
"""

# p, n, b, x and y of the generator, the machine's scale 2^{scale} mod p and its inverse
PARAMETERS = (
{numbers}
)
{comb}'''
_COMB = """
# {points} points, x and y little-endian, times the scale. Point i is 2^({last}c) G plus or minus
# 2^({before}c) G ... plus or minus G, c = {columns} columns; the sign of tooth t is bit t of i.
COMB = (
{rows}
)
"""


def scale(bits: int) -> int:
    """What the numbers of the viper machine are multiplied by, before it is reduced mod p."""
    return 1 << (_LIMB_BITS * _LIMBS[bits])


def comb(bits: int) -> bytes:
    """The packed comb of the generator, by affine arithmetic that shares nothing with ecdsa."""
    p, _, _, x, y = PARAMETERS[bits]
    columns = (bits + TEETH) // TEETH
    teeth = [(x, y)]
    for _ in range(TEETH - 1):
        point = teeth[-1]
        for _ in range(columns):
            point = _sum(p, point, point)
        teeth.append(point)
    packed = b""
    for index in range(1 << (TEETH - 1)):
        total = teeth[-1]
        for tooth, (x, y) in enumerate(teeth[:-1]):
            total = _sum(p, total, (x, y if index >> tooth & 1 else p - y))
        for coordinate in total:
            packed += (coordinate * scale(bits) % p).to_bytes((bits + 7) // 8, "little")
    return packed


def _sum(p: int, left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
    (x1, y1), (x2, y2) = left, right
    if left == right:
        slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, p)
    else:
        slope = (y2 - y1) * pow(x2 - x1, -1, p)
    x = (slope * slope - x1 - x2) % p
    return x, (slope * (x1 - x) - y1) % p


def module(bits: int) -> str:
    """The source text of the module for this curve."""
    p = PARAMETERS[bits][0]
    numbers = [*PARAMETERS[bits], scale(bits) % p, pow(scale(bits), -1, p)]
    text = '\nCOMB = b""\n'
    if _LIMBS[bits]:
        packed = comb(bits)
        rows = []
        for start in range(0, len(packed), _PER_LINE):
            octets = packed[start : start + _PER_LINE]
            rows.append('    b"' + "".join(f"\\x{octet:02x}" for octet in octets) + '"')
        text = _COMB.format(
            points=1 << (TEETH - 1),
            last=TEETH - 1,
            before=TEETH - 2,
            columns=(bits + TEETH) // TEETH,
            rows="\n".join(rows),
        )
    return _MODULE.format(
        bits=bits,
        what="the comb of its generator" if _LIMBS[bits] else "no comb",
        heap={256: "1.7", 384: "2.3", 521: "0.8"}[bits],
        scale=_LIMB_BITS * _LIMBS[bits],
        numbers="\n".join(f"    0x{number:X}," for number in numbers),
        comb=text,
    )


def main() -> None:
    for bits in PARAMETERS:
        (PACKAGE / f"_p{bits}.py").write_text(module(bits))


if __name__ == "__main__":
    main()
