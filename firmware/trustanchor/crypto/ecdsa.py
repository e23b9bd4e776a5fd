# SPDX-License-Identifier: MIT
"""ECDSA over P-256, P-384 and P-521 (FIPS 186-5, SEC 1), verification only.

A verification is R = u1 G + u2 Q. Both scalars are recoded into one row of steps, a byte each:
double, or add one entry of a table of affine points. Two engines take the steps: `_ecdsa_plain` on
Python integers, complete, on every interpreter and curve; and a machine, which leaves an addition
that meets its own operand (no honest signature does) to the plain engine: `_limbs` where the
processor has a kernel, else `_field` in viper for P-256 and P-384, where that can run.

    G      a signed comb of 5 teeth, in the module of its curve
    Q      never seen: wNAF of width 4 over four odd multiples, affine, with two inversions
           kept: a signed comb of 5 teeth, made once by `_ecdsa_tables`

Nothing here is constant time and nothing needs to be: every input is public.

Depends on: compat, der, errors; _p256, _p384, _p521, _limbs, _field, _ecdsa_plain
when needed.
Heap: 4 KB from a .mpy file, 1 to 1.5 KB for a curve, 3 KB while verifying.
"""

from ..compat import const
from ..errors import MalformedError
from ..kinds import COMB_POINTS

_DOUBLE = const(0xFF)  # a step: everything else is an index into the points
_NEGATE = const(0x40)  # flag of an index: add the opposite point
_SLICE = const(16)  # steps between two yields: a twentieth of a P-256 verification
_WIDTH = const(4)  # of the wNAF of a key never seen
_ODD_MULTIPLES = const(4)  # 1, 3, 5, 7
TEETH = 5  # of a comb


class Curve:
    """Domain parameters, SEC 2: y^2 = x^3 - 3x + b over p, of prime order n, cofactor 1.

    bits     of p and of n, which agree on these three curves
    size     bytes of a coordinate
    limbs    of the viper machine, 0 where it does not serve (P-521)
    base     the generator, (x, y)
    scale    what coordinates in a comb are multiplied by, 2^(13 limbs), and its inverse
    comb     the comb of G, COMB_POINTS points (x, y), little-endian, scaled, or b"" (P-521)
    columns  of a comb
    """

    def __init__(self, bits, parameters, comb):
        self.bits = bits
        self.size = (bits + 7) // 8
        self.p, self.n, self.b, x, y, self.scale, self.unscale = parameters
        self.base = (x, y)
        self.comb = comb
        self.limbs = {256: 20, 384: 30}.get(bits, 0)
        # One bit more than the scalar: the digits of a signed comb are plus and minus one.
        self.columns = (bits + TEETH) // TEETH


_curves: "dict[int, Curve]" = {}


def curve(bits: int) -> Curve:
    """Return P-256, P-384 or P-521; kept, because a chain uses one curve several times."""
    if bits not in _curves:
        if bits == 256:
            from ._p256 import COMB, PARAMETERS
        elif bits == 384:
            from ._p384 import COMB, PARAMETERS
        else:
            from ._p521 import COMB, PARAMETERS
        _curves[bits] = Curve(bits, PARAMETERS, COMB)
    return _curves[bits]


def point_of(on: Curve, encoded: "bytes | memoryview") -> "tuple[int, int]":
    """Return (x, y) of an uncompressed point that is on the curve (SEC 1 section 2.3.4).

    Refuses compressed and hybrid forms, wrong lengths and points elsewhere: sig.key_malformed.
    """
    size = on.size
    if len(encoded) != 1 + 2 * size or encoded[0] != 0x04:
        raise MalformedError("sig.key_malformed", "point")
    x = int.from_bytes(encoded[1 : 1 + size], "big")
    y = int.from_bytes(encoded[1 + size :], "big")
    p = on.p
    # The prime order and cofactor 1 make every point on the curve, infinity excepted, a key.
    if x >= p or y >= p or (y * y - (x * x - 3) * x - on.b) % p:
        raise MalformedError("sig.key_malformed", "point")
    return x, y


