# SPDX-License-Identifier: MIT
"""No input keeps a device from its other work: what lies between two yields is counted.

Installing, foreseeing, loading and judging run beside a program that has connections to serve and
a watchdog to feed. Work is counted in lines of the device's own code that CPython executes, which
is the same on every machine and on every run; loops inside hashlib or bytes are not counted, so
the bytes that a step reads are counted beside it.

The longest slice of a good bundle sets the measure. Good are those of the fixtures, signed by few,
and one at the limits of the format: 24 keys in each authority, 16 signatures, 80 names of an
audience, 16 services and pin sets, 40 anchors under one name. No hostile input may take more
than twice that: inputs mutated as the fuzzer does it, values of thousands of items, and the same
bundles with fields, signatures and signers that do not fit.
"""

import io
import random
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from host_tools.signing.bundle_encode import (
    Authority,
    Description,
    KeySigner,
    Probe,
    bundle_file,
    encode_link,
    encode_state,
    sign,
)
from tests.certs import pki
from tests.conformance.fuzz_targets import bundle as target
from tests.conformance.fuzz_targets import judge
from trustanchor.crypto import cose_signatures
from trustanchor.encoding.cbor import BytesSource
from trustanchor.errors import TrustError
from trustanchor.kinds import CLOCK_VERIFIED, MODE_PATH, RATCHET_NEVER
from trustanchor.limits import AUTHORITY_BYTES, BUILD_AT, BUNDLE_BYTES
from trustanchor.state.anchors import Anchor
from trustanchor.state.local import LocalState
from trustanchor.state.model import Asked, Pin, PinSet, Service
from trustanchor.store.extent import Extent
from trustanchor.store.stage import stage
from trustanchor.store.trust_store import Store
from trustanchor.update import acceptance, bundle
from trustanchor.verdict import policy

PACKAGE = "/firmware/trustanchor/"
MUTATIONS = 400
# A value that is stepped over has up to 4,096 bytes, and in the same step they may be hashed.
READ_BYTES = 2 * AUTHORITY_BYTES + 1024
SEED = 20261126

Steps = Generator[None, None, Any]


class Work:
    """The lines of the device's code that each step of a generator executes."""

    def __init__(self, steps: Steps):
        self.slices: list[int] = []
        self.code = "ok"
        self._lines = 0
        before = sys.gettrace()
        while True:
            self._lines = 0
            sys.settrace(self._call)
            try:
                next(steps)
            except StopIteration:
                break
            except TrustError as refusal:
                self.code = refusal.code
                break
            finally:
                sys.settrace(before)
                self.slices.append(self._lines)

    @property
    def longest(self) -> int:
        return max(self.slices)

    def _call(self, frame: FrameType, event: str, argument: Any) -> Any:
        return self._line if PACKAGE in frame.f_code.co_filename else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self._lines += 1
        return self._line


def updating(device: Any, data: bytes) -> Steps:
    source = BytesSource(data)
    return acceptance.accepting(
        device.record, device.loaded, source, target.UNKNOWN, target.DEVICE
    )


class CountedSource(BytesSource):
    """A source that knows how much was read of it since somebody looked last."""

    taken = 0

    def read(self, offset: int, length: int) -> bytes:
        self.taken += length
        return bytes(super().read(offset, length))


def most_read(device: Any, data: bytes) -> int:
    """The bytes that the greediest step of an update reads of its source."""
    source = CountedSource(data)
    steps = acceptance.accepting(
        device.record, device.loaded, source, target.UNKNOWN, target.DEVICE
    )
    most = 0
    while True:
        source.taken = 0
        try:
            next(steps)
        except (StopIteration, TrustError):
            return max(most, source.taken)
        most = max(most, source.taken)


class Board(Store):
    """A real store in a folder of the host, with a clock that knows nothing."""

    def __init__(self, folder: Path):
        super().__init__(self, str(folder), None, target.DEVICE.product, target.DEVICE.device_id)

    def now(self) -> tuple[int, int]:
        return target.UNKNOWN

    def uptime_s(self) -> int:
        return 0


def at_once(function: Callable[..., Any], *arguments: Any) -> Steps:
    """A call without a yield, as one step."""
    function(*arguments)
    yield


def host(service: int, number: int) -> str:
    labels = ("a" * 60, "b" * 63, "c" * 63, "d" * 50)
    return f"h{service:02}{number:02}." + ".".join(labels)


