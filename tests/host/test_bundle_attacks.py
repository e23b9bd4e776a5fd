# SPDX-License-Identifier: MIT
"""Attacks on a real bundle: every byte, every length, every signature moved. Real cryptography.

A signed bundle is offered to a device in every damaged form there is; each ends in a coded
refusal and none changes the record or what the sources hold.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from stand_in import Clock, Nvs

from host_tools.signing.bundle_encode import (
    Authority,
    Description,
    KeySigner,
    Probe,
    assemble,
    bundle_file,
    encode_link,
    encode_state,
    sign,
    to_be_signed,
)
from tests.certs import fixture_bundle, pki
from trustanchor.encoding.cbor import BytesSource
from trustanchor.errors import TrustError
from trustanchor.kinds import CLOCK_KNOWN, MODE_KEY
from trustanchor.limits import BUILD_AT
from trustanchor.state import packing
from trustanchor.state.anchors import Anchor
from trustanchor.state.model import Pin, PinSet, Service
from trustanchor.store.trust_store import Store
from trustanchor.update import acceptance
from trustanchor.update.bundle import parse

ROOT = Path(__file__).resolve().parents[2]


class Device:
    product = "pump"
    device_id = "pump-1"


@dataclass
class World:
    """A fleet's signers, its first state, and a device that has it."""

    signer: KeySigner = field(default_factory=lambda: KeySigner(pki.make_key()))
    backup: KeySigner = field(default_factory=lambda: KeySigner(pki.make_key()))
    thief: KeySigner = field(default_factory=lambda: KeySigner(pki.make_key()))

    def __post_init__(self) -> None:
        self.ordinary = Authority([(1, [self.signer])])
        self.rescuers = Authority([(1, [self.backup])])
        self.first = sign("state", self.payload(1), [self.signer])
        self.record, _ = acceptance.accept(
            None, (), BytesSource(self.first), (BUILD_AT, 0), Device
        )
        self.loaded = (parse(BytesSource(self.first)),)

    def payload(self, sequence: int, **fields: object) -> bytes:
        pins = [Pin(bytes([number]) * 32, number > 1) for number in (1, 2)]
        defaults: dict[str, Any] = {
            "sequence": sequence,
            "issued_at": BUILD_AT,
            "authority": self.ordinary,
            "backup": self.rescuers,
            "services": [Service("web", ["web.example"], mode=MODE_KEY, pin_set="web")],
            "pin_sets": [PinSet("web", pins)],
            "probes": [Probe("web")],
            "products": ["pump"],
        }
        return encode_state(Description(**{**defaults, **fields}))

    def offer(self, data: bytes | bytearray) -> str:
        """The code of the refusal, or "ok"; the record may not move."""
        before = packing.pack(self.record)
        source = BytesSource(bytes(data))
        try:
            acceptance.accept(self.record, self.loaded, source, (BUILD_AT, 0), Device)
        except TrustError as refusal:
            return refusal.code
        finally:
            assert packing.pack(self.record) == before
        return "ok"


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def good(world: World) -> bytes:
    data = sign("state", world.payload(2), [world.signer])
    assert world.offer(data) == "ok"
    return data


def test_every_flipped_byte_is_refused(world: World, good: bytes) -> None:
    codes: Counter[str] = Counter()
    for at in range(len(good)):
        for mask in (0x01, 0x80, 0xFF):
            broken = bytearray(good)
            broken[at] ^= mask
            codes[world.offer(broken)] += 1
    assert codes["ok"] == 0
    # Most of it is payload, which only the signature protects; the rest breaks the form.
    assert codes["cose.signature_invalid"] > len(good)
    assert len(codes) > 10


def test_every_truncation_is_refused(world: World, good: bytes) -> None:
    for length in range(len(good)):
        assert world.offer(good[:length]) == "cbor.truncated", length


def test_every_byte_inserted_or_doubled_is_refused(world: World, good: bytes) -> None:
    for at in range(len(good) + 1):
        for byte in (b"\x00", b"\xff", good[at : at + 1] or b"\xd8"):
            assert world.offer(good[:at] + byte + good[at:]) != "ok", (at, byte)


def test_every_flipped_byte_of_a_link_is_refused(world: World) -> None:
    other = KeySigner(pki.make_key())
    successors = Authority([(1, [other])])
    link = sign("link", encode_link(0, 2, world.ordinary, successors), [world.signer, other])
    after = world.payload(3, authority=successors, never_reverts=True)
    state = sign("state", after, [other])
    assert world.offer(bundle_file(state, [link])) == "ok"
    assert world.offer(state) == "update.threshold"
    for at in range(len(link)):
        broken = bytearray(link)
        broken[at] ^= 0x01
        assert world.offer(bundle_file(state, [bytes(broken)])) != "ok", at


