# SPDX-License-Identifier: MIT
"""The plain references that `make bench` measures against; not part of the device package.

ECDSA as a textbook has it: Jacobian coordinates, one joint double-and-add over both scalars
(Shamir's trick, with G + Q made first), general formulas, inversions by three-argument pow.
SHA-512 as FIPS 180-4 writes it, word by word.
"""

# bits: p, n, x and y of the generator
P256 = (
    2**256 - 2**224 + 2**192 + 2**96 - 1,
    0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
P384 = (
    2**384 - 2**128 - 2**96 + 2**32 - 1,
    int(
        "ffffffffffffffffffffffffffffffffffffffffffffffff"
        "c7634d81f4372ddf581a0db248b0a77aecec196accc52973",
        16,
    ),
    int(
        "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b98"
        "59f741e082542a385502f25dbf55296c3a545e3872760ab7",
        16,
    ),
    int(
        "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147c"
        "e9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f",
        16,
    ),
)
P521 = (
    2**521 - 1,
    int(
        "1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa"
        "51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
        16,
    ),
    int(
        "c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dba"
        "a14b5e77efe75928fe1dc127a2ffa8de3348b3c1856a429bf97e7e31c2e5bd66",
        16,
    ),
    int(
        "11839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c"
        "97ee72995ef42640c550b9013fad0761353c7086a272c24088be94769fd16650",
        16,
    ),
)
CURVES = {256: P256, 384: P384, 521: P521}


def double(p, point):
    x, y, z = point
    if not y:
        return (1, 1, 0)
    yy = y * y % p
    s = 4 * x * yy % p
    zz = z * z % p
    m = 3 * (x * x - zz * zz) % p
    x3 = (m * m - 2 * s) % p
    return (x3, (m * (s - x3) - 8 * yy * yy) % p, 2 * y * z % p)


def add(p, left, right):
    if not left[2]:
        return right
    if not right[2]:
        return left
    x1, y1, z1 = left
    x2, y2, z2 = right
    z1z1 = z1 * z1 % p
    z2z2 = z2 * z2 % p
    u1 = x1 * z2z2 % p
    u2 = x2 * z1z1 % p
    s1 = y1 * z2 * z2z2 % p
    s2 = y2 * z1 * z1z1 % p
    h = (u2 - u1) % p
    r = (s2 - s1) % p
    if not h:
        return double(p, left) if not r else (1, 1, 0)
    hh = h * h % p
    hhh = h * hh % p
    v = u1 * hh % p
    x3 = (r * r - hhh - 2 * v) % p
    return (x3, (r * (v - x3) - s1 * hhh) % p, h * z1 * z2 % p)


def verify(curve, q, e, r, s):
    """Return whether (r, s) signs the number e under the affine point q."""
    p, n, gx, gy = curve
    w = pow(s, n - 2, n)
    u1 = e * w % n
    u2 = r * w % n
    base = (gx, gy, 1)
    key = (q[0], q[1], 1)
    both = add(p, base, key)
    total = (1, 1, 0)
    bit = 1
    while bit <= n:
        bit <<= 1
    while bit:
        total = double(p, total)
        if u1 & bit:
            total = add(p, total, both if u2 & bit else base)
        elif u2 & bit:
            total = add(p, total, key)
        bit >>= 1
    if not total[2]:
        return False
    z = pow(total[2], p - 2, p)
    return total[0] * z * z % p % n == r


_MASK = 0xFFFFFFFFFFFFFFFF


def _rotate(x, n):
    return (x >> n | x << (64 - n)) & _MASK


def sha512(constants, start, message):
    """Return the 64 bytes of state after message; constants and start are lists of words."""
    length = len(message)
    message += b"\x80" + bytes((111 - length) % 128) + (8 * length).to_bytes(16, "big")
    state = list(start)
    for at in range(0, len(message), 128):
        w = [int.from_bytes(message[i : i + 8], "big") for i in range(at, at + 128, 8)]
        for t in range(16, 80):
            s0 = _rotate(w[t - 15], 1) ^ _rotate(w[t - 15], 8) ^ w[t - 15] >> 7
            s1 = _rotate(w[t - 2], 19) ^ _rotate(w[t - 2], 61) ^ w[t - 2] >> 6
            w.append((w[t - 16] + s0 + w[t - 7] + s1) & _MASK)
        a, b, c, d, e, f, g, h = state
        for t in range(80):
            s1 = _rotate(e, 14) ^ _rotate(e, 18) ^ _rotate(e, 41)
            ch = (e & f) ^ (~e & g)
            t1 = (h + s1 + ch + constants[t] + w[t]) & _MASK
            s0 = _rotate(a, 28) ^ _rotate(a, 34) ^ _rotate(a, 39)
            maj = (a & b) ^ (a & c) ^ (b & c)
            t2 = (s0 + maj) & _MASK
            h, g, f, e, d, c, b, a = g, f, e, (d + t1) & _MASK, c, b, a, (t1 + t2) & _MASK
        state = [(x + y) & _MASK for x, y in zip(state, (a, b, c, d, e, f, g, h))]  # noqa: B905
    return b"".join([x.to_bytes(8, "big") for x in state])
