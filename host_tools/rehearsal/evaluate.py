# SPDX-License-Identifier: MIT
"""Who verifies, who is stranded, from when and why: the device's own judge() and accept().

    rows = evaluate(plan)        # one Stretch for each span with one verdict

Nothing changes but at a change point: a date in a chain or in a state, a chain that comes or goes,
devices that get a state or have left it. So judge() is asked there, and the answer holds until the
next. What devices learn is followed as well: a device that has seen a backup key has retired the
keys before it (the device's own ratchet), and carries that into every later state it accepts.

Every device may meet every chain of every server at any moment, so what is called safe
is safe for each of them; what is called stranding may concern few.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from host_tools.cli.errors import HostError
from host_tools.ops import margin
from host_tools.rehearsal import world
from host_tools.rehearsal.plan import FleetState, Plan, Sent, Server
from host_tools.signing import draft
from trustanchor.encoding.cbor import BytesSource
from trustanchor.errors import TrustError
from trustanchor.kinds import CLOCK_KNOWN, CLOCK_UNKNOWN, CLOCK_VERIFIED
from trustanchor.limits import BOUND_AHEAD_S, ISSUED_AHEAD_S
from trustanchor.state.local import LocalState, retired_entry
from trustanchor.state.model import Asked
from trustanchor.store import learning
from trustanchor.update import acceptance, bundle, prefix
from trustanchor.verdict.policy import judge

Retired = tuple[bytes, ...]

# Sets of retired keys that are followed in one state: a plan needs two or three; where all servers
# may show all backup keys at once it is a power of two.
VARIANTS = 4096


@dataclass(frozen=True)
class Stretch:
    """One verdict over [begins, ends): server and chain are names; is_update: not a verdict over
    a chain, but a later state (chain) that a device takes or refuses."""

    state: str
    server: str
    chain: str
    clock: str
    retired: Retired
    code: str
    begins: int
    ends: int
    is_update: bool = False

    @property
    def accepted(self) -> bool:
        return self.code == "ok"


@dataclass(frozen=True)
class Outcome:
    stretches: tuple[Stretch, ...]
    moments: int  # change points
    verdicts: int  # how often judge() was asked


def evaluate(plan: Plan) -> Outcome:
    with world.signatures_once(plan.planned):
        return _Evaluation(plan).run()


def asked_at(state: Any, clock: str, at: int) -> tuple[tuple[int, int], int]:
    """Return what judge() is told of the time, and the bound in RAM, of a device at `at`."""
    if clock == "known":
        return (at, CLOCK_KNOWN), state.issued_at
    if clock == "verified":
        return (at, CLOCK_VERIFIED), state.issued_at
    if clock == "unset":
        return (0, CLOCK_UNKNOWN), state.issued_at
    highest = learning.raised_bound(state.issued_at, at, state.issued_at)
    return (0, CLOCK_UNKNOWN), highest


def verdict_at(
    state: Any, server: Server, chain: Sent, clock: str, retired: Retired, at: int
) -> str:
    """The code of one verdict at `at`."""
    return _ask(state, server, chain, *asked_at(state, clock, at), retired)[0]


class _Evaluation:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.dates: dict[tuple[int, int], list[int]] = {}
        self.answers: dict[tuple[Any, ...], tuple[str, Retired]] = {}
        self.updates: dict[tuple[Any, ...], tuple[str, Retired]] = {}
        self.open: dict[tuple[Any, ...], Stretch] = {}
        self.done: list[Stretch] = []
        self.variants: list[dict[Retired, None]] = [
            dict.fromkeys(_declared(one)) for one in plan.fleet
        ]

        # The entries a state can ask about, and those that it or a later one can.
        self.entries = [_entries(one) for one in plan.fleet]
        self.matters = [set().union(*self.entries[number:]) for number in range(len(self.entries))]
        self.carried: dict[tuple[int, int], int] = {}
        # For each state the earlier ones with something that may still be carried into it.
        self.due = [set(range(number)) for number in range(len(plan.fleet))]

    def run(self) -> Outcome:
        moments = self._moments()
        for at in moments:
            seen: set[tuple[Any, ...]] = set()
            known = -1
            while known != (known := sum(map(len, self.variants))):
                self._carry(at)
                for number, one in enumerate(self.plan.fleet):
                    if one.begins <= at < one.ends:
                        self._meet(number, one, at, seen)
            self._newest(at, seen)
            self._close(at, seen)
        self._close(self.plan.ends, set())
        order = sorted(self.done, key=lambda one: (one.begins, one.state, one.server, one.chain))
        return Outcome(tuple(order), len(moments), len(self.answers))

    def _moments(self) -> list[int]:
        found = {self.plan.begins}
        for one in self.plan.fleet:
            found |= {one.begins, one.ends}
            found.add(max(0, one.state.issued_at - ISSUED_AHEAD_S))
            if one.state.expires_at is not None:
                found.add(one.state.expires_at + 1)
        for server in self.plan.servers:
            for chain in server.chains:
                found |= {chain.begins, chain.ends}
                for number in range(len(self.plan.fleet)):
                    found |= set(self._dates(number, chain))
        return sorted(at for at in found if self.plan.begins <= at < self.plan.ends)

    def _dates(self, number: int, chain: Sent) -> list[int]:
        key = (number, id(chain))
        if key not in self.dates:
            state = self.plan.fleet[number].state
            ahead = state.issued_at + BOUND_AHEAD_S
            points = {state.issued_at, ahead, *margin.dates_of(state, chain.certificates)}
            self.dates[key] = sorted(points)
        return self.dates[key]

    def _meet(self, number: int, one: FleetState, at: int, seen: set[tuple[Any, ...]]) -> None:
        """Every chain of the moment, until nothing new is retired by what is seen."""
        asked: set[Retired] = set()
        known = -1
        while known != (known := len(self.variants[number])):
            # Only a state's own pins play a part in its verdicts.
            own = self.entries[number]
            groups: dict[Retired, list[Retired]] = {}
            for retired in self.variants[number]:
                groups.setdefault(tuple(e for e in retired if e in own), []).append(retired)
            for retired in [one for one in groups if one not in asked]:
                asked.add(retired)
                for then in self._meet_as(number, one, retired, at, seen):
                    for whole in groups[retired]:
                        self._add(number, tuple(sorted({*whole, *then})))

    def _meet_as(
        self, number: int, one: FleetState, retired: Retired, at: int, seen: set[tuple[Any, ...]]
    ) -> set[Retired]:
        """What devices that have retired these say to every chain; returns what they retire."""
        found = set()
        for server in self.plan.servers:
            for chain in server.chains:
                if chain.begins <= at < chain.ends:
                    for clock in one.clocks:
                        code, then = self._verdict(number, server, chain, clock, retired, at)
                        key = (one.name, server.name, chain.name, clock, retired, False)
                        self._note(key, code, at, seen)
                        found.add(then)
        return found

    def _add(self, number: int, retired: Retired) -> None:
        variants = self.variants[number]
        if retired not in variants:
            if len(variants) >= VARIANTS:
                raise HostError(
                    f"state {self.plan.fleet[number].name}: more than {VARIANTS} sets of retired "
                    "keys are possible; rehearse fewer states or servers at a time.",
                    "plan.too_many_retired",
                )
            variants[retired] = None
            for later in range(number + 1, len(self.due)):
                self.due[later].add(number)

    def _verdict(
        self, number: int, server: Server, chain: Sent, clock: str, retired: Retired, at: int
    ) -> tuple[str, Retired]:
        state = self.plan.fleet[number].state
        told, bound = asked_at(state, clock, at)
        place = bisect_right(self._dates(number, chain), at if told[1] else bound)
        key = (number, id(server), id(chain), clock, retired, place)
        if key not in self.answers:
            self.answers[key] = _ask(state, server, chain, told, bound, retired)
        return self.answers[key]

    def _carry(self, at: int) -> None:
        """Devices go on to every later state that is out, with what they have retired."""
        fleet = self.plan.fleet
        for number, later in enumerate(fleet):
            if not later.begins <= at < later.ends:
                continue
            for earlier in sorted(self.due[number]):
                if fleet[earlier].begins > at:
                    continue
                held = list(self.variants[earlier])
                # They are only ever added to: those that all were carried have been.
                done = self.carried.get((earlier, number), 0)
                codes = {self._pass_on(earlier, number, one, at) for one in held[done:]}
                if codes <= {"ok"}:
                    self.carried[earlier, number] = len(held)
                    self.due[number].discard(earlier)

    def _pass_on(self, earlier: int, number: int, retired: Retired, at: int) -> str:
        # A device that does not know the time takes states that others wait for, or find expired.
        for clock in ("unset", "verified"):
            code, then = self._update(earlier, number, retired, clock, at)
            if code == "ok":
                self._add(number, tuple(e for e in then if e in self.matters[number]))
                break
        return code

    def _newest(self, at: int, seen: set[tuple[Any, ...]]) -> None:
        """What devices say to the newest state that is out: the one that carriers offer."""
        out = [number for number, one in enumerate(self.plan.fleet) if one.begins <= at < one.ends]
        for number in out[:-1]:
            codes = {
                self._update(number, out[-1], retired, "verified", at)[0]
                for retired in self.variants[number]
            }
            refused = sorted(codes - {"ok"})
            one, other = self.plan.fleet[number], self.plan.fleet[out[-1]]
            key = (one.name, "", other.name, "verified", (), True)
            self._note(key, refused[0] if refused else "ok", at, seen)

    def _update(
        self, earlier: int, later: int, retired: Retired, clock: str, at: int
    ) -> tuple[str, Retired]:
        one, other = self.plan.fleet[earlier], self.plan.fleet[later]
        expires_at = other.state.expires_at
        over = expires_at is not None and at > expires_at
        key = (earlier, later, retired, clock, over, _is_ahead(other, at))
        if key not in self.updates:
            told = (0, CLOCK_UNKNOWN) if clock == "unset" else (at, CLOCK_VERIFIED)
            self.updates[key] = _take(one, other, retired, told)
        return self.updates[key]

    def _note(self, key: tuple[Any, ...], code: str, at: int, seen: set[tuple[Any, ...]]) -> None:
        seen.add(key)
        running = self.open.get(key)
        if running is not None and running.code == code:
            return
        if running is not None:
            self.done.append(_ended(running, at))
        state, server, chain, clock, retired, is_update = key
        self.open[key] = Stretch(
            state, server, chain, clock, retired, code, at, self.plan.ends, is_update
        )

    def _close(self, at: int, seen: set[tuple[Any, ...]]) -> None:
        for key in [key for key in self.open if key not in seen]:
            self.done.append(_ended(self.open.pop(key), at))


def _entries(one: FleetState) -> set[bytes]:
    pins = [pin for pin_set in one.state.pin_sets for pin in pin_set.pins]
    return {retired_entry(bytes(pin.spki_sha256)) for pin in pins}


def _is_ahead(one: FleetState, at: int) -> bool:
    """True while a device whose clock is right will not take the state yet."""
    return one.state.issued_at > at + ISSUED_AHEAD_S


def _declared(one: FleetState) -> Iterator[Retired]:
    yield ()
    if one.retired:
        yield tuple(sorted(retired_entry(digest) for digest in one.retired))


def _ask(
    state: Any,
    server: Server,
    chain: Sent,
    told: tuple[int, int],
    bound: int,
    retired: Retired,
) -> tuple[str, Retired]:
    """Return (code, what the device has retired once a handshake has completed)."""
    try:
        service = state.find_service(host=server.host, port=server.port)
    except TrustError as error:
        return error.code, retired
    local = LocalState(floor=state.issued_at, retired=retired)
    local.bound = bound
    asked = Asked(service, server.host, server.port)
    verdict = judge(list(chain.certificates), asked, told, state, local)
    if verdict.accepted:
        learning.join(local, verdict, state, told[0])
        # A hold-down ends some day: what it will retire counts as retired.
        for hold in local.hold_downs:
            hold[1] = hold[3] = 0
            hold[2] = hold[4] = None
        learning.end_holds(local, state, told[0])
    return verdict.code, tuple(local.retired)


def _take(
    one: FleetState, other: FleetState, retired: Retired, told: tuple[int, int]
) -> tuple[str, Retired]:
    """Return (code, what is retired in the other state) of an update, by the device's accept()."""
    if not one.content or not other.content:
        return "ok", retired
    source = BytesSource(other.content)
    first: Any = prefix.Prefix(source)
    device = draft.Device((first.products or [None])[0], (first.devices or [None])[0])
    record = draft.record_of(one.content).but(retired=retired)
    loaded: list[Any] = [bundle.parse(BytesSource(one.content))]
    try:
        new = acceptance.accept(record, loaded, source, told, device)[0]
    except TrustError as error:
        return error.code, retired
    return "ok", tuple(new.retired)


def _ended(one: Stretch, at: int) -> Stretch:
    return replace(one, ends=at)
