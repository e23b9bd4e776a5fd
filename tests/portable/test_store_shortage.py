# SPDX-License-Identifier: MIT
"""A heap that was too full gives its code back, and a store goes on with what it knew."""

import sys

from scratch import key
from stand_in import Verdict, asked, bundle
from store_board import both

from check import IS_MICROPYTHON, equal, false, refuses, true
from trustanchor.compat import recover
from trustanchor.kinds import EVENT_PATH
from trustanchor.tls.client import Context
from trustanchor.tls.judged import asked_of


def test_a_loaded_store_goes_on_after_a_shortage():
    def use(board):
        store = board.boots()
        path = ((EVENT_PATH, key("path"), 0, 1 << 33, b"v"),)
        true(store.join(Verdict(store, "one", events=path), asked(store)))
        early = Verdict(store, "one")
        recover()
        false(IS_MICROPYTHON and "trustanchor.store.cache" in sys.modules, "it was given back")
        equal(store.local.cached_path(key("path")), (0, 1 << 33, b"v"))
        true(store.join(Verdict(store, "two"), asked(store)))
        false(store.join(early, asked(store)), "judged before the retirement")
        recover()
        refuses("update.rollback", store.install, bundle(1, pins=("x", "y")))
        recover()
        store.install(bundle(2, pins=("one", "two", "three")))
        true(store.local.is_retired("pins", key("one")))
        again = board.boots()
        equal(again.state.sequence, 2)
        true(again.local.is_retired("pins", key("one")))

    both(use)


def test_an_update_amid_a_shortage_goes_on_or_is_refused_whole():
    def race(board):
        store = board.boots()
        steps = store.installing(bundle(2, pins=("two", "three")))
        next(steps)
        recover()  # another connection found no memory
        for _ in steps:
            pass
        equal(store.state.sequence, 2)
        equal(board.boots().state.sequence, 2)

    both(race)


class Shortage:
    """A store's look at the state in a slot, for which there is no memory so many times."""

    def __init__(self, store, times):
        self.parse = store._parse
        self.times = times

    def __call__(self, source):
        self.times -= 1
        if self.times >= 0:
            raise MemoryError
        return self.parse(source)


def test_a_shortage_right_after_an_update_is_written_is_tried_again():
    def use(board):
        store = board.boots()
        store._parse = Shortage(store, 1)
        store.install(bundle(2, epoch=1, pins=("two", "three")))
        equal((store.state.sequence, store._epoch), (2, 1))

    both(use)


def test_a_store_that_cannot_follow_its_flash_learns_nothing_until_it_loads():
    def use(board):
        store = board.boots()
        whom = asked(store)
        true(store.join(Verdict(store, "two"), whom))
        true(store.local.is_retired("pins", key("one")))
        verdict = Verdict(store, "two")
        store._parse = Shortage(store, 2)
        # A new epoch takes its own retired set: "one" is back.
        refuses("store.no_memory", store.install, bundle(2, epoch=1, pins=("one", "two")))
        equal((store.state, store.local, store.refusal), (None, None, "store.no_memory"))
        written = store.writes()
        false(store.join(verdict, whom))
        false(store.stands(verdict))
        store.tick()
        equal(store.writes(), written)
        # The next connection asks for the state, and finds room.
        equal(asked_of(Context(store=store), whom.host, whom.port).host, whom.host)
        for again in (board.boots(), store):
            equal((again.state.sequence, again._epoch), (2, 1))
            false(again.local.is_retired("pins", key("one")), "as the new epoch says")

    both(use)


def test_a_heap_without_room_to_decide_or_to_go_back_is_a_refusal():
    def use(board):
        store = board.boots()
        before = board.content()

        def full(*arguments):
            raise MemoryError

        rules, parse = store.rules, store._parse
        store.rules = store._parse = full
        refuses("store.no_memory", store.install, bundle(2))
        equal((store.state, store.refusal), (None, "store.no_memory"))
        equal(board.content(), before)
        store.rules, store._parse = rules, parse
        store.load()
        equal(store.state.sequence, 1)
        store.install(bundle(2))
        equal(store.state.sequence, 2)

    both(use)
