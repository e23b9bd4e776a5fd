# SPDX-License-Identifier: MIT
"""Days of margin at each switch: how long the last device that refuses a chain has been gone."""

from dataclasses import dataclass

from host_tools.rehearsal import evaluate, world
from host_tools.rehearsal.plan import FOREVER, FleetState, Plan, Sent, Server
from host_tools.signing.describe import time_text

_DAY_S = 86400


@dataclass(frozen=True)
class Margin:
    """At `at` (Unix seconds) a server begins to send a chain. state: the one that refuses it and
    is gone last, None when none does; days: since it is gone, below zero when it is not yet, None
    when it never is."""

    server: str
    chain: str
    at: int
    state: str | None
    days: int | None

    def as_json(self) -> dict[str, object]:
        return {
            "server": self.server,
            "chain": self.chain,
            "from": time_text(self.at),
            "state": self.state,
            "days": self.days,
        }


def margins(plan: Plan) -> list[Margin]:
    """One for each chain that is first sent inside the plan."""
    with world.signatures_once(plan.planned):
        return [
            _margin(plan.fleet, server, chain)
            for server in plan.servers
            for chain in server.chains
            if plan.begins < chain.begins < plan.ends
        ]


def _margin(fleet: tuple[FleetState, ...], server: Server, chain: Sent) -> Margin:
    refusing = [one for one in fleet if _refuses(one, server, chain)]
    if not refusing:
        return Margin(server.name, chain.name, chain.begins, None, None)
    last = max(refusing, key=lambda one: one.ends)
    days = None if last.ends >= FOREVER else (chain.begins - last.ends) // _DAY_S
    return Margin(server.name, chain.name, chain.begins, last.name, days)


def _refuses(one: FleetState, server: Server, chain: Sent) -> bool:
    return any(
        evaluate.verdict_at(one.state, server, chain, clock, (), chain.begins) != "ok"
        for clock in one.clocks
    )
