# SPDX-License-Identifier: MIT
"""How long devices will go on accepting the chain a server shows today.

A verdict over one chain changes only at a date that stands in the chain or in the state, so the
device's judge() is asked just behind each of them: nothing is interpolated and no rule is written
here a second time.
"""

from collections.abc import Iterator

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
    for moment in sorted(set(_dates(deployed, chain))):
        if at < moment <= at + HORIZON_S:
            answer = states.ask(deployed, chain, host, port, moment)
            if not answer.accepted:
                return moment - 1
    return None


def _dates(deployed: states.Deployed, chain: list[bytes]) -> Iterator[int]:
    """The first second of each new situation: both ends of a validity are inclusive."""
    state = deployed.state
    for der in [*chain, *state.intermediates]:
        try:
            parsed = derive.Certificate(der)
        except TrustError:
            continue  # an extra that no path can use has no date that matters
        yield parsed.not_before
        yield parsed.not_after + 1
    for one in [pin for pin_set in state.pin_sets for pin in pin_set.pins]:
        yield from _window(one.not_before, one.not_after)
    for anchor in state.anchors:
        yield from _window(anchor.trust_from, anchor.trust_until)
    for service in state.services:
        if service.max_state_age_s is not None:
            yield state.issued_at + service.max_state_age_s
            yield state.issued_at + service.max_state_age_s + 1


def _window(first: int | None, last: int | None) -> Iterator[int]:
    if first is not None:
        yield first
    if last is not None:
        yield last + 1
