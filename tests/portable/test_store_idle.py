# SPDX-License-Identifier: MIT
"""What a store does in idle moments, and what it loses without them: time, and nothing else."""

import os

from scratch import key
from stand_in import Verdict, asked, bundle
from store_board import both, provisioned

from check import equal, false, true
from trustanchor.kinds import CLOCK_VERIFIED, EVENT_PATH
from trustanchor.limits import CACHE_WRITE_S


def held_down(board):
    """A store that has seen the backup; the hold-down of a minute has begun."""
    store = board.boots()
    store.install(bundle(2, pins=("one", "two", "three"), hold_s=60, hold_max_s=600))
    true(store.join(Verdict(store, "two"), asked(store)))
    false(store.local.is_retired("pins", key("one")))
    return store


def test_a_tick_ends_a_hold_down_and_what_it_retires_is_durable():
    def idle(board):
        store = held_down(board)
        opened = Verdict(store, "one")
        heard = []
        store.on_change.append(lambda: heard.append(store.stands(opened)))
        board.clock.passes(59)
        store.tick()
        equal(heard, [])
        board.clock.passes(1)
        store.tick()
        equal(heard, [False], "what was opened under it is dropped")
        true(board.boots().local.is_retired("pins", key("one")))

    both(idle)


def test_without_ticks_the_next_handshake_ends_a_hold_down():
    def use(board):
        store = held_down(board)
        board.clock.passes(60)
        false(store.join(Verdict(store, "one"), asked(store)), "be it a thief's own")
        true(board.boots().local.is_retired("pins", key("one")))

    both(use)


def test_without_ticks_a_restart_keeps_a_hold_down_and_the_next_handshake_ends_it():
    def use(board):
        held_down(board)
        board.clock.passes(60)
        board.clock.up_s = 0
        store = board.boots()
        false(store.join(Verdict(store, "one"), asked(store)))
        true(board.boots().local.is_retired("pins", key("one")))

    both(use)


def test_a_rescue_takes_no_hold_down_with_it():
    def rescue(board):
        store = held_down(board)
        pins = ("one", "two", "three")
        store.install(bundle(1, epoch=1, pins=pins, hold_s=60, hold_max_s=600))
        equal((store.record.holds, store.local.hold_downs), ((), []))
        equal(board.boots().local.hold_downs, [])

    both(rescue)


def test_a_clock_that_the_network_may_have_set_ends_no_hold_down():
    def jump(board):
        store = held_down(board)
        board.clock.unix_s += 1000
        store.tick()
        false(store.local.is_retired("pins", key("one")))
        board.clock.passes(60)
        store.tick()
        true(store.local.is_retired("pins", key("one")), "the uptime is nobody's to set")

    both(jump)


def test_over_a_restart_a_verified_clock_tells_how_long_it_was():
    def again(board):
        board.clock.known = CLOCK_VERIFIED
        held_down(board)
        board.clock.passes(59)
        board.clock.up_s = 0
        store = board.boots()
        store.tick()
        false(store.local.is_retired("pins", key("one")))
        board.clock.passes(1)
        store.tick()
        true(store.local.is_retired("pins", key("one")))

    both(again)


def test_a_tick_that_finds_nothing_to_do_writes_nothing():
    def idle(board):
        store = board.boots()
        before = board.content()
        for _ in range(50):
            board.clock.passes(3600)
            store.tick()
        equal((store.writes(), board.content()), (0, before))

    both(idle)


def test_a_tick_in_a_trial_ends_no_hold_down():
    board = provisioned()
    store = held_down(board)
    store.install(bundle(3, trial=2, pins=("one", "two", "three"), hold_s=60, hold_max_s=600))
    board.clock.passes(600)
    store.tick()
    false(store.local.is_retired("pins", key("one")))


