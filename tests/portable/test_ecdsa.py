# SPDX-License-Identifier: MIT
"""ECDSA below the door: edge scalars, exceptional additions, both engines on the same inputs."""

from ecdsa_maker import numbers_below, sign, times, verify

import check
from trustanchor.crypto import _signatures_ecdsa, ecdsa

_BITS = (256, 384, 521)


def test_random_signatures_verify_and_their_neighbours_do_not():
    for bits in _BITS:
        on = ecdsa.curve(bits)
        numbers = numbers_below("random", on.n)
        for _ in range(2):
            d, e, k = next(numbers), next(numbers) >> 10, next(numbers)
            q = times(on, d)
            r, s = sign(on, d, e, k)
            check.true(verify(on, q, e, r, s), bits)
            check.true(verify(on, q, e, r, on.n - s), bits)
            check.false(verify(on, q, e + 1, r, s), bits)
            check.false(verify(on, q, e, r + 1, s), bits)
            check.false(verify(on, q, e, r, s ^ 1), bits)


def test_r_and_s_are_in_range():
    for bits in _BITS:
        on = ecdsa.curve(bits)
        r, s = sign(on, 5, 77, 99)
        q = times(on, 5)
        check.true(verify(on, q, 77, r, s))
        for wrong in ((0, s), (r, 0), (r + on.n, s), (r, s + on.n), (on.n, s), (r, on.n), (0, 0)):
            check.false(verify(on, q, 77, wrong[0], wrong[1]))


def test_small_private_keys_meet_their_own_points():
    """Q = dG for small d, and -dG: sums run through equal and opposite operands."""
    for bits in (256, 384):
        on = ecdsa.curve(bits)
        for d in (1, 2, 3, 5, 7, on.n - 1, on.n - 2):
            q = times(on, d)
            for e, k in ((1, 1), (0, 2), (on.n - 1 >> 8, 3), (77, on.n - 1)):
                r, s = sign(on, d, e, k)
                if not s:
                    continue
                check.true(verify(on, q, e, r, s), d)
                check.false(verify(on, q, e ^ 1, r, s), d)


def test_a_sum_at_infinity_is_false():
    """u1 G + u2 Q = 0 when e = -r d."""
    for bits in _BITS:
        on = ecdsa.curve(bits)
        q = times(on, 6)
        r = 12345
        e = -r * 6 % on.n
        check.false(verify(on, q, e, r, 999), bits)


def test_points_must_be_on_the_curve():
    for bits in _BITS:
        on = ecdsa.curve(bits)
        x, y = on.base
        size = on.size

        def encoded(first, x, y, size=size):
            return bytes((first,)) + x.to_bytes(size, "big") + y.to_bytes(size, "big")

        good = encoded(4, x, y)
        check.equal(ecdsa.point_of(on, good), (x, y))
        wrongs = [encoded(4, x, y ^ 1), encoded(4, y, x), encoded(4, 0, 0), b"\x00"]
        wrongs += [encoded(3, x, y), encoded(6, x, y), good[:-1], good + b"\x00"]
        # Coordinates are reduced: p stands for no second 0.
        wrongs.append(encoded(4, on.p, y))
        for wrong in wrongs:
            check.refuses("sig.key_malformed", ecdsa.point_of, on, wrong)


def test_coordinates_are_below_the_prime():
    """P-521 has room for them in its 66 bytes, and the curve's equation does not notice."""
    on = ecdsa.curve(521)
    x, y = on.base
    for more_x, more_y in ((on.p, 0), (0, on.p)):
        encoded = b"\x04" + (x + more_x).to_bytes(66, "big") + (y + more_y).to_bytes(66, "big")
        check.refuses("sig.key_malformed", ecdsa.point_of, on, encoded)


def test_signatures_are_der_or_nothing():
    check.equal(_signatures_ecdsa.numbers_of(bytes.fromhex("3006020101020102")), (1, 2))
    for wrong in (
        "",
        "3006020101020182",  # negative s
        "300702010102020001",  # a zero too many
        "3006020101020102ff",
        "300602010102010200",
        "3081060201010201 02",
        "3080020101020102 0000",
        "3106020101020102",
        "3003020101",
        "3009020101020102020103",
        "30060201010a0102",
    ):
        check.equal(
            _signatures_ecdsa.numbers_of(bytes.fromhex(wrong.replace(" ", ""))), (0, 0), wrong
        )


def test_inverses():
    for bits in _BITS:
        n = ecdsa.curve(bits).n
        for a in (1, 2, 3, n - 1, n >> 1, 0x10001):
            check.equal(a * ecdsa.inverse_of(a, n) % n, 1)


def test_scalars_are_recoded_without_loss():
    """The digits of both recodings add up to the scalar again."""
    on = ecdsa.curve(256)
    numbers = numbers_below("recode", on.n)
    for k in (0, 1, 2, 15, 16, on.n - 1, on.n - 2, 1 << 255, next(numbers), next(numbers)):
        total = 0
        for i, digit in enumerate(ecdsa._wnaf_digits(k, 32, 16)):
            if digit != 0xFF:
                value = 2 * ((digit & 0x3F) - 16) + 1
                total += (-value if digit & 0x40 else value) << i
        check.equal(total, k)
        total = 0
        for i, digit in enumerate(ecdsa.comb_digits(k, on.n, on.columns, 0)):
            value = 1 << on.columns * 4
            for tooth in range(4):
                sign = 1 if digit >> tooth & 1 else -1
                value += sign << on.columns * tooth
            total += (-value if digit & 0x40 else value) << i
        check.equal(total % on.n, k % on.n)
