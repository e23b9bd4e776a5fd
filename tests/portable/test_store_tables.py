# SPDX-License-Identifier: MIT
"""Tables of kept keys: wanted after a verified path, made in an idle moment, few and rarely.

And a heap that is full while an update is decided. Cryptography is a stand-in here; the real one
is in test_tables.py.
"""

import os
import sys

from scratch import key
from stand_in import Verdict, asked, bundle
from store_board import provisioned

from check import IS_MICROPYTHON, equal, false, refuses, true
from trustanchor.crypto import signatures
from trustanchor.limits import CACHE_WRITE_S, KEY_TABLES


class Issuer:
    def __init__(self, spki):
        self.spki = spki


class Path:
    """What the store reads of a VerifiedPath: leaf, intermediate, anchor."""

    def __init__(self, *spkis):
        self.certificates = tuple([Issuer(spki) for spki in spkis[:-1]])
        self.anchor = Issuer(spkis[-1])
        self.keys = tuple([key(bytes(spki).decode()) for spki in spkis])


def made(store, fails=()):
    """Tick with a fake behind the door to cryptography; return the keys that got a table."""
    found = []

    def making(spki):
        found.append(bytes(spki).decode())
        yield
        if fails:
            raise fails.pop()
        return b"" if spki == b"no gain" else b"table of " + spki

    from trustanchor.store import tables  # test 1 asks whether a boot loads it

    kept = signatures.making_key_table, signatures.is_key_table, tables.forget
    signatures.making_key_table = making
    signatures.is_key_table = lambda spki, table: table == b"table of " + spki
    tables.forget = lambda *names: found.append("recovered")
    try:
        store.tick()
    finally:
        signatures.making_key_table, signatures.is_key_table, tables.forget = kept
    return sorted(found)


def meets(store, *spkis, **fields):
    return store.join(Verdict(store, "one", path=Path(*spkis), **fields))


def content(store):
    return store.local.key_table(key("anchor")), store.local.key_table(key("leaf"))


def test_1_a_boot_and_a_pinned_key_load_nothing_of_it():
    board = provisioned()
    store = board.boots()
    store.join(Verdict(store, "one"), asked(store))
    store.tick()
    false("tables" in os.listdir(board.root))
    equal(store._tables, None)
    if not IS_MICROPYTHON:
        print("what is loaded: not asked on CPython, where other tests run in this process")
        return
    false("trustanchor.store.tables" in sys.modules)


def test_issuers_of_a_verified_path_get_a_table_once_and_end_entities_none():
    store = provisioned().boots()
    for _ in range(3):
        meets(store, b"leaf", b"intermediate", b"anchor")
    equal(content(store), (None, None), "nothing is made in a handshake")
    equal(made(store), ["anchor", "intermediate"])
    equal(content(store), (b"table of anchor", None))
    meets(store, b"leaf", b"intermediate", b"anchor")
    equal(made(store), [])


def test_an_end_entity_that_is_its_own_anchor_gets_none():
    store = provisioned().boots()
    meets(store, b"leaf", b"leaf")
    equal(made(store), [])


def test_a_key_that_gains_nothing_or_is_too_long_has_none():
    board = provisioned()
    store = board.boots()
    meets(store, b"leaf", b"r" * 294, b"no gain")
    equal(made(store), ["no gain"])
    equal(store.local.key_table(key("no gain")), None)
    equal(made(store), [])
    false("tables" in os.listdir(board.root))


def test_a_refused_verdict_and_one_without_events_and_a_trial_want_none():
    store = provisioned().boots()
    meets(store, b"leaf", b"anchor", accepted=False)
    meets(store, b"leaf", b"anchor", events=())  # audited, or a client's
    equal(made(store), [], "asked before an update lets go of what is wanted")
    store.install(bundle(2, trial=2, pins=("one", "two", "three")))
    meets(store, b"leaf", b"anchor")
    equal(made(store), [])
    store.join(Verdict(store, "one"), asked(store))
    meets(store, b"leaf", b"anchor")
    equal(made(store), ["anchor"])


def test_tables_survive_a_restart_and_one_that_does_not_fit_is_made_anew():
    board = provisioned()
    store = board.boots()
    meets(store, b"leaf", b"anchor")
    equal(made(store), ["anchor"])
    equal(store.writes(), 1)
    store = board.boots()
    equal(content(store)[0], b"table of anchor")
    # A table with a good CRC that this firmware has not made.
    store._tables.keep(key("anchor"), b"of old firmware")
    meets(store, b"leaf", b"anchor")
    equal(made(store), [], "the file is not due")
    board.clock.passes(CACHE_WRITE_S)
    equal(made(store), ["anchor"])
    for again in (store, board.boots()):
        equal(content(again)[0], b"table of anchor")


