# SPDX-License-Identifier: MIT
"""Any flipped bit and any truncation of any stored file, and files put back from earlier.

Either the good copy loads and says so, or store.* and no connections; never damaged trust.
"""

import os

from scratch import key
from stand_in import Verdict, asked, bundle
from store_board import Board

from check import equal, true
from trustanchor.errors import StoreError


def used():
    """A board without NVS (two folders) with a fallback, a retired pin and a cache."""
    board = Board(False)
    board.store().provision(bundle(1))
    store = board.boots()
    store.install(bundle(2, trial=2, pins=("one", "two", "three")))
    store.join(Verdict(store, "two"), asked(store))
    return board


def files(board):
    found = []
    for folder in (board.root, board.root + ".2"):
        for name in sorted(os.listdir(folder)):
            found.append(folder + "/" + name)
    return found


def content(path):
    with open(path, "rb") as file:
        return file.read()


def put(path, data):
    with open(path, "wb") as file:
        file.write(data)


def judged_by(board, whole):
    """Boot; return how: "same", "before" with a note, or the code; anything else fails."""
    store = board.store()
    try:
        store.load()
    except StoreError as error:
        equal(store.state, None)
        return error.code
    true(store.local.is_retired("pins", key("one")), "no retired pin comes alive")
    true(store.local.floor >= whole.record.floor, "no floor sinks")
    equal(store.record.sequence, 2)
    if store.state.payload_digest == whole.record.active:
        return "same"
    equal(store.state.payload_digest, whole.record.fallback)
    true(("store.fell_back", None) in store.status()["notes"])
    return "before"


def spoil(board, whole, path, data, spoiled):
    put(path, spoiled)
    how = judged_by(board, whole)
    put(path, data)
    return how


def test_any_flipped_bit_of_any_file():
    board = used()
    whole = board.boots()
    active = whole.slot(whole.record.active)
    for path in files(board):
        data = content(path)
        spoiled = bytearray(data)
        for at in range(len(data)):
            bit = 1 << (at * 5 % 8)
            spoiled[at] ^= bit
            how = spoil(board, whole, path, data, spoiled)
            spoiled[at] ^= bit
            equal(how, "before" if path == active else "same", (path, at))
            board.boots()  # writes the damaged copy again


def test_any_truncation_of_any_file():
    board = used()
    whole = board.boots()
    active = whole.slot(whole.record.active)
    for path in files(board):
        data = content(path)
        for length in range(0, len(data), 7):
            how = spoil(board, whole, path, data, data[:length])
            equal(how, "before" if path == active else "same", (path, length))
            board.boots()


def test_both_copies_damaged_are_lost():
    board = used()
    for path in (board.root + "/record", board.root + ".2/record"):
        put(path, content(path)[:-1])
    store = board.store()
    try:
        store.load()
    except StoreError as error:
        equal((error.code, error.detail), ("store.lost", "record"))
        return
    raise AssertionError("damaged records loaded")


def test_both_slots_damaged_are_lost():
    board = used()
    whole = board.boots()
    for digest in (whole.record.active, whole.record.fallback):
        put(whole.slot(digest), b"")
    equal(judged_by(board, whole), "store.lost")


def test_a_record_put_back_from_earlier_changes_nothing():
    for number in (0, 1):
        board = Board(False)
        board.store().provision(bundle(1))
        path = (board.root, board.root + ".2")[number] + "/record"
        early = content(path)
        store = board.boots()
        store.install(bundle(2, pins=("one", "two", "three")))
        store.join(Verdict(store, "two"))
        put(path, early)
        again = board.boots()
        equal(again.state.sequence, 2)
        true(again.local.is_retired("pins", key("one")))
        equal(again.status()["notes"], [("store.copy_old", None)])
        true(content(path) != early, "and is mended")


def test_a_slot_put_back_from_earlier_does_not_load():
    board = Board(False)
    board.store().provision(bundle(1))
    store = board.boots()
    early = content(store.slot(store.record.active))
    store.install(bundle(2, pins=("one", "two", "three")))
    path = store.slot(store.record.active)
    put(path, early)
    try:
        board.store().load()
    except StoreError as error:
        equal(error.code, "store.lost")
        return
    raise AssertionError("an older state loaded")


def test_all_files_put_back_from_earlier_with_the_nvs_as_it_is():
    # Whoever can write the flash takes the folder back; the other copy still knows.
    board = Board(True)
    board.store().provision(bundle(1))
    early = [(path, content(path)) for path in files_of(board.root)]
    store = board.boots()
    store.install(bundle(2, pins=("one", "two", "three")))
    store.join(Verdict(store, "two"))
    for path in files_of(board.root):
        os.remove(path)
    for path, data in early:
        put(path, data)
    try:
        board.store().load()
    except StoreError as error:
        equal(error.code, "store.lost")
        return
    raise AssertionError("an older state loaded")


def files_of(folder):
    return [folder + "/" + name for name in sorted(os.listdir(folder))]
