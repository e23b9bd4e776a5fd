# SPDX-License-Identifier: MIT
"""Every order of events on the device's real modules, to a depth: tests/model/search.py.

    DEPTH=4 pytest tests/host/test_model_device.py     goes deeper than the usual 3

A model check that finds nothing may be one that looks at nothing: below, fixes are taken out one
by one, and each time it must find the attack that the fix was made against.
"""

import os
import sys
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from tests.model.search import EVENTS, Broken, Event, Search
from tests.model.world import World, remembered_signatures
from trustanchor.errors import StoreError
from trustanchor.state import local
from trustanchor.state.model import Asked, Service
from trustanchor.store import install, joining, ratchet, trust_store
from trustanchor.update import admit, trial
from trustanchor.verdict import mode_path

DEPTH = int(os.environ.get("DEPTH", "3"))
DAY = ("mqtt sees one", "mqtt sees two", "mqtt sees new", "install new", "a minute passes")


@pytest.fixture(autouse=True, scope="module")
def signatures() -> Iterator[None]:
    with remembered_signatures():
        yield


def chosen(*names: str) -> dict[str, Event]:
    return {name: EVENTS[name] for name in names}


def finds(hold_s: int, what: str, depth: int, *names: str) -> None:
    Search(World(hold_s), chosen(*names)).run(0)
    with pytest.raises(Broken, match=what):
        Search(World(hold_s), chosen(*names)).run(depth)


def tell(search: Search, depth: int, capsys: pytest.CaptureFixture) -> None:
    with capsys.disabled():
        states = len(search.seen)
        print(f"\nmodel: depth {depth}, {search.transitions} transitions, {states} states")


@pytest.mark.slow
@pytest.mark.parametrize("nvs, hold_s", [(True, 0), (False, 100)], ids=["nvs", "two folders"])
def test_no_order_of_events_breaks_a_promise(
    nvs: bool, hold_s: int, capsys: pytest.CaptureFixture
) -> None:
    search = Search(World(hold_s), EVENTS, nvs)
    search.run(DEPTH)
    tell(search, DEPTH, capsys)
    assert search.transitions > 1000


@pytest.mark.slow
def test_no_order_of_events_in_a_hold_down_does(capsys: pytest.CaptureFixture) -> None:
    search = Search(World(100), chosen(*DAY, "restart"))
    search.run(DEPTH + 3)
    tell(search, DEPTH + 3, capsys)
    assert search.transitions > 1000


# Without a fix.


def test_without_its_own_predecessors_a_hold_down_retires_a_new_pin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def by_its_pin_alone(pin_set: Any, index: int) -> bytes:
        return local.named_entry(pin_set.name, pin_set.pins[index].spki_sha256)

    monkeypatch.setattr(ratchet, "_hold_entry", by_its_pin_alone)
    finds(100, "install new.*new is retired, and nothing says so", 4, *DAY)


def _hides_sightings(monkeypatch: pytest.MonkeyPatch) -> None:
    real = mode_path._accept_cached

    def silent(case: Any, key: bytes, needs_pin: bool) -> bool:
        found = real(case, key, needs_pin)
        if found:
            case.verdict.events = ()
        return found

    monkeypatch.setattr(mode_path, "_accept_cached", silent)


def test_without_sightings_over_remembered_paths_a_hold_down_is_not_paused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _hides_sightings(monkeypatch)
    finds(100, "one is retired, and nothing says so", 5, *DAY)


def test_without_the_pin_set_in_the_question_one_service_hides_a_sighting_from_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _hides_sightings(monkeypatch)
    real = mode_path.cache_key

    def of_no_pin_set(chain: Any, asked: Asked, *rest: Any) -> bytes:
        service = Service("any", None, purpose=asked.service.purpose)
        return real(chain, Asked(service, asked.host, asked.port), *rest)

    names = ("any sees two", "mqtt sees two", "mqtt sees one")
    # Hits without sightings alone hide nothing where no hold-down runs.
    Search(World(0), chosen(*names)).run(4)
    monkeypatch.setattr(mode_path, "cache_key", of_no_pin_set)
    finds(0, "two was seen, and what goes before it is alive", 3, *names)


def test_with_retirement_by_name_a_renamed_set_revives_its_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def by_name(state_local: Any, pin_set: Any, index: int) -> list[bytes]:
        pins = pin_set.pins[:index] if ratchet.moves(pin_set, index) else ()
        return [
            local.named_entry(name, pin.spki_sha256)
            for pin in pins
            for name in names(pin_set.name)
            if not state_local.is_retired(name, pin.spki_sha256)
        ]

    monkeypatch.setattr(ratchet, "_before", by_name)
    # Two sets of one state with the same key.
    names: Callable[[str], tuple[str, ...]] = lambda name: (name,)  # noqa: E731
    finds(0, "mqtt sees two: one is alive in keys", 1, "mqtt sees two")
    # One set, under another name later.
    names = lambda name: ("pins", "keys")  # noqa: E731
    finds(0, "install renamed.*one is alive in others", 3, "mqtt sees two", "install renamed")


def test_without_mending_a_damaged_device_stays_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: Any) -> Generator[None, None, bool]:
        yield
        return False

    monkeypatch.setattr(install, "_mends", nothing)
    finds(0, "does not mend|another state", 1, "restart")


def test_without_giving_up_an_abandoned_update_keeps_the_store_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuses(store: Any) -> None:
        # Not where this interpreter closes what MicroPython leaves as it is.
        closing = sys.exc_info()[0] is GeneratorExit
        if store._steps is not None and store._steps.gi_frame is not None and not closing:
            raise StoreError("store.busy")
        store._steps = None

    monkeypatch.setattr(trust_store.Store, "_give_up", refuses)
    finds(0, "store.busy", 1, "install renamed")


def test_without_verdicts_giving_tries_back_silence_ends_a_trial(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(joining, "_restore_try", lambda store: None)
    monkeypatch.setattr(trial, "judged", lambda record, state: record)
    finds(0, "a trial ended by itself", 5, "install trial", "web sees one", "restart")


def test_a_floor_that_follows_each_state_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable = admit.next_record

    def falls(record: Any, state: Any, *signers: bytes) -> Any:
        new = real(record, state, *signers)
        return new if record is None else new.but(floor=0)

    monkeypatch.setattr(admit, "next_record", falls)
    finds(0, "the floor fell", 2, "install same")
