# SPDX-License-Identifier: MIT
"""Attacks on a real bundle: every byte, every length, every signature moved. Real cryptography.

A signed bundle is offered to a device in every damaged form there is; each ends in a coded
refusal and none changes the record or what the sources hold.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from host_tools.bundle_encode import (
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
from trustanchor import packing, update
from trustanchor.anchors import Anchor
from trustanchor.bundle import parse
from trustanchor.cbor import BytesSource
from trustanchor.errors import TrustError
from trustanchor.limits import BUILD_AT
from trustanchor.state import MODE_KEY, Pin, PinSet, Service

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
        self.record, _ = update.accept(None, (), BytesSource(self.first), (BUILD_AT, 0), Device)
        self.loaded = (parse(BytesSource(self.first)),)

    def payload(self, sequence: int, **fields: object) -> bytes:
        pins = [Pin(bytes([number]) * 32, number > 1) for number in (1, 2)]
        defaults: dict[str, object] = {
            "sequence": sequence,
            "issued_at": BUILD_AT,
            "authority": self.ordinary,
            "backup": self.rescuers,
            "services": [Service("web", ["web.example"], mode=MODE_KEY, pin_set="web")],
            "pin_sets": [PinSet("web", pins)],
            "probes": [Probe("web")],
            "products": ["pump"],
        }
        return encode_state(Description(**{**defaults, **fields}))  # type: ignore[arg-type]

    def offer(self, data: bytes | bytearray) -> str:
        """The code of the refusal, or "ok"; the record may not move."""
        before = packing.pack(self.record)
        source = BytesSource(bytes(data))
        try:
            update.accept(self.record, self.loaded, source, (BUILD_AT, 0), Device)
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
        assert world.offer(good[:length]) != "ok", length


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
