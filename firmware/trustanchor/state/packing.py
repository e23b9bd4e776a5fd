# SPDX-License-Identifier: MIT
"""A record as bytes, and what two copies of it say together.

    record = merge(parse(first), parse(second))     # either may be None
    both_copies_are(pack(record))

Apart from record.py, because a boot and a write need it and nothing between them.

Depends on: compat, errors, limits, record, retired.
Heap: 1.5 KB from a .mpy file.
"""

from ..compat import const
from ..errors import StoreError
from ..limits import HOLD_DOWNS, RETIRED_PINS
from .record import Record
from .retired import union

# The layout of SPEC.md "Store layout"; integers are big-endian.
_MAGIC = b"TAr1"
_ID = const(16)
_FIXED = const(196)  # bytes before the lists
_HOLD = const(24)  # a hold-down: id (16), begun at (8)
_NONE = b"\x00" * 32
RECORD_BYTES = _FIXED + 2 * RETIRED_PINS * _ID + HOLD_DOWNS * _HOLD + 4


def pack(record: Record) -> bytes:
    """Return the bytes of the record, CRC included."""
    from binascii import crc32

    parts = [_MAGIC]
    for number in (record.generation, record.epoch, record.sequence):
        parts.append(number.to_bytes(4, "big"))
    parts.append(record.floor.to_bytes(8, "big"))
    parts.append(record.trial_at.to_bytes(8, "big"))
    parts.append(record.authority)
    parts.append(record.backup)
    for digest in (record.active, record.fallback, record.trial):
        parts.append(digest or _NONE)
    parts.append(bytes((record.tries, len(record.retired), len(record.held), len(record.holds))))
    parts.extend(record.retired)
    parts.extend(record.held)
    for entry, begun_at in record.holds:
        parts.append(entry)
        parts.append(begun_at.to_bytes(8, "big"))
    body = b"".join(parts)
    return body + crc32(body).to_bytes(4, "big")


def parse(data: "bytes | bytearray | memoryview") -> Record:
    """Return the Record in data; anything else is refused with store.record_damaged."""
    from binascii import crc32

    view = memoryview(data)
    size = len(view)
    if (
        not _FIXED + 4 <= size <= RECORD_BYTES
        or bytes(view[:4]) != _MAGIC
        or crc32(view[: size - 4]) != _number(view, size - 4, 4)
    ):
        raise StoreError("store.record_damaged")
    held_at = _FIXED + view[193] * _ID
    holds_at = held_at + view[194] * _ID
    if holds_at + view[195] * _HOLD + 4 != size:
        raise StoreError("store.record_damaged")
    return Record(
        _number(view, 8, 4),
        _number(view, 12, 4),
        bytes(view[32:64]),
        bytes(view[64:96]),
        _digest(view, 96),
        _digest(view, 128),
        _digest(view, 160),
        view[192],
        _number(view, 16, 8),
        _entries(view, _FIXED, held_at),
        _entries(view, held_at, holds_at),
        _number(view, 24, 8),
        tuple(
            (bytes(view[at : at + _ID]), _number(view, at + _ID, 8))
            for at in range(holds_at, size - 4, _HOLD)
        ),
        _number(view, 4, 4),
    )


def merge(one: "Record | None", other: "Record | None") -> "Record | None":
    """Join two copies: the higher epoch wins whole; inside an epoch maximum and union.

    What moves in both directions (active, fallback, trial, hold-downs) is taken from the copy of
    the higher generation.
    """
    if one is None or other is None:
        return other if one is None else one
    if (one.epoch, one.generation) < (other.epoch, other.generation):
        one, other = other, one
    if one.epoch != other.epoch:
        return one
    return one.but(
        sequence=max(one.sequence, other.sequence),
        floor=max(one.floor, other.floor),
        retired=union(one.retired, other.retired),
    )


def _number(view, at: int, octets: int) -> int:
    return int.from_bytes(view[at : at + octets], "big")


def _digest(view, at: int) -> bytes:
    digest = bytes(view[at : at + 32])
    return b"" if digest == _NONE else digest


def _entries(view, start: int, end: int) -> tuple:
    return tuple(bytes(view[at : at + _ID]) for at in range(start, end, _ID))
