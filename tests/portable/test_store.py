# SPDX-License-Identifier: MIT
"""The store: what loads, and what a device without loadable trust does. Design section 6."""

import os

from scratch import key
from stand_in import Verdict, asked, bundle
from store_board import Board, both, slots

from check import equal, false, refuses, true
from trustanchor.limits import BUILD_AT

# Unprovisioned and lost.


def test_without_a_record_anywhere_a_device_is_unprovisioned_and_refuses():
    for nvs in (True, False):
        store = Board(nvs).store()
        refuses("store.unprovisioned", store.load)
        equal((store.state, store.refusal), (None, "store.unprovisioned"))
        refuses("store.unprovisioned", store.install, bundle(1))
        equal(store.status()["provisioned"], False)


def test_with_a_record_but_no_slot_a_device_is_lost_and_refuses():
    def lose(board):
        verdict = Verdict(board.boots(), "two")
        for name in slots(board):
            os.remove(board.root + "/" + name)
        store = board.store()
        refuses("store.lost", store.load)
        equal((store.state, store.refusal), (None, "store.lost"))
        false(store.join(verdict))
        false(store.stands(verdict))

    both(lose)


def test_what_an_installation_leaves_is_no_refusal_of_its_own():
    """A connection that finds no state is told store.refusal: busy is true only while it lasts."""

    def install(board):
        store = board.boots()
        before = store.refusal
        store.install(bundle(2))
        equal(store.refusal, before)
        refuses("update.current", store.install, bundle(2))
        equal((store.state.sequence, store.refusal), (2, before))

    both(install)


def test_a_lost_device_is_not_provisioned_again():
    def lose(board):
        os.remove(board.root + "/" + slots(board)[0])
        refuses("store.provisioned", board.store().provision, bundle(5))

    both(lose)


def test_a_lost_device_takes_only_a_bundle_that_satisfies_its_record():
    def lose(board):
        store = board.boots()
        store.join(Verdict(store, "two"))
        os.remove(board.root + "/" + slots(board)[0])
        store = board.store()
        refuses("store.lost", store.load)
        refuses("update.rollback", store.install, bundle(1, pins=("one", "nine")))
        equal(store.state, None)
        store.install(bundle(2, pins=("one", "two", "three")))
        equal(store.state.sequence, 2)
        true(store.local.is_retired("pins", key("one")), "and what was retired stays so")
        equal(board.boots().state.sequence, 2)

    both(lose)


def test_damaged_records_alone_are_lost_and_not_unprovisioned():
    def damage(board):
        for copy in board.store().copies:
            copy.write(b"not a record")
        refuses("store.lost", board.store().load)
        refuses("store.lost", board.store().provision, bundle(1))

    both(damage)


def test_only_an_erase_leads_back_to_unprovisioned():
    def erase(board):
        store = board.boots()
        store.join(Verdict(store, "two"))
        store.erase()
        equal(store.state, None)
        refuses("store.unprovisioned", board.store().load)
        board.store().provision(bundle(1))
        false(board.boots().local.is_retired("pins", key("one")))

    both(erase)


def test_a_factory_state_installs_only_where_no_record_ever_was():
    for nvs in (True, False):
        board = Board(nvs)
        state, _ = board.store().load(factory=bundle(1))
        equal(state.sequence, 1)
        store = board.boots()
        store.install(bundle(2, pins=("two", "three")))
        state, _ = board.store().load(factory=bundle(1))
        equal(state.sequence, 2)
        for name in slots(board):
            os.remove(board.root + "/" + name)
        refuses("store.lost", board.store().load, bundle(1))


# Loading.


def test_a_provisioned_device_boots():
    def boot(board):
        store = board.store()
        state, local = store.load()
        equal((state.sequence, state.epoch), (1, 0))
        equal(local.floor, state.issued_at)
        equal(store.writes(), 0)
        equal(store.status()["notes"], [])

    both(boot)


def test_the_floor_is_never_below_the_build():
    board = Board()
    board.store().provision(bundle(1, issued_at=BUILD_AT - 1000))
    equal(board.boots().local.floor, BUILD_AT)


def test_a_copy_that_is_gone_is_written_again():
    def lose(board):
        for number in (0, 1):
            before = board.boots().record
            board.store().copies[number].erase()
            store = board.boots()
            equal(store.record.active, before.active)
            equal(store.status()["notes"][0][0], "store.copy_old")
            equal(board.boots().status()["notes"], [])

    both(lose)


def test_a_copy_that_is_damaged_is_reported_and_written_again():
    def damage(board):
        for number in (0, 1):
            copy = board.store().copies[number]
            copy.write(bytes(copy.read())[:-1])
            store = board.boots()
            equal(store.status()["notes"], [("store.copy_damaged", copy.name)])
            equal(board.boots().status()["notes"], [])

    both(damage)


def test_a_slot_not_named_by_the_record_never_loads():
    def add(board):
        foreign = bundle(7, pins=("thief", "thief2"))
        active = slots(board)[0]
        with open(board.root + "/" + active, "wb") as file:
            file.write(foreign)  # the right name with other content
        refuses("store.lost", board.store().load)

    both(add)


def test_when_the_active_slot_is_damaged_the_fallback_loads_and_says_so():
    def damage(board):
        store = board.boots()
        store.install(bundle(2, trial=2, pins=("one", "two", "three")))
        store.join(Verdict(store, "one"), asked(store))
        active = store.status()["active"][:16]
        with open(board.root + "/" + active, "rb") as file:
            data = file.read()
        with open(board.root + "/" + active, "wb") as file:
            file.write(data[:-1])
        store = board.boots()
        equal(store.state.sequence, 1)
        notes = [note[0] for note in store.status()["notes"]]
        equal(notes, ["store.slot_damaged", "store.fell_back"])
        refuses("update.rollback", store.install, bundle(2))
        store.install(bundle(3))
        equal(board.boots().state.sequence, 3)

    both(damage)
