# SPDX-License-Identifier: MIT
"""Every order of events on a device with its real modules, compared with what was promised.

    found = Search(World(hold_s=100), EVENTS).run(depth)      # raises Broken with the trail

The store, acceptance, trials, the verdict, the ratchet and the cache are those of the device, over
bundles and certificates with real signatures. Ghost is told what happened and says what may be.

States that differ in nothing but absolute time are one: ages of hold-downs are compared, and the
clock runs nowhere near the end of a certificate or of a trial.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any

from stand_in import Clock

from tests.model.flash import Cut, Flash, on
from tests.model.world import HOST, NOW, PORT, World
from trustanchor.errors import StoreError, TrustError
from trustanchor.kinds import CLOCK_VERIFIED
from trustanchor.state import packing
from trustanchor.state.local import retired_entry
from trustanchor.state.model import Asked
from trustanchor.state.record import Record
from trustanchor.store.trust_store import Store
from trustanchor.verdict.policy import judge

ROOT = "/trust"
STEP_S = 60  # that pass in one event: less than hold_s, more than half of it
_ASKED = {"mqtt": (HOST, PORT), "any": (HOST, PORT), "web": ("web.example.net", 443)}

Prefix = tuple[str, tuple[str, ...]]  # a pin set, and its pins up to the one that was seen


class Broken(AssertionError):
    """A promise, and the events that broke it."""


class _NoLock:
    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


class Ghost:
    """What happened and what follows from it, worked out from the documents alone.

    retired   keys that were retired once, in this epoch
    since     when each pin that retires those before it was first seen in force
    due       the same, of those that are listed ever since: what they stand for must go
    paused    when an earlier pin of a set was last seen, in this start of the device
    over      hold-downs that were over before the handshake that is just being joined
    waiting   what a trial holds back
    loads     starts of the trial `loaded` since its last verdict
    """

    def __init__(self) -> None:
        self.place = (0, 0)
        self.floor = 0
        self.retired: frozenset[str] = frozenset()
        self.since: dict[Prefix, int] = {}
        self.due: dict[Prefix, int] = {}
        self.paused: dict[tuple[str, str], int] = {}
        self.over: frozenset[Prefix] = frozenset()
        self.waiting: frozenset[Prefix] = frozenset()
        self.loads = 0
        self.loaded = b""
        self.record: Any = None

    def mark(self, now: int) -> tuple[object, ...]:
        ages = [
            tuple(sorted((key, min(now - at, 1100)) for key, at in times.items()))
            for times in (self.since, self.due, self.paused)
        ]
        return (self.place, self.floor, self.retired, *ages, self.waiting, self.loads)


class Device:
    """One device: its flash, its RAM and its clock; a copy of it goes another way."""

    def __init__(self, flash: Flash, clock: Clock) -> None:
        self.flash = flash
        self.clock = clock
        self.ghost = Ghost()
        self.damaged = False  # some slot was: a start may then end in store.lost, to be mended
        self.starts()

    def starts(self) -> None:
        self.store = Store(self.clock, ROOT, self.flash.nvs)
        self.store.lock = _NoLock()  # type: ignore[assignment]  # a lock has no copy

    def copied(self) -> "Device":
        # A state is read and never changed, and so is what a clock has counted.
        return copy.deepcopy(self, {id(self.store.state): self.store.state})

    def loses(self, *digests: bytes) -> None:
        """The slots of these states are damaged."""
        for digest in digests:
            if digest:
                self.flash.files[self.store.slot(digest)] = b""
                self.damaged = True

    def loads(self) -> None:
        """A restart: RAM is gone, uptime begins anew."""
        self.clock.up_s = 0
        self.ghost.paused = {}
        self.ghost.waiting = frozenset(
            one for one in self.ghost.waiting if not self._holds(one[0])
        )
        self.starts()
        try:
            self.store.load()
        finally:
            trial = self.store.record.trial
            if trial:
                self.ghost.loads = self.ghost.loads + 1 if trial == self.ghost.loaded else 1
                self.ghost.loaded = trial

    def _holds(self, name: str) -> int:
        # Every set of a world has the same hold-down; one that is gone needs none.
        for pin_set in self.store.state.pin_sets if self.store.state is not None else ():
            if pin_set.name == name:
                return pin_set.hold_s
        return 1


Event = Callable[["Search", Device], Iterator[tuple[Device, str]]]


def sees(service: str, leaf: str) -> Event:
    def event(search: "Search", device: Device) -> Iterator[tuple[Device, str]]:
        search.handshake(device, service, leaf)
        yield device, ""

    return event


def installs(name: str, cuts: bool = False, cancels: bool = False, meets: str = "") -> Event:
    """An update; with it cut at every change, given up at every slice, or met by a handshake."""

    def event(search: "Search", device: Device) -> Iterator[tuple[Device, str]]:
        data = search.world.bundles[name]
        number = 0
        while cancels or meets:
            one = device.copied()
            with on(one.flash):
                if not search.gives_up(one, data, number, meets):
                    break
            if meets:
                yield one, f" (meets {meets} at {number})"
            else:
                yield one, f" (given up at {number})"
            number += 1
        budget = 0
        while cuts:
            one = device.copied()
            one.flash.budget = one.flash.changes + budget
            with on(one.flash):
                try:
                    search.install(one, data)
                    break
                except Cut:
                    one.flash.budget = -1
                    if one.flash.nvs is not None:
                        one.flash.nvs.power_cut(False)
                    search.restart(one)
            yield one, f" (cut at {budget})"
            budget += 1
        search.install(device, data)
        yield device, ""

    return event


def passes(search: "Search", device: Device) -> Iterator[tuple[Device, str]]:
    device.clock.passes(STEP_S)
    device.store.tick()
    yield device, ""


def restarts(search: "Search", device: Device) -> Iterator[tuple[Device, str]]:
    search.restart(device)
    yield device, ""


def loses_slots(search: "Search", device: Device) -> Iterator[tuple[Device, str]]:
    """The slots are emptied, the device starts, and is given the bundle its record names."""
    device.loses(device.store.record.active, device.store.record.trial)
    search.mend(device)
    yield device, ""


EVENTS: dict[str, Event] = {
    **{
        f"{service} sees {leaf}": sees(service, leaf)
        for service in ("mqtt", "any", "web")
        for leaf in ("one", "two", "new")
    },
    "install same": installs("same", cuts=True),
    "install new": installs("new"),
    "install renamed": installs("renamed", cancels=True),
    "install trial": installs("trial", cuts=True),
    "install back": installs("back", meets="two"),
    "install rescue": installs("rescue"),
    "a minute passes": passes,
    "restart": restarts,
    "slots are lost": loses_slots,
}


class Search:
    """The search over one world; transitions and states are counted."""

    def __init__(self, world: World, events: dict[str, Event], nvs: bool = False) -> None:
        self.world = world
        self.events = events
        self.has_nvs = nvs
        self.transitions = 0
        self.seen: set[object] = set()
        self._mended: set[object] = set()

    def start(self) -> Device:
        flash = Flash({}, {} if self.has_nvs else None)
        with on(flash):
            clock = Clock(NOW, CLOCK_VERIFIED)
            device = Device(flash, clock)
            device.store.provision(self.world.bundles["first"])
            device.loads()
            self.check(device, "provision")
        return device

    def run(self, depth: int) -> None:
        frontier = [(self.start(), "")]
        for _ in range(depth):
            following = []
            for device, trail in frontier:
                for name, event in self.events.items():
                    path = f"{trail} > {name}"
                    for after, how in self._after(device, event, path):
                        self.transitions += 1
                        with on(after.flash):
                            self.check(after, path + how)
                            mark = self.mark(after)
                            if mark in self.seen:
                                continue
                            self.seen.add(mark)
                            self.is_mendable(after, path + how)
                        following.append((after, path + how))
            frontier = following

    def _after(self, device: Device, event: Event, path: str) -> Iterator[tuple[Device, str]]:
        one = device.copied()
        steps = event(self, one)
        while True:
            with on(one.flash):
                try:
                    found = next(steps)
                except StopIteration:
                    return
                except (Broken, TrustError) as broken:
                    raise Broken(f"{path}: {broken}") from broken
            yield found

    # Events.

    def handshake(self, device: Device, name: str, leaf: str) -> None:
        """A connection as client.py makes it: judge, complete, join, and judge anew."""
        store = device.store
        for _ in range(3):
            host, port = _ASKED[name]
            asked = Asked(store.state.find_service(name, host, port), host, port)
            chain = self.world.chain(leaf)
            verdict = judge(chain, asked, device.clock.now(), store.state, store.local)
            store.judged()
            if store.record.trial:
                device.ghost.loads = 0
            if not verdict.accepted:
                self._evidence(device, verdict, chain, asked)
                return
            pinned = asked.service.pin_set is not None
            if pinned and leaf in device.ghost.retired:
                raise Broken(f"{leaf} is retired and {name} accepts it")
            in_trial = bool(store.record.trial)
            # What is over goes before what this handshake pauses.
            device.ghost.over = frozenset(
                prefix
                for prefix, at in device.ghost.since.items()
                if self._is_over(device, prefix, at)
            )
            stands = store.join(verdict, asked)
            if pinned:
                self._seen(device, asked.service.pin_set, leaf, in_trial)
            self._check(device)
            if stands:
                return
        raise Broken("no verdict stands")

    def _evidence(self, device: Device, refused: Any, chain: Any, asked: Asked) -> None:
        store = device.store
        before = store.previous(asked)
        if before is None:
            return
        again = Asked(before.find_service(None, asked.host, asked.port), asked.host, asked.port)
        accepted = judge(chain, again, device.clock.now(), before, store.local)
        if accepted.accepted and store.disprove(refused, accepted, asked):
            self._moved(device, "disproved")

    def _seen(self, device: Device, name: str, leaf: str, in_trial: bool) -> None:
        """Tell the ghost of a completed handshake that was accepted by a live pin."""
        ghost = device.ghost
        now = device.clock.unix_s
        state = device.store.state
        pin_set = state.pin_set(name)
        if pin_set is None:
            return
        pins = [self.world.name_of[pin.spki_sha256] for pin in pin_set.pins]
        at = pins.index(leaf)
        ghost.paused[name, leaf] = now
        if not pin_set.pins[at].is_backup:
            return
        prefix = (name, tuple(pins[: at + 1]))
        if in_trial:
            ghost.waiting |= {prefix}
        if not device.store.record.trial:
            ghost.since.setdefault(prefix, now)
            ghost.due.setdefault(prefix, now)

    def install(self, device: Device, data: bytes) -> None:
        try:
            device.store.install(data)
        except TrustError as error:
            codes = ("update.current", "update.rollback", "update.epoch_old", "update.epoch_gap")
            if error.code not in codes:
                raise Broken(f"{error.code} {error.detail}") from None

    def gives_up(self, device: Device, data: bytes, number: int, meets: str) -> bool:
        """Abandon an update after some slices, as MicroPython does: without `finally`.

        False: it had ended before. With meets it is not abandoned: a server shows that key.
        """
        store = device.store
        before = packing.pack(store.record)
        undisturbed = device.copied() if meets else None
        steps = store.installing(data)
        try:
            for _ in range(number + 1):
                next(steps)
        except (StopIteration, TrustError):
            return False
        if packing.pack(store.record) != before or store.state is None:
            raise Broken(f"an update that was given up at {number} has left half a state")
        self.handshake(device, "mqtt", meets or "one")
        if meets:
            try:
                for _ in steps:
                    pass
            except TrustError as error:
                # It is no fault of the handshake where the bundle is refused without it too.
                if undisturbed is None or error.code != self.refusal(undisturbed, data):
                    raise Broken(f"{error.code} {error.detail} after a handshake") from None
            return True
        kept = steps  # nothing closes it
        self.install(device, data)  # which refuses with nothing that being busy is
        try:
            next(kept)
            raise Broken("an update that was given up goes on")
        except (StopIteration, StoreError):
            return True

    def refusal(self, device: Device, data: bytes) -> str | None:
        with on(device.flash):
            try:
                device.store.install(data)
            except TrustError as error:
                return error.code
        return None

    def restart(self, device: Device) -> None:
        if device.damaged:
            self.mend(device)
        else:
            device.loads()

    def mend(self, device: Device) -> None:
        """Start with damaged slots, then bring the bundle of the state in force."""
        found = device.store.record
        want = found.trial or found.active
        try:
            device.loads()
        except StoreError as error:
            if error.code != "store.lost":
                raise Broken(error.code) from None
        record = device.store.record
        if device.store.state is None or device.store.state.payload_digest != (
            record.trial or record.active
        ):
            self.install(device, self.world.of_digest[record.trial or record.active])
        state = device.store.state
        if state is None:
            raise Broken("its present bundle does not mend it")
        if not found.trial and state.payload_digest != want:
            raise Broken("its present bundle is taken, and another state is in force")
        if device.store.local is None or device.store.local.retired != device.store.record.retired:
            raise Broken("what was retired is lost with a slot")

    # Promises.

    def is_mendable(self, device: Device, path: str) -> None:
        mark = self._flash_mark(device)
        if mark in self._mended:
            return
        self._mended.add(mark)
        record = device.store.record
        for lost in ((record.active,), (record.trial or record.active, record.active)):
            one = device.copied()
            one.loses(*lost)
            with on(one.flash):
                try:
                    self.mend(one)
                except (Broken, TrustError) as broken:
                    raise Broken(f"{path}, slots lost: {broken}") from broken

    def check(self, device: Device, path: str) -> None:
        try:
            self._check(device, path.endswith("a minute passes"))
            if device.store._steps is not None:
                raise Broken("an update that is over keeps the store busy")
        except Broken as broken:
            raise Broken(f"{path}: {broken}") from None

    def _check(self, device: Device, ticked: bool = False) -> None:
        store, ghost = device.store, device.ghost
        self._moved(device, "")
        if store.state is None or store.local is None:
            raise Broken("no state")
        record = store.record
        if store.state.payload_digest != (record.trial or record.active):
            raise Broken("another state than the record names")
        listed = self._listed(store.state)
        retired = self._retired(device)
        for key in retired - ghost.retired:
            if not any(
                prefix in listed
                and key in prefix[1][:-1]
                and (prefix in ghost.over or self._is_over(device, prefix, at))
                for prefix, at in ghost.since.items()
            ):
                raise Broken(f"{key} is retired, and nothing says so")
        for pin_set in store.state.pin_sets:
            for pin in pin_set.pins:
                key = self.world.name_of[pin.spki_sha256]
                is_retired = store.local.is_retired(pin_set.name, pin.spki_sha256)
                if key in ghost.retired | retired and not is_retired:
                    raise Broken(f"{key} is alive in {pin_set.name}")
        ghost.retired = frozenset(retired)
        ghost.over = frozenset()
        if record.trial:
            return
        for prefix, at in ghost.due.items():
            # A hold-down ends when somebody looks: here, in the minute that passes.
            if self.world.hold_s and not (ticked and self._is_over(device, prefix, at)):
                continue
            if prefix[1][-1] not in ghost.retired and set(prefix[1][:-1]) - ghost.retired:
                raise Broken(f"{prefix[1][-1]} was seen, and what goes before it is alive")

    def _is_over(self, device: Device, prefix: Prefix, at: int) -> bool:
        hold_s, now = self.world.hold_s, device.clock.unix_s
        if not hold_s:
            return True
        seen = [device.ghost.paused.get((prefix[0], pin), 0) for pin in prefix[1][:-1]]
        return now - max(at, *seen) >= hold_s or now - at >= 10 * hold_s

    def _retired(self, device: Device) -> set[str]:
        """The keys that some pin set of the state in force counts as retired."""
        local = device.store.local
        listed = {
            (pin_set.name, pin.spki_sha256)
            for pin_set in device.store.state.pin_sets
            for pin in pin_set.pins
        }
        found = {self.world.name_of[key] for name, key in listed if local.is_retired(name, key)}
        return found | device.ghost.retired - {self.world.name_of[key] for _, key in listed}

    def _listed(self, state: Any) -> set[Prefix]:
        found: set[Prefix] = set()
        for pin_set in state.pin_sets:
            pins = tuple(self.world.name_of[pin.spki_sha256] for pin in pin_set.pins)
            found |= {(pin_set.name, pins[:end]) for end in range(2, len(pins) + 1)}
        return found

    def _moved(self, device: Device, how: str) -> None:
        """Follow the record: position, floor, trial and epoch."""
        ghost, new = device.ghost, device.store.record
        was: Record | None = ghost.record
        if was is None:
            ghost.record = was = new
            ghost.place, ghost.floor = (new.epoch, new.sequence), new.floor
        if (new.epoch, new.sequence) < ghost.place:
            raise Broken("the position fell")
        if new.epoch == was.epoch and new.floor < ghost.floor:
            raise Broken("the floor fell")
        is_other = (new.epoch, new.sequence) != ghost.place
        if was.trial and not new.trial:
            if new.active == was.trial:
                for prefix in ghost.waiting:
                    ghost.since.setdefault(prefix, device.clock.unix_s)
                    ghost.due.setdefault(prefix, device.clock.unix_s)
            elif not is_other and how != "disproved" and self._loads(device, was):
                tries = 2
                if ghost.loads < tries:
                    raise Broken("a trial ended by itself")
            ghost.waiting = frozenset()
        if is_other:
            ghost.waiting = frozenset()
        if new.epoch != was.epoch:
            ghost.retired = frozenset(
                key
                for key in ghost.retired
                if retired_entry(self.world.digest[key]) in new.retired
            )
            ghost.since, ghost.due, ghost.paused = {}, {}, {}
        if device.store.state is not None:
            listed = self._listed(device.store.state)
            ghost.due = {prefix: at for prefix, at in ghost.due.items() if prefix in listed}
        ghost.place = (new.epoch, new.sequence)
        ghost.floor = new.floor
        ghost.record = new

    def _loads(self, device: Device, was: Record) -> bool:
        """True while the slot of the trial that ended is there, or was tidied away by its end."""
        path = device.store.slot(was.trial)
        return device.flash.files.get(path, b"whole") != b""

    # What tells two states apart.

    def _flash_mark(self, device: Device) -> object:
        record = device.store.record
        values = tuple(
            getattr(record, name)
            for name in Record.FIELDS
            if name not in ("generation", "holds", "trial_at")
        )
        slots = frozenset(name for name in device.flash.files if len(name) == len(ROOT) + 17)
        return (values, slots)

    def mark(self, device: Device) -> object:
        local, now = device.store.local, device.clock.unix_s
        up_s = device.clock.up_s
        holds = tuple(
            sorted(
                (hold[0], min(now - hold[1], 1100), min(now - hold[3], 1100))
                for hold in local.hold_downs
            )
        )
        memory = local.memory
        paths: object = None
        if memory is not None:
            index = memory._index
            kept = frozenset(bytes(index[row : row + 9]) for row in range(0, len(index), 14))
            paths = (
                kept,
                frozenset((kind, body[:8]) for kind, body in memory._pending),
                up_s >= memory._due_at,
            )
        return (
            self._flash_mark(device),
            local.retired,
            local.held,
            holds,
            tuple(local.seen_in_trial),
            local.bound,
            paths,
            tuple(sorted(device.store._probed)),
            device.ghost.mark(now),
        )