def test_random_mutations_of_real_bundles_end_in_codes(world: World) -> None:
    rng = random.Random(20261101)
    files = [
        (ROOT / "build/fixtures/bundle" / name).read_bytes()
        for name in ("first", "next", "rescue", "hybrid")
    ]
    for _ in range(3000):
        data = bytearray(rng.choice(files))
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(data))
            choice = rng.randrange(4)
            if choice == 0:
                data[at] = rng.randrange(256)
            elif choice == 1:
                del data[at : at + rng.randint(1, 40)]
            elif choice == 2:
                data[at:at] = rng.randbytes(rng.randint(1, 40))
            else:
                other = rng.choice(files)
                data[at : at + 40] = other[at : at + 40]
            if not data:
                break
        assert world.offer(data) != "ok"


def test_a_signature_moved_to_another_message_is_refused(world: World, good: bytes) -> None:
    payload, other = world.payload(2), world.payload(3)
    signature = world.signer.sign(to_be_signed("state", payload, world.signer))
    assert world.offer(assemble("state", payload, [(world.signer, signature)])) == "ok"
    moved = assemble("state", other, [(world.signer, signature)])
    assert world.offer(moved) == "cose.signature_invalid"


def test_a_signature_moved_to_another_type_is_refused(world: World) -> None:
    """A rescue wants the backup's signature over the rescue, not over a state."""
    payload = world.payload(1, epoch=1, never_reverts=True)
    signers = [world.backup, world.signer]
    assert world.offer(sign("rescue", payload, signers)) == "ok"
    as_state = [(one, one.sign(to_be_signed("state", payload, one))) for one in signers]
    assert world.offer(assemble("rescue", payload, as_state)) == "cose.signature_invalid"


def test_a_signature_moved_to_another_epoch_is_refused(world: World) -> None:
    payload = world.payload(1, epoch=1, never_reverts=True)
    signature = [
        (one, one.sign(to_be_signed("rescue", payload, one)))
        for one in (world.backup, world.signer)
    ]
    again = world.payload(1, epoch=2, never_reverts=True)
    assert world.offer(assemble("rescue", again, signature)) == "update.epoch_gap"


def test_a_key_confused_with_another_algorithm_is_refused(world: World) -> None:
    class Confused:
        alg = -37
        public = world.signer.public

        def sign(self, message: bytes) -> bytes:
            return world.signer.sign(message)

    payload = world.payload(2)
    assert world.offer(sign("state", payload, [Confused()])) == "cose.signature_foreign"
    wrong = Authority([(1, [Confused()])])
    data = sign("state", world.payload(2, authority=wrong), [world.signer, Confused()])
    assert world.offer(data) == "bundle.key"


def test_r_and_s_swapped_zeroed_or_of_another_length_are_refused(world: World) -> None:
    payload = world.payload(2)
    signature = world.signer.sign(to_be_signed("state", payload, world.signer))
    for broken in (
        signature[32:] + signature[:32],
        bytes(64),
        signature[:32] + bytes(32),
        b"\xff" * 64,
        signature + b"\x00",
        signature[:-1],
        b"\x00" + signature,
        signature[:32],
    ):
        data = assemble("state", payload, [(world.signer, broken)])
        assert world.offer(data) == "cose.signature_invalid"


def test_who_stole_the_ordinary_key_cannot_take_over(world: World) -> None:
    """With the signer's key a thief may sign states; the backup stays out of reach."""
    own = Authority([(1, [world.thief])])
    takeover = world.payload(2, backup=own, never_reverts=True)
    assert world.offer(sign("state", takeover, [world.signer])) == "update.threshold"
    foreign = sign("state", takeover, [world.signer, world.thief])
    assert world.offer(foreign) == "cose.signature_foreign"
    rescue = world.payload(1, epoch=1, backup=own, never_reverts=True)
    assert world.offer(sign("rescue", rescue, [world.signer])) == "update.threshold"
    assert world.offer(sign("rescue", rescue, [world.thief])) == "cose.signature_foreign"