def verifying(on: Curve, q: "tuple[int, int]", digest: bytes, r: int, s: int, kept=None):
    """Generator: return whether (r, s) signs digest under the key q (FIPS 186-5 section 6.4.2).

    kept    the points of a table, from _key_tables.unseal, or None
    """
    n = on.n
    if not (0 < r < n and 0 < s < n):
        return False
    e = int.from_bytes(digest, "big")
    if 8 * len(digest) > on.bits:
        e >>= 8 * len(digest) - on.bits
    w = inverse_of(s, n)
    u1 = e * w % n
    u2 = r * w % n
    yield
    machine = kernel()
    memory = machine.room(on) if machine else None  # type: ignore[union-attr]
    first, second, points = yield from _prepare(on, q, u1, u2, kept, machine)
    if memory:
        x, z = yield from machine.running(on, _steps(first, second), points, memory)  # type: ignore[union-attr]
        if z % on.p:
            return _is_r(on, x * on.scale, z, r)
        # An exceptional addition (or an infinite result) leaves z = 0: the plain engine decides.
    from ._ecdsa_plain import running

    x, z = yield from running(on, _steps(first, second), points, machine)
    return _is_r(on, x, z, r)


def _is_r(on, x, z, r):
    """Whether the affine x / z^2, reduced mod n, is r: without the division."""
    p = on.p
    z = z * z % p
    if not z:
        return False
    # x < p < 2n, so at most two integers below p are r modulo n.
    return (x - r * z) % p == 0 or (r + on.n < p and (x - (r + on.n) * z) % p == 0)


_machine = None


# No such module, a .mpy for another processor (ValueError), or no viper (SyntaxError).
_ABSENT = (ImportError, ValueError, SyntaxError)


def kernel():
    """Return the machine, _limbs or _field, or False where neither can run."""
    global _machine
    if _machine is None:
        try:
            from . import _limbs as machine
        except _ABSENT:
            try:
                from . import _field as machine  # type: ignore[no-redef]
            except _ABSENT:
                machine = False  # type: ignore[assignment]
        _machine = machine if machine and machine.works() else False  # type: ignore[union-attr]
    return _machine


def _prepare(on, q, u1, u2, kept, is_scaled):
    """Generator: return the digits of both scalars, and the points after G's comb."""
    if kept:
        points = kept
        second = comb_digits(u2, on.n, on.columns, COMB_POINTS)
    else:
        points = yield from _odd_multiples(on, q, is_scaled)
        yield
        second = _wnaf_digits(u2, on.size, COMB_POINTS)
    yield
    if on.comb:
        first = comb_digits(u1, on.n, on.columns, 0)
    else:
        first = _wnaf_digits(u1, on.size, COMB_POINTS + _ODD_MULTIPLES)
        points += yield from _odd_multiples(on, on.base, is_scaled)
    yield
    return first, second, points


def _steps(first, second):
    """Generator: yield the steps of both recodings, highest position first, a few at a time."""
    part = bytearray()
    is_begun = False  # what is doubled before the first addition is nothing
    for position in range(max(len(first), len(second)) - 1, -1, -1):
        if is_begun:
            part.append(_DOUBLE)
        for digits in (second, first):
            if position < len(digits) and digits[position] != _DOUBLE:
                part.append(digits[position])
                is_begun = True
        if len(part) >= _SLICE:
            yield part
            part = bytearray()
    yield part


