# SPDX-License-Identifier: MIT
"""What a device has learned by itself: retired pins, the time it believes, what it remembers.

A LocalState is read by judge(), which answers with events; only the store joins events into it,
under one lock, after the handshake completed. Without a store (a literal `Context(pins=...)`) the
same join works in RAM.

    local = LocalState(floor=build_time)
    stands = local.join(verdict, state, unix_s, uptime_s)    # False: judge again

Retirement. A live pin that equals the leaf's key of a completed handshake retires the pins before
it in its set, for ever; the set says which pins do that and after how long a hold-down. Sightings
of an earlier pin pause a hold-down, never beyond hold_max.

Time. floor <= bound. The floor is durable and moves with accepted states alone; the bound lives
in RAM, and an accepted leaf lifts it to at most issued_at + BOUND_AHEAD_S.

Depends on: compat, limits, retired, state; ratchet when a pin but the first was seen.
Heap: 2 KB from a .mpy file.
"""

from .compat import forget, sha256
from .kinds import EVENT_LEAF_NOT_BEFORE, EVENT_PIN_SEEN
from .limits import BOUND_AHEAD_S
from .retired import retired_entry, union


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

    def moved_on(self, floor, retired, held, new_epoch=False) -> None:
        """Another state is active. A new epoch sets the floor, and begins the bound anew."""
        self.bound = floor if new_epoch else max(self.bound, floor)
        self.floor = floor
        self.held = held
        self.seen_in_trial = []
        if new_epoch:
            self.hold_downs = []
        if retired != self.retired:
            self.retired = retired
            self.retired_generation += 1

    # What judge reads.

    def is_retired(self, pin_set_name: str, spki_sha256: bytes) -> bool:
        return bool(self.retired) and retired_entry(pin_set_name, spki_sha256) in self.retired

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

    # What the store does.

    def join(self, verdict, state, unix_s=0, uptime_s=0, in_trial=False) -> bool:
        """Join the events of an accepted verdict whose handshake completed.

        unix_s is 0 while the clock is unknown. Returns False, and the caller judges again, when
        the verdict rests on a state or a retired set that is gone: then nothing was joined, or
        the connection's own sighting ended a hold-down against it.
        """
        if (
            not verdict.accepted
            or verdict.state_digest != state.payload_digest
            or verdict.retired_generation != self.retired_generation
        ):
            return False
        stands = True
        for event in verdict.events:
            kind = event[0]
            if kind == EVENT_PIN_SEEN:
                if verdict.cached or verdict.audited:
                    continue
                # The first pin of a set has none before it to retire: mostly nothing to do.
                if event[2] or self.hold_downs or in_trial:
                    from .ratchet import sighted

                    sighted(self, state, event[1:], unix_s, uptime_s, in_trial)
                if self.retired_generation != verdict.retired_generation:
                    stands = not self.is_retired(event[1], event[3])
            elif kind == EVENT_LEAF_NOT_BEFORE:
                self.bound = raised_bound(self.bound, event[1], state.issued_at)
            elif self.memory is not None and not in_trial:
                # Not in a trial: a remembered path would hide from the ratchet what is seen then.
                self.memory.remember(event)
        return stands

    def retire(self, entries) -> None:
        """Retire entries for ever."""
        retired = union(self.retired, entries)
        if retired != self.retired:
            self.retired = retired
            self.retired_generation += 1

    def confirmed(self, state, unix_s=0, uptime_s=0) -> None:
        """The trial is over and state stays: what was seen in it takes effect."""
        self.retire(self.held)
        self.held = ()
        if self.seen_in_trial:
            from .ratchet import sighted

            seen, self.seen_in_trial = self.seen_in_trial, []
            for event in seen:
                sighted(self, state, event, unix_s, uptime_s, False)

    def reverted(self) -> None:
        """The trial is over and its state is gone: what was seen in it is forgotten."""
        self.held = ()
        self.seen_in_trial = []

    def end_holds(self, state, unix_s=0, uptime_s=0) -> None:
        """Retire what every hold-down that is over stands for; called with every join."""
        if self.hold_downs:
            from .ratchet import end_all

            end_all(self, state, unix_s, uptime_s)

    @property
    def holds(self) -> tuple:
        """What a record keeps of the hold-downs."""
        return tuple(sorted((hold[0], hold[1]) for hold in self.hold_downs))


def raised_bound(bound: int, not_before: int, issued_at: int) -> int:
    """Return the bound after an accepted leaf: never lower, never far above issued_at."""
    return max(bound, min(not_before, issued_at + BOUND_AHEAD_S))


_STAYS = True  # compat.forget