def test_an_anchor_whose_key_nobody_can_verify_with_is_refused(world: World) -> None:
    anchor = fixture_bundle.plain_anchor(pki.authority("Root").der)
    data = sign("state", world.payload(2, anchors=[anchor]), [world.signer])
    assert world.offer(data) == "ok"
    der = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    for key in (
        ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(*der),
        ec.generate_private_key(ec.SECP256K1()).public_key().public_bytes(*der),
        rsa.generate_private_key(65537, 1024).public_key().public_bytes(*der),
        anchor.spki[:-1],
        anchor.spki.replace(b"\x42\x00\x04", b"\x42\x00\x06"),
    ):
        broken = Anchor(anchor.name, key)
        data = sign("state", world.payload(2, anchors=[broken]), [world.signer])
        assert world.offer(data) == "bundle.anchor"


def test_a_preloaded_intermediate_that_is_no_certificate_is_refused(world: World) -> None:
    root = pki.authority("Root")
    inter = pki.authority("Intermediate", issuer=root)
    data = sign("state", world.payload(2, intermediates=[inter.der]), [world.signer])
    assert world.offer(data) == "ok"
    data = sign("state", world.payload(2, intermediates=[inter.der[:-1]]), [world.signer])
    assert world.offer(data) == "bundle.intermediate"


def test_hostile_bundle_sizes_end_early(world: World) -> None:
    assert world.offer(b"\xd8\x62" * 70000) == "bundle.too_large"
    assert world.offer(b"") == "cbor.truncated"
    assert world.offer(b"\x9b" + b"\xff" * 8) == "cbor.type"
    assert world.offer(b"\xd8\x62\x84\x5b" + b"\xff" * 8) == "cbor.range"


# The same attacks and the others of their kind against the store: flash is as it was after each.


class Board:
    """A provisioned device with a store; flash() is everything it has written."""

    def __init__(self, world: World, folder: Path, has_nvs: bool) -> None:
        self.folder = folder
        self.nvs = Nvs() if has_nvs else None
        self.store().provision(world.first)

    def store(self) -> Store:
        clock = Clock(BUILD_AT + 3600, CLOCK_KNOWN)
        return Store(clock, str(self.folder / "trust"), self.nvs, Device.product, Device.device_id)

    def boots(self) -> Store:
        store = self.store()
        store.load()
        return store

    def flash(self) -> tuple[dict[str, bytes], dict[str, bytes]]:
        files = sorted(one for one in self.folder.rglob("*") if one.is_file())
        kept = {} if self.nvs is None else dict(self.nvs.kept)
        return {str(one): one.read_bytes() for one in files}, kept

    def refuses(self, store: Store, data: bytes, code: str | None = None) -> None:
        """Require a refusal, with this code if one is given, that changed nothing."""
        before, record = self.flash(), packing.pack(store.record)
        state = store.state.payload_digest
        with pytest.raises(TrustError) as refusal:
            store.install(data)
        assert code in (None, refusal.value.code)
        assert self.flash() == before
        assert packing.pack(store.record) == record
        assert store.state.payload_digest == state


@pytest.fixture(params=[True, False], ids=["nvs", "files"])
def board(world: World, tmp_path: Path, request: pytest.FixtureRequest) -> Board:
    return Board(world, tmp_path, request.param)


def test_no_flipped_byte_and_no_truncation_changes_flash(
    world: World, good: bytes, tmp_path: Path
) -> None:
    board = Board(world, tmp_path, False)
    store = board.boots()
    for at in range(len(good)):
        board.refuses(store, good[:at] + bytes((good[at] ^ 0x10,)) + good[at + 1 :])
        board.refuses(store, good[:at], "cbor.truncated")
    store.install(good)
    assert board.boots().state.sequence == 2


Offer = Callable[[World], bytes]
SUCCESSOR, THIRD = (KeySigner(pki.make_key()) for _ in range(2))
SUCCESSORS = Authority([(1, [SUCCESSOR])])
LAST = (1 << 30) - 1


def rewritten(change: Callable[[bytes], bytes]) -> Offer:
    """What the signer really signed, a payload that was changed before."""
    return lambda world: sign("state", change(world.payload(2)), [world.signer])


def added(value: bytes) -> Offer:
    """The payload with a field 20, which is ignored if it is well-formed."""
    return rewritten(lambda payload: bytes((payload[0] + 1,)) + payload[1:] + b"\x14" + value)