def _wnaf_digits(k, size, first):
    """Return the width-4 NAF of k, lowest first: a step or _DOUBLE for each bit."""
    digits = bytearray(b"\xff" * (8 * size + 8))
    octets = k.to_bytes(size + 2, "little")
    carry = i = 0
    while i < 8 * size + 2:
        window = (octets[i >> 3] | octets[(i >> 3) + 1] << 8) >> (i & 7)
        if window & 1 == carry:
            i += 1
            continue
        window = (window & 15) + carry
        carry = window >> 3
        digits[i] = first + (window >> 1) if not carry else (first + (15 - window >> 1)) | _NEGATE
        i += _WIDTH
    return digits


def comb_digits(k, n, columns, first):
    """Return the signed comb of k, lowest column first: one step for each column.

    k is odd or replaced by n - k; then k = sum of s_i 2^i over TEETH * columns signs, whose bits
    are those of (k + 2^length - 1) / 2 (Hamburg 2012, section 3.3; Feng et al. 2006).
    """
    flip = 0
    if not k & 1:
        k = n - k
        flip = _NEGATE
    k = (k + (1 << TEETH * columns) - 1) >> 1
    total = 0
    for tooth in range(TEETH):
        # The bits of one tooth, a byte each: text does in C what a loop would do ten times slower.
        text = bin(k & (1 << columns) - 1 | 1 << columns)[3:]
        bits = bytes.fromhex(text.replace("0", "00").replace("1", "01"))
        total |= int.from_bytes(bits, "big") << tooth
        k >>= columns
    digits = bytearray(total.to_bytes(columns, "little"))
    for column in range(columns):
        # The top tooth counts as plus; the whole column is negated when it is minus.
        digit = digits[column]
        if digit & COMB_POINTS:
            digits[column] = first + digit - COMB_POINTS | flip
        else:
            digits[column] = first + COMB_POINTS - 1 - digit | flip ^ _NEGATE
    return digits


def _odd_multiples(on, q, is_scaled):
    """Generator: return Q, 3Q, 5Q, 7Q packed: x and y, little-endian, scaled for the machine."""
    p = on.p
    packed = bytearray(8 * on.size)
    scale = on.scale if is_scaled else 1
    x, y = q
    _store(on, packed, 0, x * scale, y * scale)
    x2, y2, x, y = _sums(p, x, y, x, 3 * (x * x - 1), 2 * y)  # 2Q and 3Q
    _store(on, packed, 1, x * scale, y * scale)
    yield
    x, y, x2, y2 = _sums(p, x2, y2, x, y - y2, x - x2)  # 2Q + 3Q and 2 2Q + 3Q
    _store(on, packed, 2, x * scale, y * scale)
    _store(on, packed, 3, x2 * scale, y2 * scale)
    yield
    return packed


def _sums(p, x1, y1, x2, rise, run):
    """Return the coordinates of P + R and of 2P + R, affine, with one inversion.

    P is (x1, y1), R has the abscissa x2, the slope of the line through them is rise / run (Ciet,
    Joye, Lauter, Montgomery 2006). No denominator above is 0, because the order is prime.
    """
    square = run * run % p
    gap = (square * (2 * x1 + x2) - rise * rise) % p
    inverse = inverse_of(gap * run, p)
    slope = rise * gap * inverse % p
    x3 = (slope * slope - x1 - x2) % p
    y3 = (slope * (x1 - x3) - y1) % p
    second = (2 * y1 * square * run * inverse - slope) % p
    x4 = ((second - slope) * (second + slope) + x2) % p
    return x3, y3, x4, (second * (x1 - x4) - y1) % p


def _store(on, packed, index, x, y):
    at = 2 * on.size * index
    for value in (x, y):
        packed[at : at + on.size] = (value % on.p).to_bytes(on.size, "little")
        at += on.size


def inverse_of(a, m):
    """Inverse of a modulo a prime m, Euclid: pow(a, -1, m) returns 0 on MicroPython."""
    r, last_r = a % m, m
    t, last_t = 1, 0
    while r:
        quotient = last_r // r
        last_r, r = r, last_r - quotient * r
        last_t, t = t, last_t - quotient * t
    return last_t % m
