# SPDX-License-Identifier: MIT
"""The store when something does not work: refused bundles, full and worn flash.

And when things happen at once: two handshakes in one event loop, an update amid a verdict.
"""

import os
import sys

from scratch import key
from stand_in import SmallStore, Verdict, asked, bundle
from store_board import Board, both, provisioned, slots

from check import equal, false, refuses, true
from trustanchor.compat import collect_every
from trustanchor.kinds import EVENT_PATH
from trustanchor.limits import BUNDLE_BYTES

_EIO = 5
_ENOSPC = 28


class Failing:
    """A copy that fails as often as it is told."""

    def __init__(self, copy, times, error=_EIO):
        self.name = copy.name
        self.writes = 0
        self.read = copy.read
        self._copy = copy
        self._times = times
        self._error = error

    def write(self, data):
        self.writes += 1
        if self._times:
            self._times -= 1
            raise OSError(self._error)
        self._copy.write(data)


def failing(board, *times):
    store = board.boots()
    store.copies = [Failing(copy, n) for copy, n in zip(store.copies, times)]
    return store


# Refused.


def test_a_refused_bundle_leaves_flash_and_ram_as_they_were():
    def refuse(board):
        store = board.boots()
        store.join(Verdict(store, "two"), asked(store))
        before = board.content()
        kept = store.state.payload_digest, store.record, store.local.retired, store.local.bound
        refuses("update.current", store.install, bundle(1))
        refuses("update.rollback", store.install, bundle(1, pins=("x", "y")))
        refuses("bundle.file", store.install, b"no bundle at all")
        refuses("bundle.file", store.install, b"")
        equal(board.content(), before)
        now = store.state.payload_digest, store.record, store.local.retired, store.local.bound
        equal(now, kept)

    both(refuse)


def test_a_bundle_above_the_limit_is_refused_before_it_is_all_written():
    board = provisioned()
    store = board.boots()
    before = board.content()
    endless = Endless()
    refuses("bundle.too_large", store.install, endless)
    true(endless.given <= BUNDLE_BYTES + 512)
    equal(board.content(), before)


class Endless:
    given = 0

    def read(self, count):
        self.given += count
        return b"x" * count


def test_unverified_bytes_touch_one_file_only():
    board = provisioned()
    store = board.boots()
    seen = []

    class Spy:
        given = 0

        def read(self, count):
            seen.append(sorted(os.listdir(board.root)))
            self.given += 1
            return b"x" * 100 if self.given < 5 else b""

    refuses("bundle.file", store.install, Spy())
    named = slots(board)
    for names in seen:
        equal(sorted(set(names) - set(named)), ["record", "stage"])


def test_a_staged_file_is_taken_from_where_it_lies():
    board = provisioned()
    with open(board.root + "/stage", "wb") as file:
        file.write(bundle(2, pins=("two", "three")))
    store = board.boots()
    store.install(board.root + "/stage")
    equal(store.state.sequence, 2)
    refuses("store.no_stage", store.install, board.root + "/stage")


# Writes that fail.


def test_a_retirement_that_can_not_be_written_stands_in_ram_and_is_reported():
    def fail(board):
        store = failing(board, 1, 1)
        true(store.join(Verdict(store, "two")), "the connection stands")
        true(store.local.is_retired("pins", key("one")))
        equal(store.status()["problem"][0], "store.write_failed")
        false(board.boots().local.is_retired("pins", key("one")))
        # The next handshake, whatever it says, tries again.
        true(store.join(Verdict(store, "two")))
        equal(store.status()["problem"], None)
        true(board.boots().local.is_retired("pins", key("one")))

    both(fail)


def test_one_copy_is_enough_to_be_durable_and_the_other_is_reported():
    for times in ((1, 0), (0, 1)):
        board = provisioned()
        store = failing(board, *times)
        store.join(Verdict(store, "two"))
        equal(store.status()["problem"][0], "store.write_failed")
        true(board.boots().local.is_retired("pins", key("one")))


def learned(board):
    """A board with a cache and a table on its flash."""
    store = board.boots()
    store.join(Verdict(store, "one", events=((EVENT_PATH, key("p"), 0, 1 << 33, b"v"),)))
    store.tables().keep(key("anchor"), b"table")
    store.tick()
    true({"cache", "tables"} <= set(os.listdir(board.root)))


