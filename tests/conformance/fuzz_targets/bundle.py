# SPDX-License-Identifier: MIT
"""bundle: whatever is accepted has one encoding, moves the device forward and reads back alike.

An input is one byte, which device it is offered to, and a bundle. Verifying signatures takes a
hundred times as long as all the rest and would refuse every mutation, so the one door to
cryptography has a fake behind it that calls every signature valid: kids, algorithms, thresholds
and the walk of the links are checked as ever, and the readers and rules behind them must hold on
their own. An input whose first byte is 255 goes through the genuine door too, where only a state
that somebody signed may be accepted. `reached` counts how far inputs got.
"""

import random
from collections import Counter
from collections.abc import Callable, Generator
from types import SimpleNamespace
from typing import Any

import cbor2
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
from tests.conformance import fuzz_cbor
from tests.conformance.fuzz_targets import fixtures
from trustanchor.crypto import cose_signatures
from trustanchor.encoding.cbor import BytesSource
from trustanchor.errors import TrustError
from trustanchor.kinds import CLIENT_AUTH, EXPIRY_ANCHORS, MODE_ANCHORS, MODE_KEY, RATCHET_ORDERED
from trustanchor.limits import BUILD_AT
from trustanchor.state import packing
from trustanchor.state import record as records
from trustanchor.state.anchors import Anchor
from trustanchor.state.derive import anchor_of
from trustanchor.state.model import Pin, PinSet, Service
from trustanchor.update import acceptance, admit
from trustanchor.update.bundle import parse

GENUINE = 255
DEVICE = SimpleNamespace(product="small", device_id="small-1")
UNKNOWN = (BUILD_AT, 0)

reached: Counter[str] = Counter()