def test_who_shows_a_new_intermediate_every_minute_causes_few_tables_and_fewer_writes():
    board = provisioned()
    store = board.boots()
    count = 0
    for minute in range(24 * 60):
        meets(store, b"leaf", b"intermediate %d" % minute, b"anchor")
        count += len(made(store))
        board.clock.passes(60)
    true(store._tables.writes <= 86400 // CACHE_WRITE_S, store._tables.writes)
    # The names here are short: with real tables the bytes that wait in RAM bound it further.
    true(count <= 2 * KEY_TABLES * store._tables.writes, count)
    true(len(store._tables._met) <= 2 * KEY_TABLES)


def test_the_least_recently_used_gives_way():
    board = provisioned()
    store = board.boots()
    for number in range(KEY_TABLES):
        meets(store, b"leaf", b"ca %d" % number)
        equal(made(store), ["ca %d" % number])
        board.clock.passes(CACHE_WRITE_S)
    true(store.local.key_table(key("ca 0")) is not None)
    meets(store, b"leaf", b"another ca")
    equal(made(store), ["another ca"])
    for again in (store, board.boots()):
        equal(again.local.key_table(key("ca 1")), None)
        equal(again.local.key_table(key("ca 0")), b"table of ca 0")
        equal(again.local.key_table(key("another ca")), b"table of another ca")


def test_too_small_a_heap_makes_none_and_harms_nothing():
    store = provisioned().boots()
    meets(store, b"leaf", b"anchor")
    equal(
        made(store, [MemoryError(), MemoryError()]), ["anchor", "anchor", "recovered", "recovered"]
    )
    meets(store, b"leaf", b"anchor")
    equal(made(store), [], "not again before the next start")
    true(store.join(Verdict(store, "one"), asked(store)))


def test_a_table_is_tried_once_more_without_the_code_of_verdicts():
    store = provisioned().boots()
    meets(store, b"leaf", b"anchor")
    equal(made(store, [MemoryError()]), ["anchor", "anchor", "recovered"])
    equal(content(store)[0], b"table of anchor")


def test_a_verdict_whose_heap_has_no_room_for_a_table_goes_on_without():
    store = provisioned().boots()

    def full():
        raise MemoryError

    store.local.tables = full
    equal(store.local.key_table(key("anchor")), None)


def _short(store):
    return True


def _roomy(store):
    return False


def test_tables_give_way_to_a_download_when_space_is_short_and_not_before():
    board = provisioned()
    store = board.boots()
    from trustanchor.store import stage  # the one that is loaded now

    short = stage._is_short
    stage._STAYS = True  # type: ignore[attr-defined]  # compat.forget
    for sequence, is_short in ((2, False), (3, True)):
        meets(store, b"leaf", b"anchor")
        made(store)
        true("tables" in os.listdir(board.root))
        stage._is_short = _short if is_short else _roomy
        try:
            store.install(bundle(sequence))
        finally:
            stage._is_short = short
        equal("tables" in os.listdir(board.root), not is_short)
        equal(content(store)[0] is None, is_short)
    meets(store, b"leaf", b"anchor")
    equal(made(store), ["anchor"])
    del stage._STAYS  # type: ignore[attr-defined]


def test_tables_leave_the_record_its_room():
    board = provisioned()
    store = board.boots()

    class Full:
        def statvfs(self, path):
            return 4096, 4096, 64, 5

    from trustanchor.store import tables

    meets(store, b"leaf", b"anchor")
    kept, tables.os = tables.os, Full()  # type: ignore[assignment]
    try:
        equal(made(store), ["anchor"])
    finally:
        tables.os = kept
    false("tables" in os.listdir(board.root))
    equal((content(store)[0], store.writes()), (None, 0))


def test_a_write_that_fails_costs_the_tables_and_is_noted():
    board = provisioned()
    store = board.boots()
    meets(store, b"leaf", b"anchor")
    store.tables().path = "build/tmp/no such folder/tables"
    equal(made(store), ["anchor"])
    equal(content(store), (None, None))
    equal([note[0] for note in store.status()["notes"]], ["store.cache_failed"])
    meets(store, b"leaf", b"anchor")
    equal(made(store), [], "six hours later")
    board.clock.passes(CACHE_WRITE_S)
    equal(made(store), ["anchor"])


def test_too_small_a_heap_refuses_an_update_and_leaves_no_trace():
    board = provisioned()
    store = board.boots()
    before = board.content()

    class Rules:
        def accepting(self, *of_what):
            yield
            raise MemoryError

    from trustanchor.store import (
        install,
    )  # the module of now: none is left when an install is over

    rules = store.rules
    recovered = []
    kept = install.recover
    install.recover = lambda: recovered.append(1)
    store.rules = Rules
    try:
        refuses("store.no_memory", store.install, bundle(2))
    finally:
        install.recover = kept
        store.rules = rules
    equal(recovered, [1])
    equal(store.state.sequence, 1)
    equal(board.content(), before)
    del install
    store.install(bundle(2))
    equal(store.state.sequence, 2)
    for name in ("store.install", "store.boot", "state.packing", "store.volume"):
        false(IS_MICROPYTHON and "trustanchor." + name in sys.modules, name)
