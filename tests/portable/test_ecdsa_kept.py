# SPDX-License-Identifier: MIT
"""ECDSA with the table of a kept key: the same answers as without."""

import gc

import check
from trustanchor import _ecdsa_plain, _ecdsa_tables, _key_tables, ecdsa
from trustanchor.compat import sha256


def _run(steps):
    try:
        while True:
            next(steps)
    except StopIteration as done:
        return done.value


def _points(on, q):
    return _key_tables.unseal(b"spki", _run(_ecdsa_tables.making(on, q, b"spki")))


def _verify(on, q, e, r, s, kept=None):
    # Of a digest with more bits than n the leftmost count: seven bits are cut off on P-521.
    digest = (e << (-on.bits % 8)).to_bytes(on.size, "big")
    return _run(ecdsa.verifying(on, q, digest, r, s, kept))


def _times(on, k, point=None):
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


def _sign(on, d, e, k):
    """A signature of the number e by the private scalar d with the nonce k."""
    r = _times(on, k)[0] % on.n
    return r, ecdsa.inverse_of(k, on.n) * (e + r * d) % on.n


def _numbers(seed, modulus):
    """An endless row of numbers below modulus, the same on every interpreter."""
    counter = 0
    while True:
        counter += 1
        octets = b"".join(
            [sha256(b"%s %d %d" % (seed.encode(), counter, part)) for part in range(3)]
        )
        yield int.from_bytes(octets, "big") % modulus


def test_small_private_keys_meet_their_own_points():
    """Q = dG for small d, and -dG: sums run through equal and opposite operands."""
    for bits in (256, 384):
        on = ecdsa.curve(bits)
        for d in (1, 2, 3, 5, 7, on.n - 1, on.n - 2):
            gc.collect()
            q = _times(on, d)
            kept = _points(on, q)
            for e, k in ((1, 1), (0, 2), (on.n - 1 >> 8, 3), (77, on.n - 1)):
                r, s = _sign(on, d, e, k)
                if not s:
                    continue
                check.true(_verify(on, q, e, r, s, kept), d)
                check.false(_verify(on, q, e ^ 1, r, s, kept), d)


def test_a_kept_key_answers_as_one_never_seen():
    for bits in (256, 384):
        on = ecdsa.curve(bits)
        numbers = _numbers("kept", on.n)
        d = next(numbers)
        q = _times(on, d)
        kept = _points(on, q)
        for _ in range(3):
            e, k = next(numbers), next(numbers)
            r, s = _sign(on, d, e, k)
            check.true(_verify(on, q, e, r, s, kept), bits)
            check.false(_verify(on, q, e, r, s ^ 2, kept), bits)


def test_p521_keeps_no_table():
    on = ecdsa.curve(521)
    check.equal(_run(_ecdsa_tables.making(on, on.base, b"spki")), b"")


def test_a_tables_tag_covers_key_form_and_every_byte():
    on = ecdsa.curve(256)
    table = _run(_ecdsa_tables.making(on, on.base, b"spki"))
    check.true(_key_tables.unseal(b"spki", table) is not None)
    check.equal(_key_tables.unseal(b"another spki", table), None)
    for at in range(0, len(table), 61):
        damaged = bytearray(table)
        damaged[at] ^= 1
        check.equal(_key_tables.unseal(b"spki", damaged), None)
    for wrong in (b"", table[:16], table[:17], table[:-1], table + b"\x00"):
        check.equal(_key_tables.unseal(b"spki", wrong), None)
