# SPDX-License-Identifier: MIT
"""What weakens protection is listed before everything else, and is signed only when confirmed."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from host_tools.commands import bundle as command
from host_tools.signing import bundle_encode, weakening
from host_tools.signing.bundle_encode import Authority, Description, Probe
from tests.host.test_bundle_cli import FIRST, bundle, desk, first, keys, refused
from tests.host.test_signing_shown import KEYS, ROOTS, shown, spki_digest, states
from trustanchor import kinds
from trustanchor.state.anchors import Anchor
from trustanchor.state.model import Pin, PinSet, Service

__all__ = ["desk", "keys"]  # fixtures


def said(old: Description, new: Description) -> list[str]:
    return weakening.weakenings(shown(old)[1], shown(new)[1])


def signers(state: Description, field: str) -> set[str]:
    groups = getattr(state, field).groups
    return {bundle_encode.kid(key).hex() for _, members in groups for key in members}


def pins(state: Description) -> set[tuple[str, str]]:
    return {(one.name, pin.spki_sha256.hex()) for one in state.pin_sets for pin in one.pins}


def hosts(state: Description) -> set[tuple[str, str]]:
    return {(one.name, host) for one in state.services for host in one.hosts}


@settings(max_examples=60, deadline=None)
@given(states(), states())
def test_every_new_key_and_host_and_every_lost_guard_is_listed(
    old: Description, new: Description
) -> None:
    lines = said(old, new)
    everything = "\n".join(lines)
    for field in ("authority", "backup"):
        for kid in signers(new, field) - signers(old, field):
            assert any(line.startswith(field) and kid in line for line in lines)
    added = {pin for _, pin in pins(new)} - {pin for _, pin in pins(old)}
    assert all(pin in everything for pin in added)
    for _, pin in pins(old) - pins(new):
        assert pin in everything or " is gone" in everything
    for digest in set(old.denied) - set(new.denied):
        assert f"denied: {digest.hex()} is gone" in lines
    if hosts(new) - hosts(old):
        assert any(line.startswith("services.") for line in lines)
    if old.products is not None and new.products is None:
        assert any(line.startswith("products: ") for line in lines)


@settings(max_examples=20, deadline=None)
@given(states())
def test_a_state_is_no_weaker_than_itself_or_with_a_key_denied(state: Description) -> None:
    assert said(state, state) == []
    more = replace(state, sequence=3, denied=[*state.denied, b"\x77" * 32])
    assert said(state, more) == []


_SERVICE = Service("web", ("a.example.net",), 443, pin_set="p", needs_clock=True)
_PINS = (Pin(b"\x01" * 32, False, None, 1_900_000_000), Pin(b"\x02" * 32, True))
_ANCHOR: dict[str, Any] = {"trust_until": 2_000_000_000, "distrust_leaf_after": 1_990_000_000}
_ANCHOR["hosts"] = ["a.example.net"]


def _anchor(**changed: Any) -> list[Anchor]:
    root = ROOTS[0]
    return [Anchor(root.certificate.subject.public_bytes(), root.spki, **{**_ANCHOR, **changed})]


BASE = Description(
    sequence=1,
    issued_at=1_800_000_000,
    expires_at=1_900_000_000,
    authority=Authority([(2, KEYS[:3])]),
    backup=Authority([(1, KEYS[3:4])]),
    services=[_SERVICE],
    pin_sets=[PinSet("p", _PINS)],
    anchors=_anchor(),
    denied=[b"\x05" * 32],
    products=["lamp"],
    probes=[Probe("web", "a.example.net", 443)],
)


def _service(**changed: Any) -> list[Service]:
    made = Service("web", ("a.example.net",), 443, pin_set="p", needs_clock=True)
    for name, value in changed.items():
        setattr(made, name, value)
    return [made]


WEAKER: dict[str, tuple[dict[str, Any], str]] = {
    "threshold": ({"authority": Authority([(1, KEYS[:3])])}, "authority.0.threshold: 2 becomes 1"),
    "signer": ({"authority": Authority([(2, [*KEYS[:3], KEYS[4]])])}, "is a new signer"),
    "backup": ({"backup": Authority([(1, KEYS[4:5])])}, "backup.0: "),
    "new pin": ({"pin_sets": [PinSet("p", (*_PINS, Pin(b"\x03" * 32, False)))]}, "03 is new"),
    "longer pin": (
        {"pin_sets": [PinSet("p", (Pin(b"\x01" * 32, False), _PINS[1]))]},
        "not_after: 2030-03-17T17:46:40Z becomes absent",
    ),
    "ratchet": (
        {"pin_sets": [PinSet("p", _PINS, ratchet=kinds.RATCHET_NEVER)]},
        "pin_sets.p.ratchet: backup becomes never",
    ),
    "order": ({"pin_sets": [PinSet("p", _PINS[::-1])]}, "pin_sets.p.pins: in another order"),
    "hosts": ({"services": _service(hosts=("*.example.net",))}, "*.example.net is new"),
    "port": ({"services": _service(port=None)}, "services.web.port: 443 becomes absent"),
    "pins off": ({"services": _service(pin_set=None)}, "services.web.pins: p becomes absent"),
    "audit": ({"services": _service(enforce=False)}, "services.web.audit: absent becomes True"),
    "clock": ({"services": _service(needs_clock=False)}, "needs_clock: True becomes absent"),
    "new service": ({"services": [*_service(), Service("x", ("b.example.net",))]}, "x is new"),
    "deny": ({"denied": []}, f"denied: {'05' * 32} is gone"),
    "anchor hosts": ({"anchors": _anchor(hosts=None)}, "hosts: a.example.net becomes everything"),
    "distrust": ({"anchors": _anchor(distrust_leaf_after=None)}, "distrust_leaf_after: 2033"),
    "until": ({"anchors": _anchor(trust_until=2_000_000_001)}, "trust_until: 2033"),
    "anchor gone": ({"anchors": []}, "is gone"),
    "audience": ({"products": None}, "products: lamp becomes everything"),
    "expiry": ({"expires_at": None}, "expires_at: 2030-03-17T17:46:40Z becomes absent"),
    "probe": ({"probes": []}, "probes: web a.example.net 443 is gone"),
    "override": ({"overrides": ["revert"]}, "overrides: revert is new"),
    "extra": ({"extra": {20: 1}}, "ignored_fields: "),
}


_BOTH_WAYS = ("order", "backup", "extra")  # weaker whichever of the two came first


@pytest.mark.parametrize("name", WEAKER)
def test_a_change_that_weakens_has_a_line_that_its_reverse_has_not(name: str) -> None:
    changed, wanted = WEAKER[name]
    new = replace(BASE, sequence=2, **changed)
    lines, back = said(BASE, new), said(new, BASE)
    assert any(wanted in line for line in lines), lines
    if name not in _BOTH_WAYS:
        assert not any(wanted in line for line in back), back


def test_a_pin_that_goes_is_listed() -> None:
    more = replace(BASE, pin_sets=[PinSet("p", (*_PINS, Pin(b"\x03" * 32, False)))])
    assert said(more, replace(BASE, sequence=2)) == [f"pin_sets.p.pins.{'03' * 32} is gone"]


def test_a_field_nobody_thought_of_is_listed() -> None:
    old = shown(BASE)[1]
    new = {**old, "colour": "red"}
    assert weakening.weakenings(old, new) == ["colour: absent becomes red"]
    service = {**old["services"]["web"], "colour": "red"}
    new = {**old, "services": {"web": service}}
    assert weakening.weakenings(old, new) == ["services.web.colour: absent becomes red"]


def _stolen() -> None:
    """Build 2.draft, which pins another server key besides."""
    text = FIRST.replace("sequence = 1", "sequence = 2")
    text = text.replace('{ key = "spare.pub"', '{ key = "new.pub" }, { key = "spare.pub"')
    Path("2.toml").write_text(text)
    assert bundle("build", "2.toml", "--current", str(first())) == 0


@pytest.mark.parametrize("how", [("--key", "alice.pem"), ("--export", "alice.pub")])
def test_a_weaker_state_is_signed_only_with_its_number(
    desk: Path, capsys: pytest.CaptureFixture[str], how: tuple[str, str]
) -> None:
    _stolen()
    before = {path: path.read_bytes() for path in desk.iterdir()}
    words = ("sign", "2.draft", "--current", "1.bundle", *how)
    assert "--yes-to" in refused(capsys, "bundle.not_confirmed", *words)
    refused(capsys, "bundle.not_confirmed", *words, "--yes-to", "1")
    assert {path: path.read_bytes() for path in desk.iterdir()} == before
    capsys.readouterr()
    assert bundle(*words, "--yes-to", "2") == 0
    lines = capsys.readouterr().err.splitlines()
    pin = spki_digest(Path("new.pub"))
    listed = lines.index(f"! pin_sets.broker.pins.{pin} is new")
    assert lines.index("Weaker than before:") < listed
    assert listed < lines.index("Everything that changes:")


@pytest.mark.parametrize(("typed", "signs"), [("2\n", True), ("1\n", False), ("", False)])
def test_at_a_terminal_the_number_is_typed(
    desk: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    signs: bool,
) -> None:
    _stolen()
    terminal = io.StringIO(typed)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(command.sys, "stdin", terminal)
    before = Path("2.draft").read_bytes()
    capsys.readouterr()
    words = ("sign", "2.draft", "--current", "1.bundle", "--key", "alice.pem")
    assert (bundle(*words) == 0) == signs
    asked = capsys.readouterr().err.partition("Type the sequence number")[2].splitlines()[0]
    assert "2" not in asked  # nobody copies it from the question
    assert (Path("2.draft").read_bytes() != before) == signs


def test_what_weakens_nothing_needs_no_confirmation(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = FIRST.replace("sequence = 1", "sequence = 2")
    Path("2.toml").write_text(text)
    assert bundle("build", "2.toml", "--current", str(first())) == 0
    capsys.readouterr()
    assert bundle("sign", "2.draft", "--current", "1.bundle", "--key", "alice.pem") == 0
    assert "Weaker" not in capsys.readouterr().err
    words = ("sign", "2.draft", "--current", "1.bundle", "--key", "bob.pem")
    refused(capsys, "bundle.not_confirmed", *words, "--yes-to", "9")
