# SPDX-License-Identifier: MIT
"""A plan as people write it: which states devices have, which chains servers will send, and when.

    until = 2031-01-01                  # the rehearsal goes from `from` (now) to here
    [[state]]
    name = "7"
    bundle = "7.bundle"
    devices = 1240                      # optional
    from = 2026-01-01                   # the first device has it; `from` of the plan if left out
    until = 2027-03-01                  # the last device has left it; never if left out
    leaving = "linear"                  # evenly from `leaving_from` on; "delayed": all at the end
    clocks = ["known", "floor", "unset"]
    retired = ["old.pub"]               # keys that some of them have retired
    [[server]]
    name = "api"
    host = "api.example.com"
    port = 443
    [[server.chain]]
    name = "old"
    certificates = ["leaf.pem", "intermediate.pem"]
    until = 2027-03-01
    [[server.chain]]
    name = "new"
    from = 2027-02-01                   # an overlap: any of the two may be sent
    [server.chain.planned]              # a leaf that nobody has issued yet
    key = "new.pub"
    issuer = ["intermediate.pem"]
    not_before = 2027-01-15
    not_after = 2027-04-15

Times are Unix seconds; every span begins with its `from` and ends before its `until`. States are
listed in the order in which devices get them.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host_tools.cli.errors import HostError
from host_tools.cli.output import printable
from host_tools.ops import states
from host_tools.rehearsal import world
from host_tools.signing import description, draft
from host_tools.signing.describe import time_text

# What the clock of a device may be: set; lost, with a bound that accepted leaves have raised as
# far as they can; lost, with nothing but the state's own date.
CLOCKS = ("known", "verified", "floor", "unset")
USUAL_CLOCKS = ("known", "floor", "unset")
# The end of what has none: the last second of the year 9999.
FOREVER = 253402300799


@dataclass(frozen=True)
class FleetState:
    """A state that devices have in [begins, ends). content is the bundle, b"" for a literal one.

    retired: SPKI SHA-256 of keys that some devices have retired.
    """

    name: str
    state: Any
    content: bytes
    begins: int
    ends: int
    devices: int | None = None
    leaving_from: int | None = None
    clocks: tuple[str, ...] = ("known",)
    retired: tuple[bytes, ...] = ()

    def left_at(self, at: int) -> int | None:
        """How many devices still have the state, as the plan spreads them."""
        if self.devices is None or self.leaving_from is None or at <= self.leaving_from:
            return self.devices
        span = self.ends - self.leaving_from
        return max(0, -(-self.devices * (self.ends - at) // span)) if span > 0 else 0


@dataclass(frozen=True)
class Sent:
    """A chain that a server sends in [begins, ends)."""

    name: str
    certificates: tuple[bytes, ...]
    begins: int
    ends: int


@dataclass(frozen=True)
class Server:
    name: str
    host: str
    port: int | None
    chains: tuple[Sent, ...]


@dataclass(frozen=True)
class Plan:
    """planned: what stands for the signed part of leaves that nobody has issued yet."""

    begins: int
    ends: int
    fleet: tuple[FleetState, ...]
    servers: tuple[Server, ...]
    planned: frozenset[bytes] = frozenset()


def load(path: Path, now: int | None = None) -> Plan:
    """Read a plan; refuses with toml.* for its form, plan.* for what makes no sense."""
    top = description.read_table(path)
    begins = top.seconds("from", int(time.time()) if now is None else now)
    ends = top.seconds("until")
    if begins is None or ends is None:
        raise top.refuse("until is missing: the day on which the rehearsal ends.")
    if not 0 <= begins < ends < FOREVER:
        raise top.refuse("until is not behind from.")
    fleet = tuple(_state(table, begins) for table in top.tables("state"))
    planned: set[bytes] = set()
    servers = tuple(_server(table, begins, ends, planned) for table in top.tables("server"))
    top.finish()
    if not fleet or not servers:
        raise top.refuse("a plan has at least one [[state]] and one [[server]].")
    for what, names in (
        ("state", [one.name for one in fleet]),
        ("server", [one.name for one in servers]),
    ):
        if len(set(names)) != len(names):
            raise top.refuse(f"two [[{what}]] have one name.")
    return Plan(begins, ends, fleet, servers, frozenset(planned))


def _span(table: description.Table, default: int) -> tuple[int, int]:
    begins = table.seconds("from", default)
    ends = table.seconds("until")
    if begins is None or ends is None:
        return begins or default, FOREVER
    if ends <= begins:
        raise table.refuse("until is not behind from.")
    return begins, ends


def _state(table: description.Table, start: int) -> FleetState:
    file = table.file(table.take("bundle", str))
    name = printable(table.take("name", str, file.stem))
    begins, ends = _span(table, start)
    devices = table.take("devices", int, None)
    if devices is not None and devices < 0:
        raise table.refuse("devices is a count.")
    leaving = table.choice("leaving", {"linear": 0, "delayed": 1, "never": 2}, "delayed")
    leaving_from = table.seconds("leaving_from", begins)
    if leaving == 2 and ends != FOREVER:
        raise table.refuse('leaving = "never" has no until.')
    if leaving == 0 and ends == FOREVER:
        raise table.refuse('leaving = "linear" needs until, the day the last device has left.')
    clocks = table.texts("clocks", list(USUAL_CLOCKS))
    unknown = [clock for clock in clocks if clock not in CLOCKS]
    if unknown or not clocks:
        wrong = printable(unknown[0]) if unknown else "empty"
        raise table.refuse(f"clocks: {wrong}; it lists some of {', '.join(CLOCKS)}.")
    retired = [
        digest
        for named in table.texts("retired", [])
        for digest in description.key_digests(table, named)
    ]
    loaded = states.load(file)
    table.finish()
    return FleetState(
        name,
        loaded.state,
        draft.read_bundle(file),
        begins,
        ends,
        devices,
        leaving_from if leaving == 0 else None,
        tuple(dict.fromkeys(clocks)),
        tuple(retired),
    )


def _server(table: description.Table, begins: int, ends: int, planned: set[bytes]) -> Server:
    host = table.take("host", str)
    name = printable(table.take("name", str, host))
    port = table.take("port", int, 443)
    chains = tuple(
        _chain(one, host, begins, number, planned)
        for number, one in enumerate(table.tables("chain"), 1)
    )
    table.finish()
    if len({chain.name for chain in chains}) != len(chains):
        raise table.refuse("two chains have one name.")
    reached = begins
    for chain in sorted(chains, key=lambda one: one.begins):
        if chain.begins > reached:
            break
        reached = max(reached, chain.ends)
    if reached < ends:
        raise HostError(
            f"{table.path}, [{table.where}]: no chain from {time_text(reached)}: say what the "
            "server sends then, or end the plan there.",
            "plan.gap",
        )
    return Server(name, host, port, chains)


def _chain(
    table: description.Table, host: str, start: int, number: int, planned: set[bytes]
) -> Sent:
    name = printable(table.take("name", str, str(number)))
    begins, ends = _span(table, start)
    files = table.texts("certificates", None)
    leaf = table.table("planned")
    if (files is None) == (leaf is None):
        raise table.refuse("a chain has certificates, or else [server.chain.planned].")
    if leaf is None:
        found = [der for file in files for der in description.certificates(table, file)]
    else:
        found = [
            der for file in leaf.texts("issuer") for der in description.certificates(leaf, file)
        ]
        first, last = leaf.seconds("not_before", begins), leaf.seconds("not_after")
        if first is None or last is None or last <= first:
            raise leaf.refuse("not_after is missing, or not behind not_before.")
        key = leaf.file(leaf.take("key", str))
        hosts = leaf.texts("hosts", [host])
        leaf.finish()
        if not found:
            raise leaf.refuse("issuer names the certificates behind the leaf, its issuer first.")
        made, signed = world.planned_leaf(key, found[0], hosts, first, last)
        planned.add(signed)
        found.insert(0, made)
    table.finish()
    if not found:
        raise table.refuse("certificates is empty.")
    return Sent(name, tuple(found), begins, ends)