def test_on_a_full_volume_cache_and_tables_give_way_to_a_retirement():
    for number in (0, 1):
        board = provisioned(False)
        learned(board)
        store = board.boots()
        copies = list(store.copies)
        copies[number] = Failing(copies[number], 1, _ENOSPC)
        store.copies = copies
        true(store.join(Verdict(store, "two")))
        equal(store.problem, None)
        equal({"cache", "tables"} & set(os.listdir(board.root)), set())
        equal(store.local.cached_path(key("p")), None)
        equal(board.boots().status()["notes"], [], "both copies took it")


def test_on_a_volume_that_stays_full_a_retirement_stands_in_ram_and_is_reported():
    board = provisioned(False)
    store = board.boots()
    store.copies = [Failing(copy, 2, _ENOSPC) for copy in store.copies]
    true(store.join(Verdict(store, "two")))
    equal(store.problem, ("store.write_failed", board.root + ".2", _ENOSPC))
    true(store.local.is_retired("pins", key("one")))
    true(store.join(Verdict(store, "two")))
    true(board.boots().local.is_retired("pins", key("one")))


def test_a_flash_that_is_worn_takes_nothing_from_the_cache():
    board = provisioned(False)
    learned(board)
    store = failing(board, 1, 1)
    store.join(Verdict(store, "two"))
    true({"cache", "tables"} <= set(os.listdir(board.root)))


def test_while_a_retirement_is_not_durable_no_path_is_written_to_the_cache():
    board = provisioned()
    store = failing(board, 1, 1)
    seen = Verdict(store, "two")
    seen.events += ((EVENT_PATH, key("p"), 0, 1 << 33, b"v"),)
    true(store.join(seen))
    false("cache" in os.listdir(board.root))
    store.join(Verdict(store, "two"))
    true("cache" in os.listdir(board.root))


def test_an_update_that_can_not_be_written_is_refused_and_the_state_stays():
    def fail(board):
        store = failing(board, 1, 1)
        refuses("store.write_failed", store.install, bundle(2, pins=("two", "three")))
        equal(store.state.sequence, 1)
        equal(store.record.sequence, 1)
        equal(board.boots().state.sequence, 1)
        store.install(bundle(2, pins=("two", "three")))
        equal(board.boots().state.sequence, 2)

    both(fail)


def test_an_update_that_one_copy_took_leaves_what_the_other_one_names():
    # The copy that took it may be lost before the other one is mended, with its NVS or its folder.
    for nvs in (True, False):
        for times in ((1, 0), (0, 1)):
            board = provisioned(nvs)
            store = failing(board, *times)
            store.install(bundle(2, pins=("two", "three")))
            equal(store.status()["problem"][0], "store.write_failed")
            board.store().copies[1 if times[0] else 0].erase()
            equal(board.boots().state.sequence, 1)


def test_what_an_update_replaced_is_gone_once_both_copies_name_the_new():
    def update(board):
        store = failing(board, 1, 0)
        store.install(bundle(2, pins=("two", "three")))
        equal(len(slots(board)), 2)
        board.boots().install(bundle(3, pins=("two", "three")))
        equal(len(slots(board)), 1)

    both(update)


def test_a_full_volume_is_refused_with_its_own_code():
    board = provisioned()
    store = board.boots()

    from trustanchor.store import stage  # the one that is loaded now

    class Full:
        def __init__(self, path, mode):
            self._file = open(path, mode)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self._file.close()
            return False

        def write(self, data):
            raise OSError(28)

    stage._STAYS = True  # type: ignore[attr-defined]  # compat.forget
    stage.open = Full  # type: ignore[attr-defined]
    try:
        refuses("store.no_space", store.install, bundle(2))
    finally:
        del stage.open, stage._STAYS  # type: ignore[attr-defined]
    equal(store.state.sequence, 1)
    false("stage" in os.listdir(board.root))


def test_a_generation_is_never_used_twice():
    # A write that seemed to fail may be on flash.
    board = provisioned()
    store = failing(board, 3, 3)
    seen = []
    for _ in range(3):
        store.join(Verdict(store, "two"))
        seen.append(store.record.generation)
    equal(seen, sorted(set(seen)))


# At once.


def test_two_handshakes_at_once_lose_no_retirement():
    def race(board):
        store = board.boots()
        store.install(bundle(2, pins=("one", "two", "three")))
        first, second = Verdict(store, "two"), Verdict(store, "three")
        true(store.join(first))
        false(store.join(second), "the retired set is another: judge again")
        true(store.join(Verdict(store, "three")))
        again = board.boots()
        true(again.local.is_retired("pins", key("one")))
        true(again.local.is_retired("pins", key("two")))

    both(race)


def test_the_thief_in_the_other_handshake_is_judged_again():
    board = provisioned()
    store = board.boots()
    thief, owner = Verdict(store, "one"), Verdict(store, "two")
    true(store.join(owner))
    false(store.join(thief))
    false(store.stands(thief))
    true(store.stands(owner))