def reshaped(change: Callable[[list[Any]], None]) -> Offer:
    """A good message whose four parts were changed afterwards."""

    def offer(world: World) -> bytes:
        message = cbor2.loads(sign("state", world.payload(2), [world.signer]))
        parts = list(message.value)
        parts[3] = [list(one) for one in parts[3]]
        change(parts)
        return cbor2.dumps(cbor2.CBORTag(98, parts), canonical=True)

    return offer


def signed(kind: str, signers: tuple[str, ...], sequence: int = 2, **fields: Any) -> Offer:
    def offer(world: World) -> bytes:
        payload = world.payload(sequence, **fields)
        return sign(kind, payload, [getattr(world, name) for name in signers])

    return offer


def moved(kind: str, fields: dict[str, Any], to: str, changed: dict[str, Any]) -> Offer:
    """Valid signatures over one message put under another one."""

    def offer(world: World) -> bytes:
        signers = [world.signer] if to == "state" else [world.backup, world.signer]
        over = world.payload(**fields)
        signatures = [(one, one.sign(to_be_signed(kind, over, one))) for one in signers]
        return assemble(to, world.payload(**changed), signatures)

    return offer


def relabelled(parts: list[Any]) -> None:
    """The kid of the ES256 key beside the algorithm PS256."""
    header = cbor2.loads(parts[3][0][0])
    parts[3][0][0] = cbor2.dumps({**header, 1: -37}, canonical=True)


def rotated(world: World) -> bytes:
    """The successors are in office: link 2 and state 3."""
    link = sign("link", encode_link(0, 2, world.ordinary, SUCCESSORS), [world.signer, SUCCESSOR])
    after = world.payload(3, authority=SUCCESSORS, never_reverts=True)
    return bundle_file(sign("state", after, [SUCCESSOR]), [link])


def forked(world: World) -> bytes:
    """The old signer's thief links to himself, past the link that was taken."""
    own = Authority([(1, [world.thief])])
    link = sign("link", encode_link(0, 4, world.ordinary, own), [world.signer, world.thief])
    after = world.payload(5, authority=own, never_reverts=True)
    return bundle_file(sign("state", after, [world.thief]), [link])


def mixed(*new: KeySigner) -> Offer:
    """One old signature and some new ones; the new authority wants two of its own."""

    def offer(world: World) -> bytes:
        both = Authority([(2, [SUCCESSOR, THIRD])])
        after = world.payload(2, authority=both, never_reverts=True)
        return sign("state", after, [world.signer, *new])

    return offer


def grouped(*groups: int) -> Offer:
    """One key in so many places: in groups of their own, or twice in one."""

    def offer(world: World) -> bytes:
        one = Authority([(count, [world.signer] * count) for count in groups])
        after = world.payload(2, authority=one, never_reverts=True)
        return sign("state", after, [world.signer])

    return offer


def captured(world: World) -> bytes:
    own = Authority([(1, [world.thief])])
    return sign("state", world.payload(2, backup=own, never_reverts=True), [world.signer])


def twice(parts: list[Any]) -> None:
    parts[3].append(parts[3][0])


HOSTILE_PINS = [Pin(bytes((number,)) * 32, number > 66) for number in (66, 67)]
hostile = signed(
    "state",
    ("signer",),
    pin_sets=[PinSet("web", HOSTILE_PINS)],
    denied=[bytes((1,)) * 32],
    never_reverts=True,
)
second = signed("state", ("signer",), never_reverts=True)
forward = signed("state", ("signer",), LAST, never_reverts=True)
RESCUE: dict[str, Any] = {"sequence": 1, "epoch": 1, "never_reverts": True}
rescue = signed("rescue", ("backup", "signer"), **RESCUE)