class Largest:
    """A bundle at the limits of the format, signed for real."""

    def __init__(self) -> None:
        signers = [
            KeySigner(ec.derive_private_key(100 + number, ec.SECP256R1())) for number in range(49)
        ]
        first = Authority([(8, signers[0:8]), (7, signers[8:16]), (1, signers[16:24])])
        second = Authority([(8, signers[24:32]), (8, signers[32:40]), (1, signers[40:48])])
        enough = signers[:15] + signers[16:17]
        name = pki.name("Same").public_bytes()
        keys = [pki.spki_of(pki.make_key("p256")) for _ in range(40)]
        self.fields: dict[str, Any] = {
            "sequence": 9,
            "issued_at": BUILD_AT,
            "authority": first,
            "backup": second,
            "services": [
                Service(
                    f"s{one}",
                    [host(one, number) for number in range(12)],
                    port=443,
                    mode=MODE_PATH,
                    pin_set=f"p{one}",
                )
                for one in range(16)
            ],
            "pin_sets": [
                PinSet(
                    f"p{one}",
                    [Pin(bytes((one, number)) * 16, number == 7) for number in range(8)],
                    ratchet=RATCHET_NEVER,
                )
                for one in range(16)
            ],
            "anchors": [Anchor(name, key, hosts=[host(1, 0)]) for key in keys],
            "intermediates": [pki.authority(f"I{one}").der for one in range(8)],
            "denied": [bytes((one,)) * 32 for one in range(64)],
            "products": [f"{one:032}" for one in range(15)] + ["small"],
            "devices": [f"{one:032}" for one in range(63)] + ["small-1"],
            "is_partial": True,
            "probes": [Probe(f"s{one}", host(one, 0)) for one in range(16)],
            "extra": {20: list(range(100)), 21: ["x" * 30] * 100, 22: [1] * 127, 23: b"x" * 4000},
        }
        self.payload = encode_state(Description(**self.fields))
        self.state = sign("state", self.payload, enough)
        links = [
            sign("link", encode_link(0, number + 2, first, second), enough) for number in range(3)
        ]
        self.file = bundle_file(self.state, links)
        self.enough = enough

    def but(self, **fields: Any) -> bytes:
        payload = encode_state(Description(**{**self.fields, **fields}))
        return sign("state", payload, self.enough)


@pytest.fixture(scope="module")
def largest() -> Largest:
    return Largest()


@pytest.fixture(scope="module")
def measure(largest: Largest) -> int:
    """The longest slice of a good bundle."""
    none = target.DEVICES[0]
    good = [Work(updating(none, data)) for data in (largest.state, *target.FIRST)]
    good.append(Work(updating(target.DEVICES[3], target.LARGE[0])))
    assert [work.code for work in good] == ["ok"] * len(good)
    longest = max(work.longest for work in good)
    # A state of an ordinary size is far below: it does not pay for the limits.
    assert max(work.longest for work in good[1:]) * 3 < longest
    return longest


