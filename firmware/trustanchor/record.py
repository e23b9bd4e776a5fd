# SPDX-License-Identifier: MIT
"""The record: the few hundred bytes that say what this device trusts and can never unlearn.

It is the only commit point. Slots hold signed bytes, but a slot counts only when the record names
its digest. The record is kept in two copies; merge() joins whatever survived.

    record = merge(parse(first), parse(second))     # either may be None
    both_copies_are(pack(record))

Here and not in update.py, because every boot reads a record and few boots decide an update.

Depends on: compat, errors, limits, pins.
Heap: 2.6 KB from a .mpy file; a record itself about 0.5 KB.
"""

from .compat import const
from .errors import StoreError
from .limits import HOLD_DOWNS, RETIRED_PINS
from .pins import union

# The layout of SPEC.md "Store layout"; integers are big-endian.
_MAGIC = b"TAr1"
_ID = const(16)
_FIXED = const(196)  # bytes before the lists
_HOLD = const(24)  # a hold-down: id (16), begun at (8)
_NONE = b"\x00" * 32
RECORD_BYTES = _FIXED + 2 * RETIRED_PINS * _ID + HOLD_DOWNS * _HOLD + 4


class Record:
    """The device's position and memory (SPEC.md "Record"); a value, changed by nobody.

    epoch, sequence      position: the last state that was active or in trial
    authority, backup    SHA-256 of the authority records in force
    active               payload digest of the confirmed state
    fallback             digest to load when the active one is damaged, or b""
    trial, tries         digest of the state in trial or b"", loads left before the trial ends
    floor                Unix seconds
    retired, held        sorted tuples of 16-byte entries: retired pins, pins to retire when the
                         trial is confirmed
    trial_at             Unix seconds when the trial began; 0: unknown
    holds                hold-downs in progress, sorted: (entry of the pin seen, Unix seconds when
                         it was first seen; 0: unknown)
    generation           rises with every write; set by the store alone
    """

    FIELDS = (
        "epoch", "sequence", "authority", "backup", "active", "fallback", "trial", "tries",
        "floor", "retired", "held", "trial_at", "holds", "generation",
    )  # fmt: skip

    def __init__(
        self,
        epoch,
        sequence,
        authority,
        backup,
        active,
        fallback=b"",
        trial=b"",
        tries=0,
        floor=0,
        retired=(),
        held=(),
        trial_at=0,
        holds=(),
        generation=0,
    ):
        self.epoch = epoch
        self.sequence = sequence
        self.authority = authority
        self.backup = backup
        self.active = active
        self.fallback = fallback
        self.trial = trial
        self.tries = tries
        self.floor = floor
        self.retired = retired
        self.held = held
        self.trial_at = trial_at
        self.holds = holds
        self.generation = generation

    def but(self, **changes):
        """Return a copy with some fields changed."""
        values = {name: getattr(self, name) for name in self.FIELDS}
        values.update(changes)
        return Record(**values)


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


_STAYS = True  # compat.forget
