# SPDX-License-Identifier: MIT
"""What a state says that cannot be meant is said when it is built and when it is signed."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from host_tools.signing import contradictions
from tests.certs import pki
from tests.host.test_bundle_cli import FIRST, bundle, desk, keys

__all__ = ["desk", "keys"]  # fixtures

NOW = "2026-11-27T00:00:00Z"
PAST, FUTURE = "2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z"
A, B = "a" * 64, "b" * 64
ROOT = pki.authority("Root")


def pin(backup: bool = False, end: str | None = None) -> dict[str, Any]:
    return {"place": 0, "backup": backup or None, "not_before": None, "not_after": end}


GOOD: dict[str, Any] = {
    "denied": ["c" * 64],
    "services": {"mqtt": {"pins": "web"}},
    "pin_sets": {"web": {"ratchet": "backup", "pins": {A: pin(), B: pin(True, FUTURE)}}},
    "anchors": {"x": {"name": "Root", "spki_sha256": "d" * 64, "trust_until": FUTURE}},
}


def said(change: Any) -> list[str]:
    shown = copy.deepcopy(GOOD)
    change(shown)
    return contradictions.contradictions(shown, NOW)


def test_a_state_that_is_meant_has_none() -> None:
    assert said(lambda shown: None) == []


def web(**pins: dict[str, Any]) -> Any:
    """Change pins of the set: the primary A, the backup B."""
    changed = {{"primary": A, "backup": B}[name]: one for name, one in pins.items()}
    return lambda shown: shown["pin_sets"]["web"]["pins"].update(changed)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s["denied"].append(A), f"key {A} is pinned and denied"),
        (lambda s: s["denied"].append("d" * 64), "anchor Root: its key is denied"),
        (lambda s: s["denied"].append(B), "every backup has ended or is denied"),
        (web(primary=pin(end=PAST)), f"{A} ended on {PAST}"),
        (web(backup=pin(True, PAST)), "every backup has ended"),
        (web(backup=pin()), "no pin is marked as a backup"),
        (lambda s: s["denied"].extend((A, B)), "no server is accepted by it"),
        (lambda s: s["services"]["mqtt"].update(pins=None), "no service uses it"),
        (lambda s: s["anchors"]["x"].update(trust_until=PAST), f"its trust ended on {PAST}"),
    ],
)
def test_each_is_a_sentence_that_names_the_thing(change: Any, words: str) -> None:
    found = said(change)
    assert [line for line in found if words in line], found


def test_a_set_without_ratchet_needs_no_backup() -> None:
    def never(shown: dict[str, Any]) -> None:
        shown["pin_sets"]["web"].update(ratchet="never", pins={A: pin(), B: pin()})

    assert said(never) == []


def test_build_and_sign_print_them(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    digest = first_pin(capsys)
    Path("1.toml").write_text(f'deny = ["{digest}"]\n' + FIRST)
    assert bundle("build", "1.toml", "--first", "--json") == 0
    shown = capsys.readouterr()
    assert any("pinned and denied" in line for line in json.loads(shown.out)["warnings"])
    assert "warning: pin_sets.broker: key" in shown.err
    assert bundle("sign", "1.draft", "--first", "--key", "alice.pem") == 0
    assert "warning: pin_sets.broker: key" in capsys.readouterr().err


def first_pin(capsys: pytest.CaptureFixture[str]) -> str:
    """The first pinned key of FIRST, which is built and signed without a warning."""
    Path("0.toml").write_text(FIRST)
    capsys.readouterr()
    assert bundle("build", "0.toml", "--first", "--json") == 0
    shown = capsys.readouterr()
    assert (json.loads(shown.out)["warnings"], shown.err) == ([], "")
    for signer in ("alice.pem", "bob.pem"):
        Path(signer).chmod(0o600)
        assert bundle("sign", "0.draft", "--first", "--key", signer) == 0
        assert "warning" not in capsys.readouterr().err
    assert bundle("inspect", "0.bundle", "--json") == 0
    return str(next(iter(json.loads(capsys.readouterr().out)["pin_sets"]["broker"]["pins"])))


def test_build_doubts_a_pinned_key_that_no_server_can_prove(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edwards = ed25519.Ed25519PrivateKey.generate()
    Path("server.pem").write_bytes(pki.end_entity("a.example", key=edwards, issuer=ROOT).pem)
    Path("edwards.pub").write_bytes(
        edwards.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    for name in ("server.pem", "edwards.pub"):
        Path("1.toml").write_text(FIRST.replace('"server.pub"', f'"{name}"'))
        assert bundle("build", "1.toml", "--first", "-o", f"{name}.draft") == 0
        shown = " ".join(capsys.readouterr().err.split())
        assert f"[pin_set 1, pins 1]: {name}:" in shown and "(tls.alert)" in shown