def test_an_update_amid_a_verdict_makes_it_void():
    def update(board):
        store = board.boots()
        verdict = Verdict(store, "two")
        store.install(bundle(2, pins=("two", "three")))
        before = board.content()
        false(store.join(verdict))
        false(store.stands(verdict))
        equal(board.content(), before)

    both(update)


def test_an_abandoned_installation_blocks_no_later_one():
    def abandon(board):
        store = board.boots()
        before = collect_every(4096)
        try:
            kept = []
            for _ in range(2):
                steps = store.installing(bundle(2))
                next(steps)
                kept.append(steps)  # neither closed nor collected: as a cancelled task leaves it
                equal(collect_every(4096) in (0, 4096), True)
            store.install(bundle(3))
            equal(store.state.sequence, 3)
            equal(collect_every(4096) in (0, 4096), True)
            for steps in kept:
                refuses("store.busy", next, steps)
            store.install(bundle(4))
            equal(store.state.sequence, 4)
        finally:
            collect_every(before)

    both(abandon)


def test_an_installation_amid_a_step_is_not_given_up():
    def amid(board):
        store = board.boots()
        rules = store.rules

        def interrupted():
            refuses("store.busy", store.install, bundle(3))
            refuses("store.busy", next, store.installing(bundle(3)))
            return rules()

        store.rules = interrupted
        store.install(bundle(2))
        equal(store.state.sequence, 2)

    both(amid)


def test_a_retirement_while_an_update_is_decided_is_not_lost():
    def race(board):
        store = board.boots()
        steps = store.installing(bundle(2, pins=("one", "two", "three")))
        next(steps)
        true(store.join(Verdict(store, "two")))
        for _ in steps:
            pass
        equal(store.state.sequence, 2)
        true(store.local.is_retired("pins", key("one")))
        true(board.boots().local.is_retired("pins", key("one")))

    both(race)


def test_a_verdict_from_before_a_reload_is_judged_again():
    board = provisioned()
    store = board.boots()
    thief = Verdict(store, "one")
    store.join(Verdict(store, "two"))
    store.load()
    false(store.join(thief))
    false(store.stands(thief))


def test_an_update_given_up_half_way_changes_nothing():
    board = provisioned()
    store = board.boots()
    steps = store.installing(bundle(2))
    next(steps)
    steps.close()
    equal(store.state.sequence, 1)
    store.install(bundle(2))
    equal(board.boots().state.sequence, 2)


def test_who_holds_the_local_state_sees_what_changes():
    store = provisioned().boots()
    local = store.local
    store.install(bundle(2, pins=("two", "three", "four")))
    store.join(Verdict(store, "three"))
    true(store.local is local)
    true(local.is_retired("pins", key("two")))


def test_connections_hear_of_every_change_and_of_nothing_else():
    board = provisioned()
    store = board.boots()
    heard = []
    first = Verdict(store, "one")
    store.on_change.append(lambda: heard.append(store.stands(first)))
    store.join(first)
    equal(heard, [])
    store.join(Verdict(store, "two"))
    equal(heard, [False], "opened under a pin that is retired now")
    store.install(bundle(2, pins=("two", "three")))
    equal(heard, [False, False])
    board.nvs = None


def test_two_event_loop_tasks_join_one_after_the_other():
    import asyncio

    board = provisioned()
    store = board.boots()
    store.install(bundle(2, pins=("one", "two", "three")))
    stood = []

    async def handshake(leaf):
        while True:
            verdict = Verdict(store, leaf)
            await asyncio.sleep(0)  # the handshake completes while the other one goes on
            if verdict.pin is None or store.local.is_retired("pins", key(leaf)):
                stood.append((leaf, False))
                return
            if store.join(verdict):
                stood.append((leaf, True))
                return

    async def both_at_once():
        await asyncio.gather(handshake("two"), handshake("three"), handshake("one"))

    asyncio.run(both_at_once())
    equal(sorted(stood), [("one", False), ("three", True), ("two", True)])
    true(board.boots().local.is_retired("pins", key("two")))


def test_a_board_without_nvs_uses_a_second_folder():
    had = sys.modules.get("esp32")
    sys.modules["esp32"] = object()  # type: ignore[assignment]  # a port whose module has no NVS
    try:
        store = SmallStore(Board(False).clock, Board(False).root)
    finally:
        del sys.modules["esp32"]
        if had is not None:
            sys.modules["esp32"] = had
    equal([copy.name for copy in store.copies], [store.root, store.root + ".2"])