def _counted(stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def passing(*arguments: Any) -> Any:
        reached[stage] += 1
        return function(*arguments)

    return passing


# What acceptance.py calls next once the step before has refused nothing.
acceptance._proving = _counted("beginning", acceptance._proving)
acceptance._admitting = _counted("signers", acceptance._admitting)
admit.next_record = _counted("state", admit.next_record)


def _always_valid(*arguments: object) -> Generator[None, None, bool]:
    yield None
    return True


class Device:
    """A position: the record, the states that can be loaded, and what is known of both."""

    def __init__(self, record: records.Record | None = None, *bundles: bytes):
        self.record = record
        self.loaded = [parse(BytesSource(data)) for data in bundles]
        self.kept = None if record is None else packing.pack(record)
        self.fields = None if record is None else dict(vars(record))

    def accept(self, data: bytes, genuine: bool = False) -> records.Record:
        source = BytesSource(data)
        if genuine:
            return acceptance.accept(self.record, self.loaded, source, UNKNOWN, DEVICE)[0]
        before = cose_signatures.verifying
        cose_signatures.verifying = _always_valid
        try:
            return acceptance.accept(self.record, self.loaded, source, UNKNOWN, DEVICE)[0]
        finally:
            cose_signatures.verifying = before


def _signer(number: int) -> KeySigner:
    return KeySigner(ec.derive_private_key(number, ec.SECP256R1()))


def _small() -> list[bytes]:
    """Bundles of a few hundred bytes, each with other fields: the first state, then successors."""
    one, two, three, backup = (_signer(number) for number in (2, 3, 5, 7))
    authority = Authority([(1, [one])])
    rescuer = Authority([(1, [backup])])
    root = anchor_of(pki.authority("Small").der)
    plain = Anchor(root.name, root.spki)
    pins = PinSet("a", [Pin(b"\1" * 32), Pin(b"\2" * 32, True)])
    changed = Authority([(1, [two, three]), (1, [one])])
    services = [Service("a", ["a.example"], port=443, mode=MODE_KEY, pin_set="a")]

    def state(sequence: int, **fields: Any) -> bytes:
        defaults: dict[str, Any] = {
            "sequence": sequence,
            "issued_at": BUILD_AT,
            "authority": authority,
            "backup": rescuer,
            "services": services,
            "pin_sets": [pins],
            "probes": [Probe("a")],
        }
        return encode_state(Description(**{**defaults, **fields}))

    first = sign("state", state(1), [one])
    trial = sign("state", state(3, tries=2, trial_s=3600, is_partial=True), [one])
    timed = state(
        4,
        expires_at=BUILD_AT + 86400,
        products=["small", "smaller"],
        devices=["small-1"],
        never_reverts=True,
        denied=[b"\3" * 32, b"\4" * 32],
        overrides=["revert", "other"],
        extra={20: [1, {2: "x"}], 23: b"later"},
    )
    modes = state(
        4,
        services=[
            *services,
            Service("b", ["*.b.example", "192.0.2.1"], mode=MODE_ANCHORS),
            Service("c", None, purpose=CLIENT_AUTH, pin_set="c", peer_name="c.example"),
            Service("d", ["d.example"], pin_set="c", enforce=False, max_state_age_s=86400),
        ],
        pin_sets=[
            pins,
            PinSet(
                "c",
                [Pin(b"\5" * 32, not_before=BUILD_AT), Pin(b"\6" * 32, not_after=2 * BUILD_AT)],
                on_expiry=EXPIRY_ANCHORS,
                ratchet=RATCHET_ORDERED,
                hold_s=60,
                hold_max_s=3600,
            ),
        ],
        probes=[Probe("a"), Probe("b", "x.b.example", 8443)],
        anchors=[Anchor(root.name, root.spki, purposes=3)],
    )
    anchored = state(
        4,
        services=[*services, Service("b", ["b.example"], mode=MODE_ANCHORS)],
        probes=[Probe("a"), Probe("b")],
        anchors=[
            Anchor(
                root.name,
                root.spki,
                hosts=["b.example"],
                trust_from=BUILD_AT,
                trust_until=BUILD_AT + 86400,
                distrust_leaf_after=BUILD_AT,
                path_len=1,
            ),
            Anchor(pki.name("Large").public_bytes(), pki.spki_of(pki.make_key("p384"))),
        ],
        intermediates=[pki.authority("Below", issuer=pki.authority("Small")).der],
    )
    signers = state(4, authority=changed, never_reverts=True)
    link = encode_link(0, 2, authority, changed)
    again = encode_link(0, 3, changed, authority)
    rescue = state(1, epoch=1, authority=changed, never_reverts=True, anchors=[plain])
    saviour = Authority([(1, [_signer(11)])])
    saved = encode_link(1, 1, rescuer, changed, saviour)
    return [
        first,
        trial,
        sign("state", timed, [one]),
        sign("state", modes, [one]),
        sign("state", anchored, [one]),
        sign("state", signers, [one, two]),
        bundle_file(
            sign("state", state(4), [one]),
            [sign("link", link, [one, two]), sign("link", again, [one, two])],
        ),
        sign("rescue", rescue, [backup, one, two]),
        bundle_file(
            sign("state", state(2, epoch=1, authority=changed, backup=saviour), [one, two]),
            [sign("link", saved, [backup, one, two])],
        ),
    ]


def _devices() -> list[Device]:
    """Unprovisioned; with the small state; with another in trial; with the fixtures' state."""
    none = Device()
    small, trial = SMALL[:2]
    one = Device(none.accept(small), small)
    large = fixtures("bundle/first")[0]
    return [
        none,
        one,
        Device(one.accept(trial), small, trial),
        Device(none.accept(large), large),
    ]


SMALL = _small()
DEVICES = _devices()
LARGE = fixtures("bundle/next", "bundle/rescue")
FIRST = fixtures("bundle/first", "bundle/hybrid", "bundle/quantum")


def seeds() -> list[bytes]:
    offers = [(0, FIRST), (0, SMALL[:1]), (1, SMALL[1:]), (2, SMALL[2:]), (3, LARGE)]
    return [bytes((number,)) + data for number, row in offers for data in row]


def weights() -> list[float]:
    """How often each seed is taken: half the size, twice as often, for it takes half the time."""
    return [1 / len(seed) for seed in seeds()]


SIGNED = {cbor2.loads(seed[1:]).value[2] for seed in seeds()}
_shapes = {seed: fuzz_cbor.Shape(seed[1:]) for seed in seeds()}
_often = [fuzz_cbor.Shape(data) for data in SMALL]


def mutate(data: bytes, choose: random.Random) -> bytes:
    """data with some of its values changed; one in a thousand goes to the genuine door."""
    shape = _shapes.get(data)
    if shape is None:
        try:
            shape = fuzz_cbor.Shape(data[1:])
        except (ValueError, IndexError, RecursionError):
            shape = choose.choice(_often)
        if len(_shapes) < 4096:
            _shapes[data] = shape
    number = data[:1] or b"\0"
    if choose.random() < 0.001:
        number = b"\xff"
    elif choose.random() < 0.02:
        number = bytes((int(choose.random() * 4),))
    return number + shape.mutate(choose, _often)


def run(data: bytes) -> None:
    if data[:1] == b"\xff":
        genuine(data[1:])
        return
    device = DEVICES[data[0] & 3 if data else 0]
    data = data[1:]
    try:
        new = device.accept(data)
    finally:
        assert device.record is None or vars(device.record) == device.fields
    reached["accepted"] += 1
    old = device.record
    if old is not None:
        assert (new.epoch, new.sequence) > (old.epoch, old.sequence)
        assert new.epoch == old.epoch + 1 or new.floor >= old.floor
    state = parse(BytesSource(data))
    assert state.payload_digest in (new.active, new.trial)
    packed = packing.pack(new)
    assert packing.pack(packing.parse(packed)) == packed
    # SPEC.md E1 to E3: the payload is the one encoding of what it says.
    payload = cbor2.loads(data).value[2]
    assert cbor2.dumps(cbor2.loads(payload), canonical=True) == payload


def genuine(data: bytes) -> None:
    """Offered to every device with nothing faked."""
    refused = None
    for device in DEVICES:
        reached["offered to the genuine door"] += 1
        try:
            device.accept(data, genuine=True)
        except TrustError as refusal:
            refused = refusal
        else:
            reached["accepted by the genuine door"] += 1
            assert cbor2.loads(data).value[2] in SIGNED
    if refused is not None:
        raise refused
