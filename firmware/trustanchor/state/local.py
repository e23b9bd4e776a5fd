# SPDX-License-Identifier: MIT
"""What a device has learned by itself: retired pins, the time it believes, what it remembers.

A LocalState is read by judge(), which answers with events; only the store joins events into it
(learning.py), under one lock, after the handshake completed.

Retirement. A live pin that equals the leaf's key of a completed handshake retires the pins before
it in its set, for ever; the set says which pins do that and after how long a hold-down. Sightings
of an earlier pin pause a hold-down, never beyond hold_max.

Time. floor <= bound. The floor is durable and moves with accepted states alone; the bound lives
in RAM, and an accepted leaf lifts it to at most issued_at + BOUND_AHEAD_S.

Depends on: compat.
Heap: 1 KB from a .mpy file.
"""

from ..compat import forget, sha256


class LocalState:
    """Retired pins, floors, hold-downs, and a window on what is remembered.

    floor, bound         Unix seconds
    retired              sorted tuple of 16-byte entries
    retired_generation   changes whenever a verdict could: with every retirement
    held                 entries to retire when the running trial is confirmed
    memory               cache.Cache or None: verified paths, intermediates
    tables               function that returns tables.Tables, or None: they load when one is due
    """

    def __init__(self, floor=0, retired=(), held=(), holds=(), memory=None):
        self.floor = floor
        self.bound = floor
        self.retired = retired
        self.retired_generation = 0
        self.held = held
        self.memory = memory
        self.tables = None
        # [entry, first seen, uptime then or None, earlier pin last seen, uptime then or None]
        self.hold_downs = [[entry, at, None, at, None] for entry, at in holds]
        # Sightings of a trial in sets with a hold-down: it begins when the trial is confirmed.
        self.seen_in_trial = []

    def is_retired(self, pin_set_name: str, spki_sha256: bytes) -> bool:
        """True when the key is retired: under whatever name, or, by an older record, under this.

        A key that was lost to a thief is lost in every pin set, and a set that has got another
        name since has not got its keys back.
        """
        return bool(self.retired) and (
            retired_entry(spki_sha256) in self.retired
            or named_entry(pin_set_name, spki_sha256) in self.retired
        )

    def retired_digest(self) -> bytes:
        """SHA-256 over the retired set, part of the cache key."""
        return sha256(*self.retired)

    def cached_path(self, key: bytes):
        """Return (valid_from, valid_until, value) of a verified path, or None."""
        return None if self.memory is None else self.memory.path_of(key)

    @property
    def learned(self):
        """The learned intermediates, a sequence of DER: tried last, judged anew each time."""
        return () if self.memory is None else self.memory

    def key_table(self, spki_sha256: bytes):
        """Return the comb table of a kept key (signatures.key_table), or None."""
        if self.tables is None:
            return None
        try:
            return self.tables().of(spki_sha256)
        except MemoryError:
            forget("tables")  # perhaps half loaded
            return None  # slower, and the verdict the same


def retired_entry(spki_sha256: bytes) -> bytes:
    """Return the 16 bytes a retired key is remembered by (SPEC.md "Record")."""
    return sha256(b"ta-retired-2", spki_sha256)[:16]


def named_entry(pin_set_name: str, spki_sha256: bytes) -> bytes:
    """Return what older versions wrote, and what a hold-down stands for: a key in one pin set."""
    name = pin_set_name.encode()
    return sha256(b"ta-retired-1", bytes((len(name),)), name, spki_sha256)[:16]


_STAYS = True  # compat.forget
