# SPDX-License-Identifier: MIT
"""A damaged slot is mended by the bundle that was in it, and by no other (SPEC U3)."""

from stand_in import bundle
from store_board import both, provisioned, slots

from check import equal, refuses, true

PINS = ("one", "two", "three")


def damage(board, *names):
    for name in names or slots(board):
        with open(board.root + "/" + name, "wb") as file:
            file.write(b"")


def slot_of(store, digest):
    return store.slot(digest).rsplit("/", 1)[1]


def test_a_lost_device_is_mended_by_its_own_bundle_and_by_no_other():
    def mend(board):
        whole = board.content()
        damage(board)
        store = board.store()
        refuses("store.lost", store.load)
        before = board.content()
        refuses("update.rollback", store.install, bundle(1, pins=PINS))  # another of this sequence
        equal(board.content(), before)
        store.install(bundle(1))
        equal(store.state.sequence, 1)
        equal(board.content(), whole)
        equal(board.boots().state.sequence, 1)

    both(mend)


def test_a_slot_that_loads_is_not_written_again():
    def again(board):
        store = board.boots()
        before = board.content()
        refuses("update.current", store.install, bundle(1))
        equal(board.content(), before)

    both(again)


def test_a_device_that_fell_back_is_mended_and_keeps_what_it_learned():
    board = provisioned()
    store = board.boots()
    store.install(bundle(2, trial=2, pins=PINS))
    store.write(
        store.record.but(active=store.record.trial, fallback=store.record.active, trial=b"")
    )
    damage(board, slot_of(store, store.record.active))
    store = board.boots()
    equal(store.state.sequence, 1)
    true(("store.fell_back", None) in store.status()["notes"])
    store.install(bundle(2, trial=2, pins=PINS))
    equal(store.state.sequence, 2)
    equal(store.status()["notes"], [])
    equal(board.boots().state.sequence, 2)


def test_a_trial_both_of_whose_slots_are_lost_is_mended_by_either():
    for chosen, expected in ((bundle(2, trial=2, pins=PINS), 2), (bundle(1), 1)):
        board = provisioned()
        board.boots().install(bundle(2, trial=2, pins=PINS))
        damage(board)
        store = board.store()
        refuses("store.lost", store.load)
        store.install(chosen)
        equal(store.state.sequence, expected)
        equal(board.boots().state.sequence, expected)


def test_a_trial_whose_own_slot_is_lost_is_over_and_does_not_return():
    board = provisioned()
    store = board.boots()
    store.install(bundle(2, trial=2, pins=PINS))
    damage(board, slot_of(store, store.record.trial))
    store = board.boots()
    equal(store.state.sequence, 1)
    refuses("update.rollback", store.install, bundle(2, trial=2, pins=PINS))


def test_a_power_cut_before_the_rename_leaves_the_slot_to_be_mended_again():
    board = provisioned()
    damage(board)
    store = board.store()
    refuses("store.lost", store.load)
    store.lock = _Dead()
    try:
        store.install(bundle(1))
    except KeyboardInterrupt:
        pass
    store = board.store()
    refuses("store.lost", store.load)
    store.install(bundle(1))
    equal(store.state.sequence, 1)


class _Dead:
    """A lock that is never had: the power goes."""

    def __enter__(self):
        raise KeyboardInterrupt

    def __exit__(self, *error):
        return False