@pytest.fixture
def every_signature_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the first signature hides all that is behind it."""
    monkeypatch.setattr(cose_signatures, "verifying", target._always_valid)


def test_a_count_of_work_sees_a_step_without_a_yield(largest: Largest, measure: int) -> None:
    whole = Work(at_once(bundle.parse, BytesSource(largest.state)))
    assert whole.longest > 2 * measure
    assert Work(bundle.reading(BytesSource(largest.state))).longest <= measure


def hostile(largest: Largest) -> Iterator[tuple[str, bytes]]:
    yield "links", largest.file
    yield "items", largest.but(extra={20: [0] * 4000})
    yield "maps", largest.but(extra={number: [{0: 0}] * 1300 for number in range(20, 24)})
    yield "texts", largest.but(extra={20: ["x" * 60] * 60})
    for field, many in (("services", 17), ("pin_sets", 17), ("probes", 17), ("devices", 65)):
        values = largest.fields[field]
        yield field, largest.but(**{field: (values * 2)[:many]})
    yield "one anchor many times", largest.but(anchors=largest.fields["anchors"][:1] * 40)
    same = [Pin(b"\7" * 32), Pin(b"\7" * 32, True)]
    yield "pins", largest.but(pin_sets=[PinSet(f"p{one}", same) for one in range(16)])
    yield "cut", largest.state[:-1]
    # A signature by nobody, and the payload as the bytes of an authority.
    yield "unsigned", largest.state.replace(largest.payload[:200], largest.payload[:199] + b"\0")


def test_hostile_bundles_take_no_longer_slices(
    largest: Largest, measure: int, every_signature_valid: None
) -> None:
    codes = set()
    for name, data in hostile(largest):
        for device in target.DEVICES:
            work = Work(updating(device, data))
            codes.add(work.code)
            assert work.longest <= 2 * measure, (name, work.code, work.longest, measure)
    assert {"cbor.range", "bundle.anchor_repeated", "update.link_forked"} <= codes


def huge(largest: Largest) -> bytes:
    """The largest payload that is hashed, with nothing behind its fields but zeros."""
    payload = largest.payload + bytes(BUNDLE_BYTES - len(largest.state) - 64)
    return sign("state", payload, largest.enough)


def test_no_step_reads_more_than_the_longest_value_and_a_piece(
    largest: Largest, every_signature_valid: None
) -> None:
    """Time goes into reading and hashing as well, which no count of lines shows."""
    assert len(huge(largest)) > BUNDLE_BYTES - 1024
    for name, data in (("huge", huge(largest)), *hostile(largest)):
        for device in target.DEVICES:
            most = most_read(device, data)
            assert most <= READ_BYTES, (name, most)


def test_a_store_takes_hostile_bundles_in_slices_and_keeps_what_it_has(
    largest: Largest, measure: int, tmp_path: Path
) -> None:
    """From the first byte of the carrier to the refusal, the look for a damaged slot included."""
    board = Board(tmp_path / "trust")
    board.provision(target.FIRST[0])
    before = files_of(tmp_path)
    for name, data in (("huge", huge(largest)), *hostile(largest)):
        work = Work(board.installing(io.BytesIO(data)))
        assert work.code != "ok" and work.longest <= 2 * measure, (name, work.code, work.longest)
        assert files_of(tmp_path) == before, name
    assert Work(board.installing(io.BytesIO(target.FIRST[0]))).code == "update.current"


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(one): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def test_hostile_slots_are_read_at_boot_within_twice_the_work_of_a_good_one(
    largest: Largest,
) -> None:
    """load() has no slices: nothing else runs yet. Whoever can write flash gains no more time."""
    good = Work(at_once(bundle.parse, BytesSource(largest.state)))
    assert good.code == "ok"
    for name, data in hostile(largest):
        work = Work(at_once(bundle.parse, BytesSource(data)))
        assert work.longest <= 2 * good.longest, (name, work.code, work.longest)


def test_mutated_bundles_take_no_longer_slices(measure: int, every_signature_valid: None) -> None:
    choose = random.Random(SEED)
    seeds, weights = target.seeds(), target.weights()
    for number in range(MUTATIONS):
        data = target.mutate(choose.choices(seeds, weights)[0], choose)
        device = target.DEVICES[data[0] & 3]
        work = Work(updating(device, data[1:]))
        assert work.longest <= 2 * measure, (SEED, number, work.code, work.longest)


def test_hostile_beginnings_are_foreseen_within_a_slice(largest: Largest, measure: int) -> None:
    record = target.DEVICES[1].record
    beginnings = [largest.state[:3072]]
    choose = random.Random(SEED)
    beginnings += [target.mutate(b"\1" + largest.state[:3072], choose)[1:] for _ in range(50)]
    for data in beginnings:
        steps = at_once(acceptance.foresee, record, data, len(data), target.UNKNOWN, target.DEVICE)
        work = Work(steps)
        assert work.longest <= 2 * measure, (work.code, work.longest)


class Stream:
    """A connection that never makes anybody wait."""

    def __init__(self, data: bytes):
        self._file = io.BytesIO(data)

    def read(self, size: int) -> bytes:
        return self._file.read(size)


class Root:
    """What stage() asks of a Store; there is no record, so nothing gives way."""

    record = None


@pytest.mark.parametrize("piece", [b"\x80", b"\x9a\x00\x01\x00\x00", b"\x00", b"\x78\x01x"])
def test_a_stream_of_heads_is_staged_in_slices(tmp_path: Any, measure: int, piece: bytes) -> None:
    data = b"\x9a\x00\x01\xff\xff" + piece * 4000
    source = Stream(data)
    steps = stage(Root(), source, str(tmp_path / "stage"), None)
    work = Work(steps)
    assert work.longest <= 2 * measure, (work.code, work.longest)
    extent = Extent()
    assert Work(at_once(extent.follow, data[:512])).longest <= 2 * measure


def test_a_file_is_staged_in_slices(tmp_path: Any, measure: int) -> None:
    work = Work(stage(Root(), io.BytesIO(bytes(131072)), str(tmp_path / "stage"), None))
    assert len(work.slices) > 200 and work.longest <= measure


def judging(chain: list[bytes], at: int) -> Steps:
    asked = Asked(judge.STATE.services[0], judge.HOST, 443)
    clock = (at, CLOCK_VERIFIED)
    return policy.judging(chain, asked, clock, judge.STATE, LocalState())


def test_hostile_chains_take_no_longer_slices() -> None:
    """A chain sets a measure of its own: the good ones of the fuzzer's seeds."""
    seeds = judge.seeds()
    longest = max(Work(judging(judge.split(seed), judge.NOW)).longest for seed in seeds)
    choose = random.Random(SEED)
    for number in range(MUTATIONS):
        data = bytearray(choose.choice(seeds))
        for _ in range(choose.randint(1, 4)):
            data[choose.randrange(len(data))] = choose.randrange(256)
        work = Work(judging(judge.split(bytes(data)), judge.NOW))
        assert work.longest <= 2 * longest, (SEED, number, work.code, work.longest, longest)
