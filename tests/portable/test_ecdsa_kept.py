# SPDX-License-Identifier: MIT
"""ECDSA with the table of a kept key: the same answers as without."""

import gc

from ecdsa_maker import numbers_below, sign, times, verify

import check
from trustanchor.compat import finish
from trustanchor.crypto import _ecdsa_tables, _key_tables, ecdsa


def _points(on, q):
    return memoryview(finish(_ecdsa_tables.making(on, q)))


def test_small_private_keys_meet_their_own_points():
    """Q = dG for small d, and -dG: sums run through equal and opposite operands."""
    for bits in (256, 384):
        on = ecdsa.curve(bits)
        for d in (1, 2, 3, 5, 7, on.n - 1, on.n - 2):
            gc.collect()
            q = times(on, d)
            kept = _points(on, q)
            for e, k in ((1, 1), (0, 2), (on.n - 1 >> 8, 3), (77, on.n - 1)):
                r, s = sign(on, d, e, k)
                if not s:
                    continue
                check.true(verify(on, q, e, r, s, kept), d)
                check.false(verify(on, q, e ^ 1, r, s, kept), d)


def test_a_kept_key_answers_as_one_never_seen():
    for bits in (256, 384):
        on = ecdsa.curve(bits)
        numbers = numbers_below("kept", on.n)
        d = next(numbers)
        q = times(on, d)
        kept = _points(on, q)
        for _ in range(3):
            e, k = next(numbers), next(numbers)
            r, s = sign(on, d, e, k)
            check.true(verify(on, q, e, r, s, kept), bits)
            check.false(verify(on, q, e, r, s ^ 2, kept), bits)


def test_p521_keeps_no_table():
    on = ecdsa.curve(521)
    check.equal(finish(_ecdsa_tables.making(on, on.base)), b"")


def test_a_tables_tag_covers_key_form_and_every_byte():
    on = ecdsa.curve(256)
    table = _key_tables.seal(b"spki", finish(_ecdsa_tables.making(on, on.base)))
    check.true(_key_tables.unseal(b"spki", table) is not None)
    check.equal(_key_tables.unseal(b"another spki", table), None)
    for at in range(0, len(table), 61):
        damaged = bytearray(table)
        damaged[at] ^= 1
        check.equal(_key_tables.unseal(b"spki", damaged), None)
    for wrong in (b"", table[:16], table[:17], table[:-1], table + b"\x00"):
        check.equal(_key_tables.unseal(b"spki", wrong), None)
