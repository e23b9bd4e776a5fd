# SPDX-License-Identifier: MIT
"""What a completed handshake teaches a device, and what an update does with what it learned.

The part of local.py that a verdict does not need.

    stands = join(local, verdict, state, unix_s, uptime_s)    # False: judge again

Depends on: kinds, limits, local, retired; ratchet when a pin but the first was seen.
Heap: 1.5 KB from a .mpy file.
"""

from ..kinds import EVENT_LEAF_NOT_BEFORE, EVENT_PIN_SEEN
from ..limits import BOUND_AHEAD_S
from ..state.retired import retire


def join(local, verdict, state, unix_s=0, uptime_s=0, in_trial=False) -> bool:
    """Join the events of an accepted verdict whose handshake completed.

    unix_s is 0 while the clock is unknown. Returns False, and the caller judges again, when
    the verdict rests on a state or a retired set that is gone: then nothing was joined, or
    the connection's own sighting ended a hold-down against it.
    """
    if (
        not verdict.accepted
        or verdict.state_digest != state.payload_digest
        or verdict.retired_generation != local.retired_generation
    ):
        return False
    stands = True
    for event in verdict.events:
        kind = event[0]
        if kind == EVENT_PIN_SEEN:
            if verdict.audited:
                continue
            # The first pin of a set has none before it to retire: mostly nothing to do.
            if event[2] or local.hold_downs or in_trial:
                from .ratchet import sighted

                sighted(local, state, event[1:], unix_s, uptime_s, in_trial)
            if local.retired_generation != verdict.retired_generation:
                stands = not local.is_retired(event[1], event[3])
        elif kind == EVENT_LEAF_NOT_BEFORE:
            local.bound = raised_bound(local.bound, event[1], state.issued_at)
        elif local.memory is not None and not in_trial:
            # Not in a trial: a remembered path would hide from the ratchet what is seen then.
            local.memory.remember(event)
    return stands


def raised_bound(bound: int, not_before: int, issued_at: int) -> int:
    """Return the bound after an accepted leaf: never lower, never far above issued_at."""
    return max(bound, min(not_before, issued_at + BOUND_AHEAD_S))


def confirmed(local, state, unix_s=0, uptime_s=0) -> None:
    """The trial is over and state stays: what was seen in it takes effect."""
    retire(local, local.held)
    local.held = ()
    if local.seen_in_trial:
        from .ratchet import sighted

        seen, local.seen_in_trial = local.seen_in_trial, []
        for event in seen:
            sighted(local, state, event, unix_s, uptime_s, False)


def reverted(local) -> None:
    """The trial is over and its state is gone: what was seen in it is forgotten."""
    local.held = ()
    local.seen_in_trial = []


def end_holds(local, state, unix_s=0, uptime_s=0) -> None:
    """Retire what every hold-down that is over stands for; called with every join."""
    if local.hold_downs:
        from .ratchet import end_all

        end_all(local, state, unix_s, uptime_s)


def holds_of(local) -> tuple:
    """Return what a record keeps of the hold-downs."""
    return tuple(sorted((hold[0], hold[1]) for hold in local.hold_downs))


def moved_on(local, floor, retired, held, new_epoch=False) -> None:
    """Another state is active. A new epoch sets the floor, and begins the bound anew."""
    local.bound = floor if new_epoch else max(local.bound, floor)
    local.floor = floor
    local.held = held
    local.seen_in_trial = []
    if new_epoch:
        local.hold_downs = []
    if retired != local.retired:
        local.retired = retired
        local.retired_generation += 1
