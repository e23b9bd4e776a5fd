# SPDX-License-Identifier: MIT
"""Every order of events, power cuts and failing writes, to a stated depth, on the real store.

The store runs over a file system in memory where a power cut can come before any change, and any
change can fail. From every state the search takes every event with every cut and every failure,
and compares what is then on flash with what was promised: see Ghost. States that differ in nothing
but the generation are one.

    DEPTH=4 pytest tests/host/test_model_check.py     goes deeper than the usual 3
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from scratch import key
from stand_in import Clock, Nvs, SmallStore, Verdict, asked, bundle

from tests.model.flash import Cut, Flash, on
from trustanchor.compat import sha256
from trustanchor.errors import StoreError, TrustError, UpdateError
from trustanchor.limits import BUILD_AT
from trustanchor.state import packing, record
from trustanchor.state.local import retired_entry
from trustanchor.store import install, trust_store

DEPTH = int(os.environ.get("DEPTH", "3"))
ROOT = "/trust"
PINS = ("one", "two", "three")

# Bundles the signers may ever have made, replays and a fast-forward among them.
BUNDLES = {
    "first": bundle(1, pins=PINS),
    "second": bundle(2, pins=PINS),
    "third": bundle(3, trial=1, pins=("two", "three", "four")),
    "forward": bundle(1000000, issued_at=BUILD_AT + 400000, trial=2, pins=PINS),
    "rescue": bundle(1, epoch=1, issued_at=BUILD_AT + 10, pins=("three", "one")),
    "after": bundle(2, epoch=1, issued_at=BUILD_AT + 20, trial=1, pins=("three", "one", "five")),
}
OF_DIGEST = {sha256(data): data for data in BUNDLES.values()}


class Ghost:
    """What has been promised: all that the device may never fall behind again."""

    def __init__(self) -> None:
        self.place = (0, 0)
        self.floor = 0
        self.retired: frozenset[bytes] = frozenset()
        self.named: frozenset[bytes] = frozenset()  # digests the record has
        self.gone: frozenset[bytes] = frozenset()  # digests it had: replaced or reverted

    def key(self) -> tuple[object, ...]:
        return (self.place, self.floor, self.retired, self.gone)


Event = Callable[[SmallStore], None]


def _installs(name: str) -> Event:
    def event(device: SmallStore) -> None:
        try:
            device.install(BUNDLES[name])
        except UpdateError as error:
            assert error.code in ("update.current", "update.rollback", "update.epoch_old")

    return event


def _sees(leaf: str, probes: bool = False) -> Event:
    def event(device: SmallStore) -> None:
        verdict = Verdict(device, leaf)
        pinned = verdict.pin is not None
        if pinned and not device.local.is_retired("pins", key(leaf)):
            stands = device.join(verdict, asked(device) if probes else None)
            # Confirming a trial retires what was seen in it, maybe this very leaf.
            assert stands != device.local.is_retired("pins", key(leaf))

    return event


def _disproves(device: SmallStore) -> None:
    accepted = Verdict(device, "one", state_digest=device.record.active)
    device.disprove(Verdict(device, "x", accepted=False), accepted, asked(device))


def _nothing(device: SmallStore) -> None:
    pass


EVENTS: dict[str, Event] = {
    **{f"install {name}": _installs(name) for name in BUNDLES},
    "see two": _sees("two"),
    "see three": _sees("three"),
    "probe one": _sees("one", probes=True),
    "probe three": _sees("three", probes=True),
    "disprove": _disproves,
    "restart": _nothing,
}


def booted(flash: Flash) -> SmallStore:
    device = SmallStore(Clock(BUILD_AT + 500000), ROOT, flash.nvs)
    device.load()
    return device


class Model:
    """The search; transitions and states are counted."""

    def __init__(self, nvs: bool) -> None:
        self.has_nvs = nvs
        self.transitions = 0
        self.seen: set[tuple[object, ...]] = set()

    def start(self) -> tuple[dict[str, bytes], dict[str, bytes] | None, Ghost]:
        flash = Flash({}, {} if self.has_nvs else None)
        with on(flash):
            SmallStore(Clock(), ROOT, flash.nvs).provision(BUNDLES["first"])
        ghost = Ghost()
        self.check(flash, ghost, "provision")
        return flash.files, self._kept(flash), ghost

    def run(self, depth: int) -> None:
        frontier = [(*self.start(), "")]
        for _ in range(depth):
            following = []
            for files, nvs, ghost, trail in frontier:
                for name, event in EVENTS.items():
                    for left in self.outcomes(files, nvs, event):
                        flash, how = left
                        self.transitions += 1
                        mark = self.mark(flash, ghost)
                        if mark in self.seen:
                            continue
                        self.seen.add(mark)
                        told = Ghost()
                        told.__dict__.update(ghost.__dict__)
                        path = f"{trail} > {name}{how}"
                        self.check(flash, told, path)
                        following.append((flash.files, self._kept(flash), told, path))
            frontier = following

    def outcomes(
        self, files: dict[str, bytes], nvs: dict[str, bytes] | None, event: Event
    ) -> Iterator[tuple[Flash, str]]:
        """Yield the flash after the event, with a cut before each change, or one that fails."""
        yield from self._cut(files, nvs, event)
        number = 0
        while True:
            number += 1
            flash = Flash(files, nvs)
            flash.fails_at = number
            with on(flash):
                try:
                    event(booted(flash))
                except StoreError as error:
                    assert error.code == "store.write_failed"
            if flash.changes < number:
                return
            for after in self._left(flash):
                yield after, f" (failed at {number})"

    def _cut(
        self, files: dict[str, bytes], nvs: dict[str, bytes] | None, event: Event
    ) -> Iterator[tuple[Flash, str]]:
        budget = 0
        while True:
            flash = Flash(files, nvs)
            flash.budget = budget
            finished = True
            with on(flash):
                try:
                    event(booted(flash))
                except Cut:
                    finished = False
            if finished:
                if flash.nvs is not None:
                    flash.nvs.power_cut(False)
                yield flash, ""
                return
            for after in self._left(flash):
                yield after, f" (cut at {budget})"
            budget += 1

    def _left(self, flash: Flash) -> Iterator[Flash]:
        """Yield what may be left without power: an NVS keeps or loses what was not committed."""
        for keeps in (True, False) if flash.nvs is not None and flash.nvs.waiting else (False,):
            after = Flash(flash.files, None)
            if flash.nvs is not None:
                after.nvs = Nvs()
                after.nvs.kept = dict(flash.nvs.kept)
                after.nvs.waiting = dict(flash.nvs.waiting)
                after.nvs.power_cut(keeps)
                after.nvs.operation = after.change
            yield after

    def check(self, flash: Flash, ghost: Ghost, path: str) -> None:
        """Boot a copy, compare with what was promised, promise what it shows."""
        copy = Flash(flash.files, self._kept(flash))
        with on(copy):
            try:
                device = booted(copy)
            except StoreError as error:
                pytest.fail(f"{path}: {error.code}")
            found, state, local = device.record, device.state, device.local
            place = (found.epoch, found.sequence)
            assert place >= ghost.place, path
            retired = frozenset(found.retired)
            if found.epoch == ghost.place[0]:
                assert found.floor >= ghost.floor, path
                assert retired >= ghost.retired, path
            else:
                listed = {retired_entry(pin.spki_sha256) for pin in state.pin_sets[0].pins}
                assert retired >= ghost.retired - listed, path
            assert frozenset(local.retired) == retired, path
            assert local.floor >= found.floor, path
            assert state.payload_digest in (found.active, found.trial), path
            assert (state.epoch, state.sequence) <= place, path
            assert state.payload_digest not in ghost.gone, f"{path}: came back"
            for name, data in BUNDLES.items():
                self._refuses_what_is_past(device, name, data, place, path)
        self._is_mended_by_its_present_bundle(flash, found, path)
        named = frozenset((found.active, found.trial, found.fallback))
        ghost.gone |= ghost.named - named
        ghost.named = named
        ghost.place = place
        ghost.floor = found.floor
        ghost.retired = retired

    def _refuses_what_is_past(
        self, device: SmallStore, name: str, data: bytes, place: tuple[int, int], path: str
    ) -> None:
        said = stand_in_place(data)
        if said > place:
            return
        before = device_files(device)
        with pytest.raises(TrustError):
            device.install(data)
        assert device_files(device) == before, f"{path}: {name} left a trace"

    def _is_mended_by_its_present_bundle(
        self, flash: Flash, found: record.Record, path: str
    ) -> None:
        """Slots are damaged, one and all: the bundle of the state in force brings it back."""
        present = found.trial or found.active
        slots = [path for path in flash.files if len(path) == len(ROOT) + 17]
        for lost in ([ROOT + "/" + present[:8].hex()], slots):
            copy = Flash(flash.files, self._kept(flash))
            for slot in lost:
                copy.files[slot] = b""
            with on(copy):
                # A trial that has no try left is over at a start: then it is the active one.
                for _ in range(4):
                    device = SmallStore(Clock(BUILD_AT + 500000), ROOT, copy.nvs)
                    try:
                        device.load()
                    except StoreError as error:
                        assert error.code == "store.lost", path
                    if device.state is None or not found.trial:
                        with suppress(UpdateError):  # mended already
                            device.install(OF_DIGEST[device.record.trial or device.record.active])
                again = booted(copy)
                assert again.state.payload_digest in (found.active, found.trial), path
                if not found.trial:
                    assert again.state.payload_digest == present, path
                assert frozenset(again.record.retired) >= frozenset(found.retired), path

    def _kept(self, flash: Flash) -> dict[str, bytes] | None:
        return None if flash.nvs is None else dict(flash.nvs.kept)

    def mark(self, flash: Flash, ghost: Ghost) -> tuple[object, ...]:
        """What tells two states apart: everything but generations, which only order them."""
        raw = [flash.files.get(ROOT + "/record")]
        raw.append(
            flash.nvs.kept.get("record")
            if flash.nvs is not None
            else flash.files.get(ROOT + ".2/record")
        )
        found = [None if data is None else packing.parse(data) for data in raw]
        newest = max((one.generation for one in found if one is not None), default=0)
        values = tuple(
            None
            if one is None
            else (
                one.generation == newest,
                *(getattr(one, name) for name in record.Record.FIELDS[:-1]),
            )
            for one in found
        )
        others = frozenset(name for name in flash.files if not name.endswith("record"))
        return (values, others, ghost.key())


def device_files(device: SmallStore) -> dict[str, bytes]:
    flash = trust_store.os
    assert isinstance(flash, Flash)
    # A stage that a power cut left behind is nobody's.
    return {path: data for path, data in flash.files.items() if not path.endswith("/stage")}


def stand_in_place(data: bytes) -> tuple[int, int]:
    import json

    said = json.loads(data)
    return (said["epoch"], said["sequence"])


@pytest.mark.slow
@pytest.mark.parametrize("nvs", [True, False], ids=["nvs", "two folders"])
def test_no_order_of_events_and_cuts_breaks_a_promise(
    nvs: bool, capsys: pytest.CaptureFixture
) -> None:
    model = Model(nvs)
    model.run(DEPTH)
    with capsys.disabled():
        print(f"\nmodel: depth {DEPTH}, {model.transitions} transitions, {len(model.seen)} states")
    assert model.transitions > 1000


def test_the_model_notices_a_promise_that_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that forgets what it retired when a bundle is installed."""
    commit = install._commit

    def forgets(device: SmallStore, old: record.Record, new: record.Record) -> None:
        commit(device, old, new.but(retired=()))

    monkeypatch.setattr(install, "_commit", forgets)
    with pytest.raises(AssertionError, match="see two"):
        Model(False).run(2)
