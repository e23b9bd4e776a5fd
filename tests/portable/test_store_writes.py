# SPDX-License-Identifier: MIT
"""The store: what is durable, what outlives what, and what it costs in flash writes."""

from scratch import key
from stand_in import Verdict, asked, bundle
from store_board import both, provisioned

from check import equal, false, true
from trustanchor.kinds import EVENT_LEAF_NOT_BEFORE, EVENT_PATH
from trustanchor.limits import BUILD_AT
from trustanchor.state.local import named_entry

# Retiring.


def test_a_retirement_is_on_flash_when_join_returns():
    def retire(board):
        store = board.boots()
        true(store.join(Verdict(store, "two")))
        true(board.boots().local.is_retired("pins", key("one")))
        false(board.boots().local.is_retired("pins", key("two")))

    both(retire)


def test_a_retirement_outlives_the_loss_of_either_copy():
    for nvs in (True, False):
        for number in (0, 1):
            board = provisioned(nvs)
            store = board.boots()
            store.join(Verdict(store, "two"))
            board.store().copies[number].erase()
            true(board.boots().local.is_retired("pins", key("one")))


def test_a_retired_key_is_retired_under_every_name():
    board = provisioned()
    store = board.boots()
    store.join(Verdict(store, "two"))
    true(store.local.is_retired("renamed", key("one")))
    false(store.local.is_retired("renamed", key("two")))
    # As a version before wrote it: under the name of its set, and of no other.
    store.write(store.record.but(retired=(named_entry("pins", key("two")),)))
    again = board.boots()
    true(again.local.is_retired("pins", key("two")))
    false(again.local.is_retired("renamed", key("two")))


def test_a_newer_state_that_lists_a_retired_pin_does_not_revive_it():
    board = provisioned()
    store = board.boots()
    store.join(Verdict(store, "two"))
    store.install(bundle(2, pins=("one", "two", "three")))
    true(store.local.is_retired("pins", key("one")))
    store.install(bundle(1, epoch=1, pins=("one", "two")))
    false(store.local.is_retired("pins", key("one")), "a higher epoch that lists it does")
    false(board.boots().local.is_retired("pins", key("one")))


def test_a_higher_epoch_that_does_not_list_it_leaves_it_retired():
    board = provisioned()
    store = board.boots()
    store.join(Verdict(store, "two"))
    store.install(bundle(1, epoch=1, pins=("eight", "nine")))
    true(store.local.is_retired("pins", key("one")))


def test_a_higher_epoch_sets_the_floor_to_its_own():
    board = provisioned()
    store = board.boots()
    store.install(bundle(2, issued_at=BUILD_AT + 90000000))
    equal(store.local.floor, BUILD_AT + 90000000)
    store.install(bundle(3, issued_at=BUILD_AT + 5000))
    equal(store.local.floor, BUILD_AT + 90000000, "an older issue does not lower it")
    store.install(bundle(1, epoch=1, issued_at=BUILD_AT + 6000))
    equal(store.local.floor, BUILD_AT + 6000)
    equal(board.boots().local.floor, BUILD_AT + 6000)


def test_a_connection_stands_while_its_state_does():
    board = provisioned()
    store = board.boots()
    verdict = Verdict(store, "one")
    true(store.stands(verdict))
    store.install(bundle(2))
    false(store.stands(verdict))
    true(store.stands(Verdict(store, "one")))


def test_a_boot_uses_no_generation_again():
    board = provisioned()
    store = board.boots()
    store.join(Verdict(store, "two"))
    before = store.record.generation
    store = board.boots()
    store.install(bundle(2))
    equal(store.record.generation, before + 1)


def test_the_bound_is_not_written():
    board = provisioned()
    store = board.boots()
    lifts = ((EVENT_LEAF_NOT_BEFORE, BUILD_AT + 7000000),)
    store.join(Verdict(store, "one", events=lifts))
    equal(store.local.bound, BUILD_AT + 7000000)
    equal(store.writes(), 0)
    equal(board.boots().local.bound, board.boots().local.floor)


def test_a_clock_that_runs_ahead_raises_no_floor_on_flash():
    def ahead(board):
        board.clock.unix_s = BUILD_AT + 70 * 365 * 86400
        store = board.boots()
        store.join(Verdict(store, "two"), asked(store))
        store.tick()
        store.install(bundle(2, pins=("two", "three")))
        equal(store.record.floor, BUILD_AT + 2000)
        board.clock.unix_s = BUILD_AT + 500000
        again = board.boots()
        equal((again.local.floor, again.local.bound), (BUILD_AT + 2000, BUILD_AT + 2000))

    both(ahead)


# Wear.


def test_a_handshake_that_changes_nothing_writes_nothing():
    def use(board):
        store = board.boots()
        path = (EVENT_PATH, key("path"), 0, 1 << 33, b"v")
        store.join(Verdict(store, "one", events=(path,)), asked(store))
        before = board.content()
        writes = store.writes()
        for _ in range(100):
            board.clock.passes(3600)
            store.join(Verdict(store, "one"), asked(store))
            store.join(Verdict(store, "one", events=(path,)), asked(store))
        equal(store.writes(), writes)
        equal(board.content(), before)

    both(use)


def test_what_an_event_costs():
    def use(board):
        store = board.boots()
        costs = []

        def costs_of(name, function, *arguments):
            before = sum(copy.writes for copy in store.copies)
            function(*arguments)
            costs.append((name, sum(copy.writes for copy in store.copies) - before))

        costs_of("retire", store.join, Verdict(store, "two"))
        costs_of("update", store.install, bundle(2, pins=("two", "three")))
        costs_of("trial", store.install, bundle(3, trial=2, pins=("two", "three", "four")))
        costs_of("confirm", store.join, Verdict(store, "two"), asked(store))
        equal(costs, [("retire", 2), ("update", 2), ("trial", 2), ("confirm", 2)])

    both(use)
