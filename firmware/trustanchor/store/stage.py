# SPDX-License-Identifier: MIT
"""The stage: the one file that unverified bytes are confined to, and room for it; and the end.

Needed before a bundle is decided, and gone from the heap while it is.

Depends on: copies, errors, limits.
Heap: 1.3 KB from a .mpy file.
"""

import os

from ..compat import const
from ..errors import StoreError, TrustError
from ..limits import BUNDLE_BYTES
from .copies import listed, remove

_PIECE = const(512)  # bytes copied at a time
# What an update writes besides the bundle: record, folder and slot names, each beside the old.
_SPARE_BYTES = const(16384)


def stage(store, source, path, tidy_slots) -> None:
    """Write the source's bytes to path; tidy_slots(store) is called where room is short."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        from io import BytesIO

        source = BytesIO(source)
    _make_room(store, tidy_slots)
    total = 0
    with open(path, "wb") as file:
        while True:
            piece = source.read(_PIECE)
            if not piece:
                break
            total += len(piece)
            if total > BUNDLE_BYTES:
                raise StoreError("bundle.too_large", total)
            file.write(piece)


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
    # Records last: until both are gone the device is lost, and never looks unprovisioned.
    for name in listed(store.root):
        if name != "record":
            remove(store.root + "/" + name)
    for copy in store.copies:
        copy.erase()
