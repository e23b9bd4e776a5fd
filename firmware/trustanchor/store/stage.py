# SPDX-License-Identifier: MIT
"""The stage: the one file that unverified bytes are confined to, and room for it; and the end.

Needed before a bundle is decided, and gone from the heap while it is.

Depends on: copies, errors, limits.
Heap: 1.3 KB from a .mpy file.
"""

import os
import select
from errno import ETIMEDOUT

from ..compat import const, ticks_diff, ticks_ms
from ..errors import StoreError, TrustError
from ..limits import BUNDLE_BYTES, STAGE_S
from .copies import listed, remove

_PIECE = const(512)  # bytes copied at a time
_MORE_MS = const(200)  # what follows a whole message on a connection comes with it, or soon
# What an update writes besides the bundle: record, folder and slot names, each beside the old.
_SPARE_BYTES = const(16384)


def stage(store, source, path, tidy_slots):
    """Generator: write the bundle that source gives to path; yields None when it is waited for.

    A bundle is read up to its end and not to the end of the stream: a connection need not be
    closed for it. More is taken, to be refused, only where it is there already. tidy_slots(store)
    is called where room is short. Refuses with net.lost and net.timeout when the source fails, and
    leaves the OSError of a medium that fails as it is.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        from io import BytesIO

        source = BytesIO(source)
    _make_room(store, tidy_slots)
    extent = _Extent()
    started = ticks_ms()
    total = 0
    with open(path, "wb") as file:
        while not extent.is_whole or _has_more(source):
            if ticks_diff(ticks_ms(), started) > STAGE_S * 1000:
                raise TrustError("net.timeout")
            wanted = min(_PIECE, extent.wanted)
            try:
                piece = source.read(wanted)
            except OSError as error:
                code = "net.timeout" if error.errno == ETIMEDOUT else "net.lost"
                raise TrustError(code, error.errno)
            if piece is None:  # a source that does not block
                yield
                continue
            if not piece:
                break
            total += len(piece)
            if total > BUNDLE_BYTES:
                raise StoreError("bundle.too_large", total)
            file.write(piece)
            extent.follow(piece)
            if len(piece) < wanted or extent.is_whole:
                yield


class _Extent:
    """Follows the heads of CBOR items (RFC 8949 section 3) and tells where an item ends.

    is_whole  the bytes so far are whole items
    wanted    how many bytes there are at least before the next head or the end
    """

    def __init__(self):
        self.is_whole = False
        self.wanted = 1
        self._items = 0  # still to come below the one that is open, itself included
        self._kind = -1  # of a head whose number is being read; -1: the next byte is a head
        self._number = 0
        self._left = 0  # bytes of that number, or of a string's content

    def follow(self, piece):
        at = 0
        while at < len(piece):
            if self._kind < 0 and not self._left:
                at += 1
                self._begin(piece[at - 1])
            elif self._kind < 0:
                took = min(self._left, len(piece) - at)
                at += took
                self._left -= took
            else:
                self._number = self._number << 8 | piece[at]
                at += 1
                self._left -= 1
                if not self._left:
                    self._head(self._kind, self._number)
        self.wanted = self._left or 1
        self.is_whole = not self._items and not self._left and self._kind < 0

    def _begin(self, head):
        if not self._items:
            self._items = 1
        short = head & 31
        if short < 24:
            self._head(head >> 5, short)
        elif short < 28:
            self._kind = head >> 5
            self._number = 0
            self._left = 1 << (short - 24)
        else:
            self._endless()

    def _head(self, major, number):
        self._kind = -1
        self._left = 0
        if number > BUNDLE_BYTES and 2 <= major <= 5:
            self._endless()
        elif major in (2, 3):
            self._left = number
            self._items -= 1
        elif major in (4, 5):
            self._items += number * (major - 3) - 1
        elif major != 6:  # a tag has its item still to come
            self._items -= 1

    def _endless(self):
        """No bundle, as whoever reads it will say: all there is is taken."""
        self._kind = -1
        self._left = BUNDLE_BYTES


def _has_more(source) -> bool:
    """True when source has bytes beyond a whole item, as far as it can be known without a wait."""
    try:
        poller = select.poll()
        poller.register(source, select.POLLIN)
        return bool(poller.poll(_MORE_MS))
    except (AttributeError, OSError, TypeError, ValueError):
        return True  # no stream that can be waited for: reading it tells


def _make_room(store, tidy_slots) -> None:
    """A download goes into the inactive slot: tables, then the fallback, give way to it."""
    record = store.record
    if record is None or not _is_short(store):
        return
    store._tables = None
    remove(store.root + "/tables")
    if not store._dirty:  # else a record that seemed lost may be there and name one of them
        tidy_slots(store)  # what a power cut, or a trial before the last, has left
    if record.fallback and _is_short(store) and _is_active_there(store, record):
        remove(store.slot(record.fallback))


def _is_active_there(store, record) -> bool:
    """True unless it is the fallback that this device lives on."""
    source, file = store.source(store.slot(record.active))
    if source is None:
        return False
    try:
        return store.prefix(source).payload_digest == record.active
    except TrustError:
        return False
    finally:
        file.close()


def _is_short(store) -> bool:
    block, _, _, free = os.statvfs(store.root)[:4]
    return block * free < BUNDLE_BYTES + _SPARE_BYTES


def erase(store) -> None:
    store.state = store.local = store.record = None
    try:
        # Records last: until both are gone the device is lost, and never looks unprovisioned.
        for name in listed(store.root):
            if name != "record":
                remove(store.root + "/" + name)
        for copy in store.copies:
            copy.erase()
    except OSError:
        raise StoreError("store.write_failed", "erase")