def test_a_tick_writes_what_could_not_be_written():
    def idle(board):
        store = board.boots()
        kept = store.copies
        store.copies = [Worn(copy) for copy in kept]
        store.join(Verdict(store, "two"), asked(store))
        store.copies = kept
        false(board.boots().local.is_retired("pins", key("one")))
        store.tick()
        equal(store.problem, None)
        true(board.boots().local.is_retired("pins", key("one")))

    both(idle)


class Worn:
    def __init__(self, copy):
        self.name = copy.name
        self.writes = 0
        self.read = copy.read

    def write(self, data):
        raise OSError(5)


def test_a_tick_writes_the_cache_once_it_is_due():
    board = provisioned()
    store = board.boots()
    for name in ("early", "late"):
        path = ((EVENT_PATH, key(name), 0, 1 << 33, b"v"),)
        store.join(Verdict(store, "one", events=path), asked(store))
        board.clock.passes(CACHE_WRITE_S // 2)
    equal(store.local.memory.writes, 1, "the second one waits")
    equal(board.boots().local.cached_path(key("late")), None)
    store.tick()
    equal(store.local.memory.writes, 2)
    true(board.boots().local.cached_path(key("late")) is not None)


def test_a_device_that_never_ticks_and_is_switched_off_loses_what_saved_time_alone():
    def use(board):
        store = board.boots()
        for name in ("early", "late"):
            path = ((EVENT_PATH, key(name), 0, 1 << 33, b"v"),)
            store.join(Verdict(store, "one", events=path), asked(store))
        store.join(Verdict(store, "two"), asked(store))
        again = board.boots()
        equal(again.local.cached_path(key("late")), None)
        true(again.local.is_retired("pins", key("one")))
        false("tables" in os.listdir(board.root))

    both(use)


def test_a_device_without_a_state_ticks_and_does_nothing():
    board = provisioned()
    store = board.store()
    before = board.content()
    store.tick()
    equal(board.content(), before)


def test_an_erase_amid_an_update_wins():
    def race(board):
        store = board.boots()
        steps = store.installing(bundle(2, pins=("thief", "thief2")))
        next(steps)
        store.erase()
        try:
            for _ in steps:
                pass
        except Exception as error:  # noqa: BLE001 - which refusal is of no account
            equal(type(error).__name__, "StoreError")
        equal((store.state, store.record), (None, None))
        try:
            board.boots()
        except Exception as error:  # noqa: BLE001
            equal(getattr(error, "code", error), "store.unprovisioned")
            return
        raise AssertionError("an update became a first state")

    both(race)


# A year.


def test_a_year_of_normal_use_writes_what_the_documents_say():
    """Four updates with a trial, one retirement, a restart a week, a new chain every hour."""
    board = provisioned()
    store = board.boots()
    written = {"record": 0, "cache": 0}
    names = ("one", "two", "three")
    seen = "one"
    for hour in range(0, 365 * 24, 2):
        board.clock.passes(2 * 3600)
        day, rest = hour // 24, hour % 24
        if rest == 0 and day % 7 == 3:
            count(store, written)
            board.clock.up_s = 0
            store = board.boots()
        if rest == 0 and day % 91 == 45:
            store.install(bundle(2 + day // 91, trial=3, pins=names))
        if day == 200 and rest == 12:
            seen = "two"
        events: "tuple" = ((1, "pins", names.index(seen), key(seen)),)
        events += ((EVENT_PATH, key("path %d" % hour), 0, 1 << 33, b"v" * 96),)
        true(store.join(Verdict(store, seen, events=events), asked(store)))
        store.tick()
    count(store, written)
    true(store.local.is_retired("pins", key("one")))
    equal(store.state.sequence, 5)
    # 4 trials begun, 4 confirmed, 1 retirement
    equal(written["record"], 9)
    true(1400 <= written["cache"] <= 1460, written["cache"])


def count(store, written):
    written["record"] += store.copies[0].writes
    equal(store.copies[0].writes, store.copies[1].writes)
    written["cache"] += store.local.memory.writes
