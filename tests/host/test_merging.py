# SPDX-License-Identifier: MIT
"""Drafts that were signed in several places: put together, told apart, and read by people."""

import json
import shutil
from pathlib import Path

import pytest

from host_tools.cli import main as cli
from host_tools.signing import labels
from tests.host.test_bundle_cli import AFTER_FIRST, FIRST, bundle, desk, keys, refused

__all__ = ["desk", "keys"]  # fixtures
CURRENT = ("--current", "1.bundle")


@pytest.fixture
def signed_apart(desk: Path) -> Path:
    """2.draft without a signature, alices.draft and bobs.draft with one each."""
    Path("1.toml").write_text(FIRST)
    assert bundle("build", "1.toml", "--first") == 0
    for name in ("alice", "bob"):
        assert bundle("sign", "1.draft", "--first", "--key", f"{name}.pem") == 0
    Path("2.toml").write_text(FIRST.replace("sequence = 1", "sequence = 2"))
    assert bundle("build", "2.toml", *CURRENT) == 0
    for name in ("alice", "bob"):
        shutil.copy("2.draft", f"{name}s.draft")
        assert bundle("sign", f"{name}s.draft", *AFTER_FIRST, "--key", f"{name}.pem") == 0
    return desk


def test_two_halves_make_a_bundle(signed_apart: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bundle("merge", "2.draft", "alices.draft", *CURRENT) == 0
    told = capsys.readouterr().out
    assert "(alice.pub) has signed state: taken from alices.draft" in told
    assert not Path("2.bundle").exists()
    assert bundle("merge", "2.draft", "alices.draft", "bobs.draft", *CURRENT) == 0
    assert bundle("verify", "2.bundle", *CURRENT) == 0


def test_a_whole_digest_keeps_its_digits_together(signed_apart: Path) -> None:
    known = labels.beside(Path())
    (kid,) = [kid for kid, name in known.items() if name == "alice.pub"]
    whole = kid + "27553ec48e845578"
    assert labels.shown({"keys": [f"ES256 {whole}"]}, known) == {
        "keys": [f"ES256 {whole} (alice.pub)"]
    }
    assert labels.shown(f"ff{kid}", known) == f"ff{kid}"
    assert labels.shown(f"ES256 {kid}, {kid}", known).count("(alice.pub)") == 2


def test_merging_twice_adds_nothing(
    signed_apart: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bundle("merge", "alices.draft", "alices.draft", *CURRENT) == 0
    assert "has all of their signatures already" in capsys.readouterr().out


def test_another_state_is_refused_and_named(
    signed_apart: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = Path("2.toml").read_text().replace("8883", "8884")
    Path("3.toml").write_text(text)
    assert bundle("build", "3.toml", *CURRENT) == 0
    before = Path("3.draft").read_bytes()
    refused(capsys, "bundle.merge", "merge", "3.draft", "alices.draft", *CURRENT)
    assert Path("3.draft").read_bytes() == before
    assert bundle("diff", "3.draft", "alices.draft") == 0
    told = capsys.readouterr().out
    assert "8883" in told and "8884" in told


def test_a_signature_that_is_not_one_is_refused(
    signed_apart: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads(Path("alices.draft").read_text())
    other = json.loads(Path("bobs.draft").read_text())
    signature = other["parts"][0]["signatures"][0]["signature"]
    document["parts"][0]["signatures"][0]["signature"] = signature
    Path("forged.draft").write_text(json.dumps(document))
    before = Path("2.draft").read_bytes()
    refused(capsys, "cose.signature_invalid", "merge", "2.draft", "forged.draft", *CURRENT)
    assert Path("2.draft").read_bytes() == before
    assert bundle("inspect", "forged.draft") == 1
    assert "not valid" in capsys.readouterr().out


def test_a_draft_of_another_base_is_refused(
    signed_apart: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bundle("build", "2.toml", "-o", "first.draft", "--first") == 0
    refused(capsys, "bundle.base_other", "merge", "2.draft", "first.draft", *CURRENT)
    refused(capsys, "bundle.base_other", "merge", "2.draft", "alices.draft", "--first")


def test_a_draft_shows_who_has_signed_and_who_is_missing(
    signed_apart: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["bundle", "inspect", "alices.draft", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert len(shown["signed_by"]) == 1 and len(shown["missing"]) == 1
    assert shown["sequence"] == 2
    assert bundle("inspect", "alices.draft") == 0
    told = capsys.readouterr().out
    assert "(alice.pub)" in told and "(bob.pub)" in told
    assert bundle("diff", "1.bundle", "2.draft") == 0
    assert "sequence" in capsys.readouterr().out
