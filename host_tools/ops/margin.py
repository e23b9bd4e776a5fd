# SPDX-License-Identifier: MIT
"""How long devices will go on accepting the chain a server shows today.

A verdict over one chain changes only at a date that stands in the chain or in the state, so the
device's judge() is asked just behind each of them: nothing is interpolated and no rule is written
here a second time.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import Any

from host_tools.ops import states
from trustanchor.errors import TrustError
from trustanchor.state import derive

# What lies further off is not looked at: the answer is then "no end in sight".
HORIZON_S = 10 * 366 * 86400


def accepted_until(
    deployed: states.Deployed, chain: list[bytes], host: str, port: int | None, at: int
) -> int | None:
    """The last of the dates at which the verdict may change, in Unix seconds, up to which devices
    accept; None: to the end of the horizon. The chain must be accepted at `at`."""
    for moment in sorted(set(dates_of(deployed.state, chain))):
        if at < moment <= at + HORIZON_S:
            answer = states.ask(deployed, chain, host, port, moment)
            if not answer.accepted:
                return moment - 1
    return None


def dates_of(state: Any, chain: Sequence[bytes]) -> Iterator[int]:
    """When the verdict of a state over a chain may change: the first second of each new situation,
    in Unix seconds. Both ends of a validity are inclusive."""
    for der in [*chain, *state.intermediates]:
        yield from _validity(bytes(der))
    for one in [pin for pin_set in state.pin_sets for pin in pin_set.pins]:
        yield from _window(one.not_before, one.not_after)
    for anchor in state.anchors:
        yield from _window(anchor.trust_from, anchor.trust_until)
    for service in state.services:
        if service.max_state_age_s is not None:
            yield state.issued_at + service.max_state_age_s
            yield state.issued_at + service.max_state_age_s + 1


@functools.lru_cache(maxsize=1024)
def _validity(der: bytes) -> tuple[int, ...]:
    """A rehearsal asks for the same certificates once for each state."""
    try:
        parsed = derive.Certificate(der)
    except TrustError:
        return ()  # an extra that no path can use has no date that matters
    return parsed.not_before, parsed.not_after + 1


def _window(first: int | None, last: int | None) -> Iterator[int]:
    if first is not None:
        yield first
    if last is not None:
        yield last + 1
