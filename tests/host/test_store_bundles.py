# SPDX-License-Identifier: MIT
"""The store with real bundles and the real rules: what fixture_bundle.py signs, end to end.

The same files the portable tests use stand-ins for; here nothing is faked but the clock.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from stand_in import Clock

from tests.certs.make_fixtures import FIXTURES
from trustanchor.encoding.cbor import FileSource
from trustanchor.errors import StoreError, TrustError
from trustanchor.kinds import CLOCK_KNOWN, EVENT_PIN_SEEN
from trustanchor.state.model import Asked
from trustanchor.store.trust_store import Store
from trustanchor.verdict.policy import Verdict

SIGNED = FIXTURES / "bundle"


def signed(name: str) -> bytes:
    return (SIGNED / name).read_bytes()


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """The folder of a device that has the first state."""
    path = tmp_path / "trust"
    store(path).provision(signed("first"))
    yield path


def store(path: Path) -> Store:
    clock = Clock(int(SIGNED.stat().st_mtime) + 3600, CLOCK_KNOWN)
    return Store(clock, str(path), None)


def booted(path: Path) -> Store:
    device = store(path)
    device.load()
    return device


def content(path: Path) -> dict[str, bytes]:
    folders = (path, path.with_name(path.name + ".2"))
    return {str(file): file.read_bytes() for one in folders for file in sorted(one.iterdir())}


def accepted(device: Store, index: int) -> tuple[Verdict, Asked]:
    """What the judge says of a leaf with the pin of that index."""
    pin_set = device.state.pin_sets[0]
    verdict = Verdict(device.state.payload_digest, device.local.retired_generation)
    verdict.accepted = True
    verdict.pin = index
    verdict.wanted = tuple(pin.spki_sha256 for pin in pin_set.pins)
    seen = (EVENT_PIN_SEEN, pin_set.name, index, verdict.wanted[index])
    verdict.events = (seen,)  # type: ignore[assignment]
    service = device.state.services[0]
    return verdict, Asked(service, service.hosts[0], service.port)


def test_a_device_boots_with_what_it_was_given(root: Path) -> None:
    device = booted(root)
    assert (device.state.epoch, device.state.sequence) == (0, 1)
    assert device.local.floor == device.state.issued_at


def test_it_catches_up_over_a_link_and_keeps_the_new_signers(root: Path) -> None:
    device = booted(root)
    before = device.record.authority
    device.install(signed("next"))
    assert device.state.sequence == 3
    assert device.record.authority != before
    assert booted(root).state.payload_digest == device.state.payload_digest


@pytest.mark.parametrize(
    ("then", "code"),
    [
        (("next", "first"), "update.rollback"),
        (("next", "next"), "update.current"),
        (("first",), "update.current"),
        (("rescue", "next"), "update.epoch_old"),
        (("rescue", "rescue"), "update.current"),
        (("hybrid",), "update.rollback"),
    ],
)
def test_what_is_past_never_comes_back(root: Path, then: tuple[str, ...], code: str) -> None:
    device = booted(root)
    for name in then[:-1]:
        device.install(signed(name))
    before = content(root)
    with pytest.raises(TrustError) as refused:
        device.install(signed(then[-1]))
    assert refused.value.code == code
    assert content(root) == before
    assert booted(root).state.payload_digest == device.state.payload_digest


def test_a_rescue_takes_over_and_outlives_a_restart(root: Path) -> None:
    device = booted(root)
    device.install(signed("rescue"))
    assert (device.state.epoch, device.record.epoch) == (1, 1)
    assert booted(root).state.epoch == 1


def test_all_public_roots_go_on_trial_and_are_confirmed_by_the_probe(root: Path) -> None:
    device = booted(root)
    device.install(signed("roots"))
    assert len(device.state.anchors) > 100
    assert device.record.trial == device.state.payload_digest
    device = booted(root)
    verdict, asked = accepted(device, 0)
    assert device.join(verdict, asked)
    assert device.record.trial == b""
    assert booted(root).state.sequence == 2


def test_a_sighting_during_the_trial_retires_when_it_is_confirmed(root: Path) -> None:
    device = booted(root)
    device.install(signed("roots"))
    verdict, asked = accepted(device, 2)
    assert device.join(verdict, asked)
    primary, _, backup, _ = device.state.pin_sets[0].pins
    assert booted(root).local.is_retired("broker", primary.spki_sha256)
    assert not booted(root).local.is_retired("broker", backup.spki_sha256)


def test_a_retired_pin_stays_retired_under_the_next_state(root: Path) -> None:
    device = booted(root)
    verdict, asked = accepted(device, 2)
    assert device.join(verdict, asked)
    retired = device.record.retired
    assert len(retired) == 2
    device.install(signed("next"))
    assert booted(root).local.retired == retired


def test_an_anchor_that_changes_on_flash_is_not_used(root: Path) -> None:
    """The body of an anchor is read when a path needs it, and its digest is compared then."""
    device = booted(root)
    slot = Path(device.slot(device.record.active))
    whole = slot.read_bytes()
    anchor = next(iter(device.state.anchors))
    # As on a board: CPython would answer from a buffer of 8 KB.
    device.state.source._file = slot.open("rb", buffering=0)  # type: ignore[attr-defined]
    at = whole.index(bytes(anchor.spki)) + 40
    with slot.open("r+b") as file:
        file.seek(at)
        file.write(bytes((whole[at] ^ 1,)))
    with pytest.raises(TrustError) as refused:
        list(device.state.anchors.find(anchor.name))
    assert refused.value.code == "store.body_changed"
    with pytest.raises(StoreError) as lost:
        store(root).load()
    assert lost.value.code == "store.lost"


def test_a_sample_of_flipped_bytes_is_refused_and_leaves_no_trace(root: Path) -> None:
    device = booted(root)
    before = content(root)
    data = bytearray(signed("next"))
    for at in range(0, len(data), 7):
        data[at] ^= 0x10
        with pytest.raises(TrustError):
            device.install(bytes(data))
        data[at] ^= 0x10
        assert content(root) == before
    device.install(bytes(data))


def test_a_truncated_slot_is_lost_and_a_signed_successor_repairs_it(root: Path) -> None:
    device = booted(root)
    slot = Path(device.slot(device.record.active))
    slot.write_bytes(slot.read_bytes()[:-200])
    device = store(root)
    with pytest.raises(StoreError) as lost:
        device.load()
    assert lost.value.code == "store.lost"
    device.install(signed("next"))
    assert booted(root).state.sequence == 3


def test_a_stranger_can_not_provision_it_again(root: Path) -> None:
    with pytest.raises(StoreError) as refused:
        store(root).provision(signed("hybrid"))
    assert refused.value.code == "store.provisioned"


class _Counting(FileSource):
    """Remembers how many bytes were read."""

    def __init__(self, path: str) -> None:
        super().__init__(open(path, "rb", buffering=0), Path(path).stat().st_size)  # noqa: SIM115
        self.bytes = 0

    def read(self, offset: int, length: int) -> bytes:
        self.bytes += length
        return super().read(offset, length)


@pytest.mark.parametrize("name", ["next", "roots"])
def test_a_boot_reads_a_slot_in_one_pass(root: Path, name: str) -> None:
    """What it looked ahead, and the records of the signers, it reads once more."""
    booted(root).install(signed(name))
    device = store(root)
    opened: list[_Counting] = []

    def source(path: str) -> tuple[_Counting, None]:
        opened.append(_Counting(path))
        return opened[-1], None

    device.source = source  # type: ignore[method-assign]
    device.load()
    assert device.state.payload_digest == (device.record.trial or device.record.active)
    (slot,) = opened
    assert slot.bytes < 1.5 * slot.size
