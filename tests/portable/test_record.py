# SPDX-License-Identifier: MIT
"""The record: bytes and back, damage, and how two copies are joined."""

from binascii import crc32

from check import equal, refuses, true
from trustanchor.compat import sha256
from trustanchor.limits import HOLD_DOWNS, RETIRED_PINS
from trustanchor.state.packing import RECORD_BYTES, merge, pack, parse
from trustanchor.state.record import Record
from trustanchor.state.retired import union


def entries(*numbers):
    return tuple(sorted(sha256(bytes((number,)))[:16] for number in numbers))


def record(**changes):
    return Record(
        3,
        70,
        sha256(b"authority"),
        sha256(b"backup"),
        sha256(b"active"),
        floor=1793491200,
        retired=entries(1, 2),
        generation=9,
    ).but(**changes)


def values(one):
    return [getattr(one, name) for name in Record.FIELDS]


def test_a_record_survives_its_bytes():
    whole = record(
        fallback=sha256(b"fallback"),
        trial=sha256(b"trial"),
        tries=100,
        floor=253402300799,
        held=entries(3),
        trial_at=1 << 33,
        holds=((entries(4)[0], 1 << 33), (entries(5)[0], 0)),
    )
    equal(values(parse(pack(whole))), values(whole))
    equal(values(parse(pack(record()))), values(record()))


def test_the_largest_record_fits_its_limit():
    most = record(
        retired=entries(*range(RETIRED_PINS)),
        held=entries(*range(100, 100 + RETIRED_PINS)),
        holds=tuple((sha256(bytes((n,)))[:16], n) for n in range(HOLD_DOWNS)),
    )
    equal(len(pack(most)), RECORD_BYTES)
    equal(values(parse(pack(most))), values(most))


def test_any_flipped_bit_is_noticed():
    data = bytearray(pack(record(holds=((entries(4)[0], 5),))))
    for at in range(len(data)):
        for bit in range(8):
            data[at] ^= 1 << bit
            refuses("store.record_damaged", parse, data)
            data[at] ^= 1 << bit
    parse(data)


def test_any_truncation_is_noticed():
    data = pack(record())
    for length in range(len(data)):
        refuses("store.record_damaged", parse, data[:length])


def test_bytes_after_the_record_are_refused():
    refuses("store.record_damaged", parse, pack(record()) + b"\x00")
    refuses("store.record_damaged", parse, b"")


def test_counts_that_do_not_fit_the_length_are_refused():
    data = pack(record())[:-4]
    for at in (193, 194, 195):  # retired, held, hold-downs
        wrong = bytearray(data)
        wrong[at] += 1
        body = bytes(wrong)
        refuses("store.record_damaged", parse, body + crc32(body).to_bytes(4, "big"))
    parse(data + crc32(data).to_bytes(4, "big"))


def test_a_missing_copy_changes_nothing():
    equal(values(merge(record(), None)), values(record()))
    equal(values(merge(None, record())), values(record()))
    equal(merge(None, None), None)


def test_the_higher_epoch_wins_whole():
    old = record(generation=12, floor=1900000000, retired=entries(1, 2, 3), sequence=99)
    new = record(epoch=4, sequence=1, generation=11, floor=1793491200, retired=())
    equal(values(merge(old, new)), values(new))
    equal(values(merge(new, old)), values(new))


def test_inside_an_epoch_maximum_and_union():
    old = record(generation=8, sequence=80, floor=1900000000, retired=entries(1, 3))
    new = record(generation=9, sequence=70, retired=entries(1, 2), active=sha256(b"new"))
    joined = merge(old, new) or record()
    equal(values(merge(new, old)), values(joined))
    equal(joined.sequence, 80)
    equal(joined.floor, 1900000000)
    equal(joined.retired, entries(1, 2, 3))
    equal(joined.active, sha256(b"new"), "what moves both ways comes from the newer copy")


def test_what_moves_both_ways_comes_from_the_newer_copy():
    on_trial = record(generation=8, trial=sha256(b"t"), tries=2, held=entries(7))
    confirmed = record(generation=9, active=sha256(b"t"), fallback=sha256(b"active"))
    equal(values(merge(on_trial, confirmed)), values(confirmed))
    on_trial = on_trial.but(generation=10)
    equal(values(merge(on_trial, confirmed)), values(on_trial))


def test_a_union_is_sorted_and_bounded():
    joined = union(entries(1, 2), entries(2, 3))
    equal(joined, entries(1, 2, 3))
    full = entries(*range(RETIRED_PINS))
    equal(union(full, entries(*range(100, 110))), full, "what is there is never lost")
    many = union(full[:60], entries(*range(100, 110)))
    equal(len(many), RETIRED_PINS)
    equal(list(many), sorted(many))
    true(set(full[:60]) <= set(many))
