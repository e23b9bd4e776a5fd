# SPDX-License-Identifier: MIT
"""The store between threads, hostile signers, careless callbacks and volumes that are full."""

import os

from scratch import key
from stand_in import Verdict, asked, bundle
from store_board import both, provisioned, slots

from check import equal, false, refuses, true


class Meanwhile:
    """A lock before which another thread did something, once."""

    def __init__(self, do):
        self._do = do

    def __enter__(self):
        do, self._do = self._do, None
        if do is not None:
            do()

    def __exit__(self, *error):
        return False


def test_a_retirement_by_another_thread_before_the_commit_is_not_lost():
    def race(board):
        store = board.boots()
        thief = Verdict(store, "two")
        steps = store.installing(bundle(2, pins=("one", "two", "three")))
        next(steps)
        store.lock = Meanwhile(lambda: true(store.join(thief)))
        for _ in steps:
            pass
        equal(store.state.sequence, 2)
        true(board.boots().local.is_retired("pins", key("one")))

    both(race)


def test_a_bundle_whose_slot_has_the_name_of_a_stored_one_is_refused():
    def collide(board):
        store = board.boots()
        # What 2^32 attempts find: another digest with the same beginning.
        store.slot = lambda digest: store.root + "/0123456789abcdef"
        os.rename(store.root + "/" + slots(board)[0], store.slot(b""))
        before = board.content()
        refuses("store.slot_taken", store.install, bundle(2))
        equal(board.content(), before)
        equal(store.state.sequence, 1)

    both(collide)


def test_every_callback_hears_of_a_change_even_when_one_raises():
    board = provisioned()
    store = board.boots()
    heard = []

    def careless():
        raise ValueError("a bug of the program")

    store.on_change.append(careless)
    store.on_change.append(lambda: heard.append(1))
    verdict = Verdict(store, "two")
    try:
        store.join(verdict)
    except ValueError:
        heard.append(2)
    equal(heard, [1, 2])
    true(board.boots().local.is_retired("pins", key("one")))


def test_a_name_is_no_bundle_and_a_store_that_was_not_loaded_says_so():
    board = provisioned()
    store = board.store()
    equal(store.refusal, "store.not_loaded")
    store.load()
    try:
        store.install("fleet-2.bundle")
    except TypeError as error:
        true("open(" in str(error))
    else:
        raise AssertionError("a name was taken for a bundle")
    equal(store.state.sequence, 1)


def test_a_refused_bundle_leaves_a_lost_device_lost():
    board = provisioned()
    for name in slots(board):
        os.remove(board.root + "/" + name)
    store = board.store()
    refuses("store.lost", store.load)
    refuses("bundle.file", store.install, b"nothing")
    equal(store.refusal, "store.lost")


def short(test):
    """Run test with a volume that is always short of space."""
    from trustanchor.store import stage  # the one that is loaded now

    is_short = stage._is_short
    stage._is_short = lambda store: True
    stage._STAYS = True  # type: ignore[attr-defined]  # compat.forget
    try:
        both(test)
    finally:
        stage._is_short = is_short
        del stage._STAYS  # type: ignore[attr-defined]


def test_the_fallback_a_device_lives_on_does_not_give_way_to_a_download():
    def full(board):
        board.boots().install(bundle(2, trial=3))
        store = board.boots()
        store.join(Verdict(store, "one"), asked(store))
        true(bool(store.record.fallback))
        with open(store.slot(store.record.active), "wb") as file:
            file.write(b"damaged")
        store = board.boots()
        equal(store.state.sequence, 1)
        refuses("bundle.file", store.install, b"garbage from a mirror")
        equal(board.boots().state.sequence, 1)

    short(full)


def test_what_a_power_cut_left_gives_way_to_a_download():
    def full(board):
        left = board.root + "/" + "0" * 16
        with open(left, "wb") as file:
            file.write(bundle(7))
        store = board.boots()
        refuses("bundle.file", store.install, b"garbage")
        false(left.split("/")[-1] in slots(board))
        equal(len(slots(board)), 1)

    short(full)
