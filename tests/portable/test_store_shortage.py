# SPDX-License-Identifier: MIT
"""A heap that was too full gives its code back, and a store goes on with what it knew."""

import sys

from scratch import key
from stand_in import Verdict, asked, bundle
from store_board import both

from check import IS_MICROPYTHON, equal, false, refuses, true
from trustanchor.compat import recover
from trustanchor.kinds import EVENT_PATH


def test_a_loaded_store_goes_on_after_a_shortage():
    def use(board):
        store = board.boots()
        path = ((EVENT_PATH, key("path"), 0, 1 << 33, b"v"),)
        true(store.join(Verdict(store, "one", events=path), asked(store)))
        early = Verdict(store, "one")
        recover()
        false(IS_MICROPYTHON and "trustanchor.cache" in sys.modules, "it was given back")
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
