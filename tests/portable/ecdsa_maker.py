# SPDX-License-Identifier: MIT
"""ECDSA signatures made by hand, for tests: slow, plain, and not on any device."""

from trustanchor.compat import finish, sha256
from trustanchor.crypto import _ecdsa_plain, ecdsa


def verify(on, q, e, r, s, kept=None):
    # Of a digest with more bits than n the leftmost count: seven bits are cut off on P-521.
    digest = (e << (-on.bits % 8)).to_bytes(on.size, "big")
    return finish(ecdsa.verifying(on, q, digest, r, s, kept))


def times(on, k, point=None):
    """k times the point (default G), affine: plain double-and-add, for tests only."""
    total = (0, 0, 0)
    x2, y2 = point or on.base
    for i in range(on.bits, -1, -1):
        total = _ecdsa_plain.double(on.p, total[0], total[1], total[2])
        if k >> i & 1:
            total = _ecdsa_plain.add_affine(on.p, total[0], total[1], total[2], x2, y2)
    inverse = ecdsa.inverse_of(total[2], on.p)
    square = inverse * inverse % on.p
    return total[0] * square % on.p, total[1] * square * inverse % on.p


def sign(on, d, e, k):
    """A signature of the number e by the private scalar d with the nonce k."""
    r = times(on, k)[0] % on.n
    return r, ecdsa.inverse_of(k, on.n) * (e + r * d) % on.n


def numbers_below(seed, modulus):
    """An endless row of numbers below modulus, the same on every interpreter."""
    counter = 0
    while True:
        counter += 1
        octets = b"".join(
            [sha256(b"%s %d %d" % (seed.encode(), counter, part)) for part in range(3)]
        )
        yield int.from_bytes(octets, "big") % modulus