# Attack: the code, what was installed before it, what is offered.
ATTACKS: dict[str, tuple[str, tuple[Offer, ...], Offer]] = {
    "duplicate key": ("cbor.duplicate", (), rewritten(
        lambda whole: bytes((whole[0] + 1,)) + whole[1:3] + whole[1:])),
    "unsorted keys": ("cbor.order", (), rewritten(
        lambda whole: whole[:3] + whole[5:7] + whole[3:5] + whole[7:])),
    "integer not the shortest": ("cbor.length", (), rewritten(
        lambda whole: whole[:4] + b"\x18" + whole[4:])),
    "indefinite map": ("cbor.indefinite", (), rewritten(
        lambda whole: b"\xbf" + whole[1:] + b"\xff")),
    "indefinite string": ("cbor.indefinite", (), added(b"\x5f\x41a\xff")),
    "nesting bomb": ("cbor.depth", (), added(b"\x81" * 4000 + b"\x00")),
    "huge length": ("cbor.truncated", (), added(b"\x5b" + b"\xff" * 8)),
    "huge count": ("cbor.truncated", (), added(b"\x9b" + b"\xff" * 8)),
    "one signature twice": ("cose.signature_repeated", (), reshaped(twice)),
    "one key twice in a group": ("bundle.key_repeated", (), grouped(2)),
    "one key under two groups": ("bundle.key_repeated", (), grouped(1, 1)),
    "algorithm confusion": ("cose.algorithm", (), reshaped(relabelled)),
    "signature of another message": ("cose.signature_invalid", (), moved(
        "state", {"sequence": 2}, "state", {"sequence": 3})),
    "signature of another type": ("cose.signature_invalid", (), moved(
        "state", RESCUE, "rescue", RESCUE)),
    "signature of another epoch": ("cose.signature_invalid", (rescue,), moved(
        "rescue", RESCUE, "rescue", {**RESCUE, "epoch": 2})),
    "extra signature": ("cose.signature_foreign", (), signed("state", ("signer", "backup"))),
    "foreign signature": ("cose.signature_foreign", (), signed("state", ("thief",))),
    "unprotected of the message": ("cose.unprotected", (), reshaped(
        lambda parts: parts.__setitem__(1, {4: b"kid"}))),
    "unprotected of a signature": ("cose.unprotected", (), reshaped(
        lambda parts: parts[3][0].__setitem__(1, {4: b"kid"}))),
    "replay of an older bundle": ("update.rollback", (second,), lambda world: world.first),
    "replay from before a rescue": ("update.epoch_old", (second, rescue), second),
    "after a fast-forward": ("update.rollback", (forward,), signed("state", ("signer",), 3)),
    "recovery without the backup": ("update.threshold", (forward,), signed(
        "rescue", ("signer",), **RESCUE)),
    "old and new authority mixed": ("update.threshold", (), mixed(SUCCESSOR)),
    "the old authority again": ("update.threshold", (rotated,), signed(
        "state", ("signer",), 9)),
    "the old authority for the new": ("cose.signature_foreign", (rotated,), signed(
        "state", ("signer",), 9, authority=SUCCESSORS)),
    "backup replaced by a stolen signer": ("update.threshold", (), captured),
    "forked link": ("update.link_forked", (rotated,), forked),
    "hostile pins after the rescue": ("update.epoch_old", (rescue,), hostile),
    "audience of another product": ("update.audience", (), signed(
        "state", ("signer",), products=["valve"])),
    "from the year 2099": ("time.issued_in_future", (), signed(
        "state", ("signer",), issued_at=4070908800)),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_has_its_code_and_changes_nothing(
    world: World, board: Board, attack: str
) -> None:
    code, before, offer = ATTACKS[attack]
    store = board.boots()
    for one in before:
        store.install(one(world))
    board.refuses(store, offer(world), code)
    assert packing.pack(board.boots().record) == packing.pack(store.record)


@pytest.mark.parametrize(
    "offer",
    [
        rewritten(lambda payload: payload),
        added(b"\x81" * 6 + b"\x00"),
        added(b"\x41a"),
        reshaped(lambda parts: None),
        moved("state", {"sequence": 2}, "state", {"sequence": 2}),
        moved("rescue", RESCUE, "rescue", RESCUE),
        mixed(SUCCESSOR, THIRD),
        rotated,
    ],
)
def test_without_the_attack_the_same_is_installed(
    world: World, board: Board, offer: Offer
) -> None:
    store = board.boots()
    before = store.state.payload_digest
    store.install(offer(world))
    assert before not in (store.state.payload_digest, board.boots().state.payload_digest)


@pytest.mark.parametrize("robbery", [forward, hostile], ids=["fast-forward", "hostile pins"])
def test_a_rescue_undoes_what_a_stolen_signer_installed(
    world: World, board: Board, robbery: Offer
) -> None:
    store = board.boots()
    own = [pin.spki_sha256 for pin in store.state.pin_sets[0].pins]
    store.install(robbery(world))
    store.install(rescue(world))
    store = board.boots()
    assert (store.record.epoch, store.record.sequence, store.record.trial) == (1, 1, b"")
    assert [pin.spki_sha256 for pin in store.state.pin_sets[0].pins] == own
    assert not store.state.denied
    assert not any(store.local.is_retired("web", one) for one in own)
    board.refuses(store, robbery(world), "update.epoch_old")
