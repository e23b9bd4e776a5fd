# SPDX-License-Identifier: MIT
"""The stage: the one file that unverified bytes are confined to, and room for it; and the end.

Needed before a bundle is decided, and gone from the heap while it is.

Depends on: copies, errors, limits.
Heap: 1.3 KB from a .mpy file.
"""

import os
from errno import ETIMEDOUT

from ..compat import const, ticks_diff, ticks_ms
from ..errors import StoreError, TrustError
from ..limits import BUNDLE_BYTES, STAGE_S
from .copies import listed, remove

_PIECE = const(512)  # bytes copied at a time
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
    extent = None
    if not hasattr(source, "seek"):  # a stream; a file has an end that is there already
        from .extent import Extent

        extent = Extent()
    started = ticks_ms()
    total = 0
    with open(path, "wb") as file:
        while extent is None or extent.goes_on(source):
            if ticks_diff(ticks_ms(), started) > STAGE_S * 1000:
                raise TrustError("net.timeout")
            wanted = _PIECE if extent is None else min(_PIECE, extent.wanted)
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
            if extent is not None:
                extent.follow(piece)
            yield


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
