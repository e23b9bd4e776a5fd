# SPDX-License-Identifier: MIT
"""The ratchet: what a sighting of a pin retires, at once or after its set's hold-down.

    sighted(local, state, (pin set name, index, SPKI SHA-256), unix_s, uptime_s, in_trial)
    end_all(local, state, unix_s, uptime_s)

The part of learning.py that is needed when a server has shown another pin than the first of its
set, while a hold-down runs, and in a trial: seldom, and not before a handshake has completed.
What comes of it is in the LocalState; nothing is kept here.

Depends on: compat, kinds, limits, local, retired.
Heap: 2 KB from a .mpy file.
"""

from ..compat import const, sha256
from ..kinds import RATCHET_NEVER, RATCHET_ORDERED
from ..limits import HOLD_DOWNS
from ..state.local import named_entry, retired_entry
from ..state.retired import retire, union

_OVER = const(1 << 29)  # seconds: longer than any hold_max


def sighted(local, state, seen, unix_s, uptime_s, in_trial) -> None:
    """A live pin equals the leaf's key of a completed handshake; seen is the event's rest."""
    name, index, spki_sha256 = seen
    pin_set = state.pin_set(name)
    if pin_set is None or pin_set.pins[index].spki_sha256 != spki_sha256:
        raise ValueError("an event of another state")
    if in_trial:
        if pin_set.hold_s:
            if seen not in local.seen_in_trial:
                local.seen_in_trial.append(seen)
        else:
            local.held = union(local.held, _before(local, pin_set, index))
        return
    # First what was over before this sighting: it must not begin anew because nobody had looked.
    # Of all sets: what no longer holds anything back must not take the room of a new hold-down.
    if local.hold_downs:
        end_all(local, state, unix_s, uptime_s)
    _pause(local, pin_set, index, unix_s, uptime_s)
    before = _before(local, pin_set, index)
    if before and (
        pin_set.hold_s == 0 or not _hold(local, _hold_entry(pin_set, index), unix_s, uptime_s)
    ):
        retire(local, before)


def end_all(local, state, unix_s, uptime_s) -> None:
    """Retire what every hold-down that is over stands for."""
    listed = set()
    for pin_set in state.pin_sets:
        _end_of(local, pin_set, unix_s, uptime_s)
        listed |= {_hold_entry(pin_set, index) for index in range(len(pin_set.pins))}
    # A hold-down of a pin the state lists no longer, or behind other pins, holds nothing back.
    local.hold_downs = [hold for hold in local.hold_downs if hold[0] in listed]


def moves(pin_set, index: int) -> bool:
    """True when a sighting of that pin retires the pins before it."""
    if pin_set.ratchet == RATCHET_NEVER:
        return False
    return pin_set.ratchet == RATCHET_ORDERED or pin_set.pins[index].is_backup


def _before(local, pin_set, index) -> list:
    """Return the entries that a sighting of the pin retires and that are not retired yet."""
    if not moves(pin_set, index):
        return []
    return [
        retired_entry(pin.spki_sha256)
        for pin in pin_set.pins[:index]
        if not local.is_retired(pin_set.name, pin.spki_sha256)
    ]


def _hold_entry(pin_set, index) -> bytes:
    """Return what a hold-down is known by: its pin and every pin before it, in order.

    A pin that was put before it since is not what it stands for: such a state ends it.
    """
    pins = pin_set.pins[: index + 1]
    entries = [named_entry(pin_set.name, pin.spki_sha256) for pin in pins]
    return sha256(b"ta-hold-1", *entries)[:16]


def _hold(local, entry, unix_s, uptime_s) -> bool:
    """Begin a hold-down unless one runs; False: there is no room, so it ends at once."""
    for hold in local.hold_downs:
        if hold[0] == entry:
            return True
    if len(local.hold_downs) >= HOLD_DOWNS:
        return False
    local.hold_downs.append([entry, unix_s, uptime_s, unix_s, uptime_s])
    return True


def _pause(local, pin_set, index, unix_s, uptime_s) -> None:
    """A sighting of a pin pauses the hold-downs that later pins of its set began."""
    if not local.hold_downs:
        return
    for later in range(index + 1, len(pin_set.pins)):
        entry = _hold_entry(pin_set, later)
        for hold in local.hold_downs:
            if hold[0] == entry:
                hold[3] = unix_s
                hold[4] = uptime_s


def _end_of(local, pin_set, unix_s, uptime_s) -> None:
    """End the hold-downs of one set that are over."""
    if not local.hold_downs:
        return
    for index, pin in enumerate(pin_set.pins):
        entry = _hold_entry(pin_set, index)
        for hold in list(local.hold_downs):
            if hold[0] != entry:
                continue
            before = _before(local, pin_set, index)
            if before and not local.is_retired(pin_set.name, pin.spki_sha256):
                quiet = _elapsed(hold[3], hold[4], unix_s, uptime_s)
                whole = _elapsed(hold[1], hold[2], unix_s, uptime_s)
                if quiet < pin_set.hold_s and whole < pin_set.hold_max_s:
                    continue
                retire(local, before)
            local.hold_downs.remove(hold)


def _elapsed(since_unix, since_uptime, unix_s, uptime_s) -> int:
    """Seconds since then, on the clock if it was known both times, else on the uptime.

    A clock that went back, and a restart without a known clock, count as very long: a hold-down
    must end, and no thief of the primary may prolong it by cutting the power.
    """
    if since_unix and unix_s:
        return unix_s - since_unix if unix_s >= since_unix else _OVER
    return _OVER if since_uptime is None else uptime_s - since_uptime
