# SPDX-License-Identifier: MIT
"""What the verdicts of a rehearsal mean: who loses which server from when, and what would help."""

from dataclasses import dataclass

from host_tools.cli.reasons import REASONS
from host_tools.rehearsal import evaluate, world
from host_tools.rehearsal.evaluate import Outcome, Stretch
from host_tools.rehearsal.plan import FleetState, Plan
from host_tools.signing.describe import time_text


@dataclass(frozen=True)
class Finding:
    """Devices of one state that refuse a chain, or the newest state, from `at` (Unix seconds).

    clocks, retired_some: which of them: those with such clocks; with True, only devices that have
    retired a key. others: chains of the same server that they would accept then.
    """

    state: str
    server: str
    chain: str
    code: str
    at: int
    ends: int
    devices: int | None
    clocks: tuple[str, ...]
    retired_some: bool
    others: tuple[str, ...]
    is_update: bool

    @property
    def who(self) -> str:
        count = "devices" if self.devices is None else f"{self.devices:,} devices"
        with_clock = f" with clock {' or '.join(self.clocks)}" if self.clocks else ""
        retired = " that have retired a key" if self.retired_some else ""
        return f"{count} on state {self.state}{with_clock}{retired}"

    @property
    def remedy(self) -> str:
        if self.is_update:
            return REASONS[self.code][1]
        if self.others:
            return f"send chain {self.others[0]} until state {self.state} is gone."
        return REASONS[self.code][1]

    def sentence(self) -> str:
        day = _day(self.at)
        if self.is_update:
            what = f"do not take state {self.chain} from {day}"
        else:
            what = f"lose {self.server} (chain {self.chain}) from {day}"
        return f"{self.who} {what}: {self.code}: {REASONS[self.code][0]} Remedy: {self.remedy}"

    def as_json(self) -> dict[str, object]:
        return {
            "state": self.state,
            "server": None if self.is_update else self.server,
            "chain": None if self.is_update else self.chain,
            "new_state": self.chain if self.is_update else None,
            "from": time_text(self.at),
            "until": time_text(self.ends),
            "devices": self.devices,
            "clocks": list(self.clocks),
            "only_after_retirement": self.retired_some,
            "code": self.code,
            "means": REASONS[self.code][0],
            "remedy": self.remedy,
        }


def findings(plan: Plan, outcome: Outcome) -> list[Finding]:
    """One for each state, chain and code, in order of time."""
    fleet = {one.name: one for one in plan.fleet}
    groups: dict[tuple[object, ...], list[Stretch]] = {}
    for one in outcome.stretches:
        if not one.accepted:
            key = (one.state, one.server, one.chain, one.code, one.is_update)
            groups.setdefault(key, []).append(one)
    with world.signatures_once(plan.planned):
        found = [_finding(plan, fleet, group) for group in groups.values()]
    return sorted(found, key=lambda one: (one.at, one.state, one.server, one.chain, one.code))


def _finding(plan: Plan, fleet: dict[str, FleetState], group: list[Stretch]) -> Finding:
    first = min(group, key=lambda one: one.begins)
    state = fleet[first.state]
    clocks = tuple(dict.fromkeys(one.clock for one in group))
    is_all = first.is_update or set(clocks) == set(state.clocks)
    return Finding(
        first.state,
        first.server,
        first.chain,
        first.code,
        first.begins,
        max(one.ends for one in group),
        state.left_at(first.begins),
        () if is_all else clocks,
        all(one.retired for one in group),
        () if first.is_update else _others(plan, state, first),
        first.is_update,
    )


def _others(plan: Plan, state: FleetState, first: Stretch) -> tuple[str, ...]:
    """Chains of the same server that the same devices would accept at that moment."""
    return tuple(
        chain.name
        for server in plan.servers
        if server.name == first.server
        for chain in server.chains
        if chain.name != first.chain
        and evaluate.verdict_at(
            state.state, server, chain, first.clock, first.retired, first.begins
        )
        == "ok"
    )


def answer(plan: Plan, found: list[Finding]) -> str:
    """The first sentence: safe, or the earliest stranding."""
    if found:
        more = f" And {len(found) - 1} more." if len(found) > 1 else ""
        return found[0].sentence() + more
    chains = sum(len(server.chains) for server in plan.servers)
    return (
        f"Safe: no device of {len(plan.fleet)} states loses a server of {len(plan.servers)} "
        f"({chains} chains) from {_day(plan.begins)} to {_day(plan.ends)}."
    )


def _day(at: int) -> str:
    return str(time_text(at)).partition("T")[0]
