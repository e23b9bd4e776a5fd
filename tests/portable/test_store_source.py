# SPDX-License-Identifier: MIT
"""Where a bundle comes from: sources that wait, fail, give little, and never end."""

from io import BytesIO

from stand_in import bundle
from store_board import both, provisioned

from check import equal, refuses, true
from trustanchor.errors import StoreError
from trustanchor.store.extent import Extent

# A byte string, an array with a map, a tag, all lengths of numbers.
ITEMS = (
    b"\x41a", b"\x00", b"\x18\xff", b"\x19\x01\x00", b"\x1a\x00\x01\x00\x00",
    b"\x1b\x00\x00\x00\x00\x00\x00\x00\x01", b"\xf6", b"\xf8\x20", b"\x80", b"\xa0",
    b"\x83\x01\x61b\x82\x02\xa1\x03\x58\x02cd", b"\xd8\x62\x81\x43abc", b"\xc1\xc2\x41a",
)  # fmt: skip


class Slow:
    """Gives a byte or two at a time, and None in between; counts what it was asked for."""

    def __init__(self, data):
        self._data = data
        self.reads = 0
        self.beyond = 0

    def read(self, size):
        self.reads += 1
        if self.reads % 3 == 0:
            return None
        if not self._data:
            self.beyond += 1
            return b""
        piece, self._data = self._data[: min(size, 2)], self._data[min(size, 2) :]
        return piece


class Failing:
    def __init__(self, number):
        self._number = number
        self._left = 2

    def read(self, size):
        self._left -= 1
        if self._left < 0:
            raise OSError(self._number, "gone")
        return b"{" * min(size, 1)


def extent(data, step):
    found = Extent()
    for at in range(0, len(data), step):
        if at and found.is_whole:
            return at
        found.follow(data[at : at + step])
    return len(data) if found.is_whole else None


def test_the_end_of_every_item_is_found_and_no_sooner():
    for item in ITEMS:
        equal(extent(item, 1), len(item), item)
        equal(extent(item, 100), len(item), item)
        for end in range(1, len(item)):
            equal(extent(item[:end], 1), None, item)
    # Read by what is wanted, nothing beyond an item is ever asked for.
    for item in ITEMS:
        found = Extent()
        source = BytesIO(item + b"\x41z")
        while not found.is_whole:
            found.follow(source.read(found.wanted))
        equal(source.read(), b"\x41z", item)


def test_what_has_no_end_is_taken_whole():
    for data in (b"\x5f\x41a\xff", b"\x9f\x01\xff", b"\x1c", b"\xbf\xff", b"\x5a\xff\xff\xff\xff"):
        equal(extent(data, 1), None, data)


def test_a_slow_source_is_waited_for_in_slices():
    board = provisioned()
    store = board.boots()
    # The stand-in's bundles are JSON: as CBOR the first byte begins a text that is never whole.
    source = Slow(bundle(2))
    yields = sum(1 for _ in store.installing(source))
    equal(store.state.sequence, 2)
    true(yields > 20, yields)


def test_a_connection_that_stays_open_is_not_read_beyond_the_bundle():
    class Open:
        """A stream that waits for ever after the bundle; reading it then would hang."""

        def __init__(self, data):
            self._data = BytesIO(data)
            self._left = len(data)

        def read(self, size):
            if size > self._left:
                raise AssertionError("read beyond the bundle")
            self._left -= size
            return self._data.read(size)

    board = provisioned()
    store = board.boots()
    from trustanchor.store import extent, stage  # the ones that are loaded now

    kept = extent.Extent.goes_on
    # As select.poll says of a quiet connection.
    extent.Extent.goes_on = lambda self, source: not self.is_whole  # type: ignore[method-assign]
    try:
        for item in ITEMS:
            path = board.root + "/stage"
            for _ in stage.stage(store, Open(item), path, None):
                pass
            with open(path, "rb") as file:
                equal(file.read(), item)
    finally:
        extent.Extent.goes_on = kept  # type: ignore[method-assign]


def test_a_source_that_fails_is_no_fault_of_the_flash():
    def fail(board):
        store = board.boots()
        before = board.content()
        for number, code in ((104, "net.lost"), (110, "net.timeout"), (5, "net.lost")):
            refuses(code, store.install, Failing(number))
            equal(board.content(), before)
            equal(store.state.sequence, 1)
        equal(store.problem, None)

    both(fail)


def test_a_source_without_end_is_refused():
    class Endless:
        def read(self, size):
            return b"{" * size

    board = provisioned()
    store = board.boots()
    refuses("bundle.too_large", store.install, Endless())
    equal(store.state.sequence, 1)


def test_a_deadline_ends_a_source_that_gives_nothing():
    class Silent:
        def read(self, size):
            return None

    board = provisioned()
    store = board.boots()
    from trustanchor.store import stage  # the one that is loaded now

    now = [0]
    kept = stage.ticks_ms
    stage._STAYS = True  # type: ignore[attr-defined]  # compat.forget
    stage.ticks_ms = lambda: now[0]
    try:
        steps = store.installing(Silent())
        for _ in range(5):
            next(steps)
        now[0] = 600001
        refuses("net.timeout", next, steps)
    finally:
        stage.ticks_ms = kept
        del stage._STAYS  # type: ignore[attr-defined]
    equal(store.state.sequence, 1)


def test_erase_on_a_medium_that_refuses_says_so():
    board = provisioned()
    store = board.boots()

    class Stuck:
        name = "nvs"

        def erase(self):
            raise OSError(30)

    store.copies = (Stuck(),)
    try:
        store.erase()
    except StoreError as error:
        equal((error.code, error.detail), ("store.write_failed", "erase"))
    else:
        raise AssertionError("no refusal")
