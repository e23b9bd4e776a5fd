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

Depends on: compat, limits, record, state.
Heap: 3.5 KB from a .mpy file.
"""

from .compat import const, forget, sha256
from .limits import BOUND_AHEAD_S, HOLD_DOWNS
from .pins import retired_entry, union
from .state import EVENT_LEAF_NOT_BEFORE, EVENT_PIN_SEEN, RATCHET_NEVER, RATCHET_ORDERED

_OVER = const(1 << 29)  # seconds: longer than any hold_max


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
        self._holds = [[entry, at, None, at, None] for entry, at in holds]
        # Sightings of a trial in sets with a hold-down: it begins when the trial is confirmed.
        self._seen_in_trial = []

    def moved_on(self, floor, retired, held, new_epoch=False) -> None:
        """Another state is active. A new epoch sets the floor, and begins the bound anew."""
        self.bound = floor if new_epoch else max(self.bound, floor)
        self.floor = floor
        self.held = held
        self._seen_in_trial = []
        if new_epoch:
            self._holds = []
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
                self._sighted(state, event[1:], unix_s, uptime_s, in_trial)
                if self.retired_generation != verdict.retired_generation:
                    stands = not self.is_retired(event[1], event[3])
            elif kind == EVENT_LEAF_NOT_BEFORE:
                self.bound = raised_bound(self.bound, event[1], state.issued_at)
            elif self.memory is not None and not in_trial:
                # Not in a trial: a remembered path would hide from the ratchet what is seen then.
                self.memory.remember(event)
        return stands

    def _sighted(self, state, seen, unix_s, uptime_s, in_trial):
        name, index, spki_sha256 = seen
        pin_set = state.pin_set(name)
        if pin_set is None or pin_set.pins[index].spki_sha256 != spki_sha256:
            raise ValueError("an event of another state")
        if in_trial:
            if pin_set.hold_s:
                if seen not in self._seen_in_trial:
                    self._seen_in_trial.append(seen)
            else:
                self.held = union(self.held, self._before(pin_set, index))
            return
        self._pause(pin_set, index, unix_s, uptime_s)
        before = self._before(pin_set, index)
        if before and (pin_set.hold_s == 0 or not self._hold(name, spki_sha256, unix_s, uptime_s)):
            self.retire(before)
        self._end_holds(pin_set, unix_s, uptime_s)

    def _before(self, pin_set, index) -> list:
        """Return the entries that a sighting of the pin retires and that are not retired yet."""
        if not moves(pin_set, index):
            return []
        entries = [retired_entry(pin_set.name, pin.spki_sha256) for pin in pin_set.pins[:index]]
        return [entry for entry in entries if entry not in self.retired]

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
        seen, self._seen_in_trial = self._seen_in_trial, []
        for event in seen:
            self._sighted(state, event, unix_s, uptime_s, False)

    def reverted(self) -> None:
        """The trial is over and its state is gone: what was seen in it is forgotten."""
        self.held = ()
        self._seen_in_trial = []

    # Hold-downs.

    @property
    def holds(self) -> tuple:
        """What a record keeps of the hold-downs."""
        return tuple(sorted((hold[0], hold[1]) for hold in self._holds))

    def _hold(self, name, spki_sha256, unix_s, uptime_s) -> bool:
        """Begin a hold-down unless one runs; False: there is no room, so it ends at once."""
        entry = retired_entry(name, spki_sha256)
        for hold in self._holds:
            if hold[0] == entry:
                return True
        if len(self._holds) >= HOLD_DOWNS:
            return False
        self._holds.append([entry, unix_s, uptime_s, unix_s, uptime_s])
        return True

    def _pause(self, pin_set, index, unix_s, uptime_s) -> None:
        """A sighting of a pin pauses the hold-downs that later pins of its set began."""
        for pin in pin_set.pins[index + 1 :]:
            entry = retired_entry(pin_set.name, pin.spki_sha256)
            for hold in self._holds:
                if hold[0] == entry:
                    hold[3] = unix_s
                    hold[4] = uptime_s

    def end_holds(self, state, unix_s=0, uptime_s=0) -> None:
        """Retire what every hold-down that is over stands for; called with every join."""
        if not self._holds:
            return
        listed = set()
        for pin_set in state.pin_sets:
            self._end_holds(pin_set, unix_s, uptime_s)
            listed |= {retired_entry(pin_set.name, pin.spki_sha256) for pin in pin_set.pins}
        # A hold-down of a pin the state no longer lists holds nothing back.
        self._holds = [hold for hold in self._holds if hold[0] in listed]

    def _end_holds(self, pin_set, unix_s, uptime_s) -> None:
        if not self._holds:
            return
        for index, pin in enumerate(pin_set.pins):
            entry = retired_entry(pin_set.name, pin.spki_sha256)
            for hold in list(self._holds):
                if hold[0] != entry:
                    continue
                before = self._before(pin_set, index)
                if before and entry not in self.retired:
                    quiet = _elapsed(hold[3], hold[4], unix_s, uptime_s)
                    whole = _elapsed(hold[1], hold[2], unix_s, uptime_s)
                    if quiet < pin_set.hold_s and whole < pin_set.hold_max_s:
                        continue
                    self.retire(before)
                self._holds.remove(hold)


def moves(pin_set, index: int) -> bool:
    """True when a sighting of that pin retires the pins before it."""
    if pin_set.ratchet == RATCHET_NEVER:
        return False
    return pin_set.ratchet == RATCHET_ORDERED or pin_set.pins[index].is_backup


def raised_bound(bound: int, not_before: int, issued_at: int) -> int:
    """Return the bound after an accepted leaf: never lower, never far above issued_at."""
    return max(bound, min(not_before, issued_at + BOUND_AHEAD_S))


def _elapsed(since_unix, since_uptime, unix_s, uptime_s) -> int:
    """Seconds since then, on the clock if it was known both times, else on the uptime.

    A clock that went back, and a restart without a known clock, count as very long: a hold-down
    must end, and no thief of the primary may prolong it by cutting the power.
    """
    if since_unix and unix_s:
        return unix_s - since_unix if unix_s >= since_unix else _OVER
    return _OVER if since_uptime is None else uptime_s - since_uptime


_STAYS = True  # compat.forget
