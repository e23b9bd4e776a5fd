# SPDX-License-Identifier: MIT
"""Any flipped bit and any truncation of any stored file, and files put back from earlier.

Either the good copy loads and says so, or store.* and no connections; never damaged trust.
"""

import os

from scratch import key
from stand_in import Nvs, Verdict, asked, bundle
from store_board import Board

from check import IS_MICROPYTHON, equal, false, true
from trustanchor.errors import StoreError
from trustanchor.kinds import EVENT_INTERMEDIATES, EVENT_PATH

PATH = (0, 1 << 33, b"digests of a path")
LEARNED = b"an intermediate"
TABLE = b"a table"


def used():
    """A board without NVS (two folders) with a fallback, a retired pin, a cache and tables."""
    board = Board(False)
    board.store().provision(bundle(1))
    store = board.boots()
    store.install(bundle(2, trial=2, pins=("one", "two", "three")))
    store.join(Verdict(store, "two"), asked(store))
    learned = ((EVENT_PATH, key("path")) + PATH, (EVENT_INTERMEDIATES, LEARNED))
    store.join(Verdict(store, "two", events=learned))
    store.tables().keep(key("anchor"), TABLE)
    store.tick()
    names = sorted(name for name in os.listdir(board.root) if len(name) != 16)
    equal(names, ["cache", "record", "tables"])
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
    true(store.local.cached_path(key("path")) in (None, PATH), "no path that was not there")
    true(list(store.local.learned) in ([], [b""], [LEARNED]), "no certificate that was not there")
    table = store.local.key_table(key("anchor"))
    true(table is None or bytes(table) == TABLE)
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
        for bit in bits_of(len(data)):
            spoiled[bit >> 3] ^= 1 << (bit & 7)
            how = spoil(board, whole, path, data, spoiled)
            spoiled[bit >> 3] ^= 1 << (bit & 7)
            equal(how, "before" if path == active else "same", (path, bit))
            board.boots()  # writes the damaged copy again


def bits_of(size):
    """Return every bit; where that takes minutes, one of every byte, another one of the next."""
    return [8 * at + at * 5 % 8 for at in range(size)] if IS_MICROPYTHON else range(8 * size)


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


def test_an_nvs_put_back_from_earlier_changes_nothing():
    board = Board(True)
    nvs: "Nvs" = board.nvs  # type: ignore[assignment]
    board.store().provision(bundle(1))
    early = dict(nvs.kept)
    store = board.boots()
    store.install(bundle(2, pins=("one", "two", "three")))
    store.join(Verdict(store, "two"))
    nvs.kept = dict(early)
    again = board.boots()
    equal(again.state.sequence, 2)
    true(again.local.is_retired("pins", key("one")))
    equal(again.status()["notes"], [("store.copy_old", None)])
    false(nvs.kept == early, "and is mended")


def test_cache_and_tables_put_back_from_earlier_say_what_they_said():
    board = used()
    early = [(path, content(path)) for path in (board.root + "/cache", board.root + "/tables")]
    store = board.boots()
    board.clock.passes(7 * 3600)
    later = ((EVENT_PATH, key("later")) + PATH,)
    store.join(Verdict(store, "three", events=later))
    store.tables().keep(key("later"), TABLE)
    store.tick()
    for path, data in early:
        true(content(path) != data)
        put(path, data)
    again = board.boots()
    equal(again.local.cached_path(key("path")), PATH)
    equal(again.local.cached_path(key("later")), None)
    equal(again.local.key_table(key("later")), None)
    equal(bytes(again.local.key_table(key("anchor"))), TABLE)
    equal(again.local.retired, store.local.retired)


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
