# SPDX-License-Identifier: MIT
"""What `bundle sign` shows: every value that is signed, against a base that was signed."""

import base64
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from host_tools.signing import bundle_encode, describe, draft
from host_tools.signing.bundle_encode import Authority, Description, Key, Probe
from host_tools.signing.signers import key_record
from tests.certs import pki
from tests.host.test_bundle_cli import AFTER_FIRST, FIRST, bundle, desk, first, keys, made, refused
from trustanchor.state.anchors import Anchor
from trustanchor.state.model import Pin, PinSet, Service

__all__ = ["desk", "keys"]  # fixtures

KEYS = [
    Key(*key_record(ec.generate_private_key(ec.SECP256R1()).public_key(), "key")) for _ in range(9)
]
ROOTS = [pki.authority(f"Root {number} {'x' * 40}") for number in range(2)]


def printed(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """The lines a signer sees; digests and lengths, which differ anyhow, are left out."""
    hidden = ("bytes", "payload_digest", "signed_by")
    found = [one for one in describe.changes(old, new) if one["field"] not in hidden]
    out = io.StringIO()
    describe.print_changes(Console(file=out, width=140, highlight=False, markup=False), found)
    return out.getvalue().splitlines()


def shown(description: Description) -> tuple[bytes, dict[str, Any]]:
    payload = bundle_encode.encode_state(description)
    return payload, describe.describe(draft.unsigned("state", payload))


_names = st.text(st.sampled_from("ab: \\-"), min_size=1, max_size=5)
_groups = st.lists(st.sampled_from(KEYS), min_size=1, max_size=8, unique=True)
_authorities = st.lists(_groups.map(lambda keys: (1, keys)), min_size=1, max_size=2).map(Authority)
_hosts = st.lists(
    st.sampled_from(["a.example.net", "b.example.net", "*.example.org"]),
    min_size=1,
    max_size=3,
    unique=True,
)
_digests = st.integers(1, 5).map(lambda number: bytes([number]) * 32)
_pins = st.lists(
    st.builds(Pin, _digests, st.booleans(), st.none() | st.integers(1, 3)),
    min_size=2,
    max_size=5,
    unique_by=lambda pin: pin.spki_sha256,
).map(tuple)
_services = st.lists(
    st.builds(Service, _names, _hosts.map(tuple), port=st.none() | st.integers(1, 3)),
    min_size=1,
    max_size=3,
    unique_by=lambda one: one.name,
)
_sets = st.lists(st.builds(PinSet, _names, _pins), max_size=3, unique_by=lambda one: one.name)


@st.composite
def states(draw: st.DrawFn) -> Description:
    services = draw(_services)
    anchors = [
        Anchor(root.certificate.subject.public_bytes(), root.spki, hosts=draw(st.none() | _hosts))
        for root in draw(st.permutations(ROOTS))
    ]
    return Description(
        sequence=draw(st.integers(1, 2)),
        issued_at=1_800_000_000,
        authority=draw(_authorities),
        backup=draw(_authorities),
        services=services,
        pin_sets=draw(_sets),
        anchors=anchors,
        denied=draw(st.lists(_digests, max_size=3)),
        products=draw(st.none() | st.lists(_names, min_size=1, max_size=2, unique=True)),
        probes=[Probe(services[0].name, "a.example.net", 7)] if draw(st.booleans()) else [],
        extra=draw(st.dictionaries(st.integers(20, 23), st.integers(0, 2), max_size=2)),
    )


@settings(max_examples=15, deadline=None)
@given(states(), states())
def test_whatever_differs_in_the_payload_is_printed_whole(
    one: Description, other: Description
) -> None:
    (payload, old), (other_payload, new) = shown(one), shown(other)
    lines = printed(old, new)
    assert (lines != ["Nothing changes."]) == (payload != other_payload)
    assert (printed({}, old) == printed({}, new)) == (payload == other_payload)
    # No generated text has a dot, so three of them would be a text that was cut.
    assert not any("..." in line for line in lines + printed({}, new))
    # Every value of the new state that the old one lacks, one a line.
    assert not any("{" in line or "[" in line for line in lines)
    for signer in (one for _, group in other.authority.groups for one in group):
        assert any(bundle_encode.kid(signer).hex() in line for line in printed({}, new))


@settings(max_examples=15, deadline=None)
@given(states(), states(), states())
def test_two_states_after_one_are_never_printed_alike(
    base: Description, one: Description, other: Description
) -> None:
    _, old = shown(base)
    (payload, first_state), (other_payload, second_state) = shown(one), shown(other)
    alike = printed(old, first_state) == printed(old, second_state)
    assert alike == (payload == other_payload)


@pytest.mark.parametrize(
    ("one", "other"),
    [("a\\x1b", "a\x1b"), ("a", "a "), ("a", "\u0430"), ("x" * 300, "x" * 300 + "y")],
    ids=["escape", "space", "homoglyph", "long"],
)
def test_two_texts_are_never_printed_alike(one: str, other: str) -> None:
    assert describe.whole(one) != describe.whole(other)
    assert describe.whole(other).isprintable()
    assert describe.whole(other).isascii()


def _second(text: str = FIRST) -> None:
    Path("2.toml").write_text(text.replace("sequence = 1", "sequence = 2").replace("8883", "8884"))
    assert bundle("build", "2.toml", "--current", str(first())) == 0


def _with_base(current: bytes) -> None:
    document = json.loads(Path("2.draft").read_text())
    document["current"] = base64.b64encode(current).decode()
    Path("2.draft").write_text(json.dumps(document))


def test_a_renamed_pin_set_shows_every_pin(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed = FIRST.replace('"broker"', '"broker-2027"').replace("spare.pub", "new.pub")
    _second('revert = "never"\n' + changed)
    capsys.readouterr()
    assert bundle("sign", "2.draft", *AFTER_FIRST, "--key", "alice.pem") == 0
    new = spki_digest(Path("new.pub"))
    lines = capsys.readouterr().err.splitlines()
    assert any(
        line.startswith(f"+ pin_sets.broker-2027.pins.{new}.backup: True") for line in lines
    )


def spki_digest(path: Path) -> str:
    key = serialization.load_pem_public_key(path.read_bytes())
    encoding = serialization.Encoding.DER
    spki = key.public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


@pytest.mark.parametrize("how", [("--key", "alice.pem"), ("--export", "alice.pub")])
def test_a_base_nobody_signed_gets_no_signature(
    desk: Path, capsys: pytest.CaptureFixture[str], how: tuple[str, str]
) -> None:
    _second()
    genuine = draft.load(Path("2.draft")).current
    _with_base(draft.unsigned("state", draft.payload_of(genuine)))
    before = Path("2.draft").read_bytes()
    refused(capsys, "bundle.base_unsigned", "sign", "2.draft", *AFTER_FIRST, *how)
    _with_base(genuine.replace(b"broker.example.net", b"bricks.example.net"))
    refused(capsys, "bundle.base_unsigned", "sign", "2.draft", *AFTER_FIRST, *how)
    assert not Path("2.bob.state.tbs").exists()
    Path("2.draft").write_bytes(before)
    _with_base(genuine)
    assert bundle("sign", "2.draft", *AFTER_FIRST, *how) == 0


def test_one_signature_of_two_does_not_make_a_base(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _second()
    before = draft.load(Path("1.draft"))
    before.state.signatures.pop()
    _with_base(before.file())
    refused(capsys, "bundle.base_unsigned", "sign", "2.draft", *AFTER_FIRST, "--key", "alice.pem")


def test_the_base_is_the_bundle_the_signer_names(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _second()
    other = made(
        3,
        FIRST.replace("sequence = 1", "sequence = 3"),
        "--current",
        "1.bundle",
        signers=("alice.pem", "bob.pem"),
    )
    words = ("sign", "2.draft", "--key", "alice.pem", "--yes-to", "2")
    refused(capsys, "bundle.base_other", *words, "--current", str(other))
    refused(capsys, "bundle.base_other", *words, "--first")
    key = ("--key", "bob.pem")
    refused(capsys, "bundle.base_other", "sign", "1.draft", *key, "--current", "3.bundle")
    with pytest.raises(SystemExit) as usage:
        bundle(*words)
    assert usage.value.code == 2
    assert bundle(*words, "--current", "1.bundle") == 0


def test_another_order_is_a_difference() -> None:
    assert describe.changes({"a": 1, "b": 2}, {"b": 2, "a": 1}) != []
    assert describe.changes({"a": 1, "b": 2}, {"a": 1, "b": 2}) == []
