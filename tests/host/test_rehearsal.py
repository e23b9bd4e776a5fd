# SPDX-License-Identifier: MIT
"""What devices would say is said at build, about each state that devices have, with the entry."""

import json
from pathlib import Path

import pytest

from host_tools.cli import main as cli
from tests.certs import pki
from tests.host.test_bundle_cli import FIRST, bundle, desk, first, keys, made, refused
from trustanchor.update.cose import Message

__all__ = ["desk", "keys"]  # fixtures

SECOND = FIRST.replace("sequence = 1", "sequence = 2")
THIRD = FIRST.replace("sequence = 1", "sequence = 3")


def changed_signers() -> str:
    """Make 1.bundle and 2.bundle, in which carol takes over from bob; returns the third state."""
    changed = 'overrides = ["revert"]' + SECOND.replace("bob.pub", "carol.pub")
    made(2, changed, "--current", str(first()), signers=("alice.pem", "bob.pem", "carol.pem"))
    return changed.replace("sequence = 2", "sequence = 3")


def built(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, str]:
    """Build 3.toml; returns {bundle: what a device that has it would say}."""
    capsys.readouterr()
    assert bundle("build", "3.toml", *words, "--json") == 0
    said = json.loads(capsys.readouterr().out)["devices"]
    return {row["bundle"]: row["code"] for row in said}


def test_what_each_older_state_would_say_is_printed_at_build(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("3.toml").write_text(changed_signers())
    assert built(capsys, "--current", "2.bundle") == {"2.bundle": "ok", "1.bundle": "ok"}
    Path("3.draft").unlink()
    link = Path("2.link").read_bytes()
    Path("2.link").unlink()
    said = built(capsys, "--current", "2.bundle")
    assert said == {"2.bundle": "ok", "1.bundle": "update.threshold"}
    Path("3.draft").unlink()
    assert bundle("build", "3.toml", "--current", "2.bundle") == 0
    shown = capsys.readouterr().out
    assert "1.bundle: a device that has it will answer update.threshold" in shown
    Path("3.draft").unlink()
    # A state that is named must be led to the new one.
    both = ("--current", "1.bundle", "--current", "2.bundle")
    message = refused(capsys, "update.threshold", "build", "3.toml", *both)
    assert message.startswith("1.bundle: ")
    assert not Path("3.draft").exists()
    Path("elsewhere").write_bytes(link)
    said = built(capsys, *both, "--link", "elsewhere")
    assert said == {"1.bundle": "ok", "2.bundle": "ok"}


@pytest.mark.parametrize("order", [("1", "2"), ("2", "1")])
def test_the_newest_of_several_is_replaced(
    desk: Path, capsys: pytest.CaptureFixture[str], order: tuple[str, str]
) -> None:
    Path("3.toml").write_text(changed_signers())
    words = [word for number in order for word in ("--current", f"{number}.bundle")]
    assert bundle("build", "3.toml", *words) == 0
    key = ("--yes-to", "3", "--key", "alice.pem")
    refused(capsys, "bundle.base_other", "sign", "3.draft", *words, *key)
    refused(capsys, "bundle.base_other", "sign", "3.draft", "--current", "1.bundle", *key)
    assert bundle("sign", "3.draft", "--current", "2.bundle", *key) == 0


def test_verify_looks_at_every_current(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(3, changed_signers(), "--current", "2.bundle", signers=("alice.pem", "carol.pem"))
    newer = ("--current", "3.bundle")
    older = ("--current", "1.bundle")
    for words in ((*newer, *older), (*older, *newer)):
        capsys.readouterr()
        assert bundle("verify", "3.bundle", *words) == 1
        shown = capsys.readouterr().out
        assert "1.bundle: accepted" in shown
        assert "3.bundle: update.current" in shown
        assert bundle("verify", "3.bundle", *words, "--json") == 1
        said = json.loads(capsys.readouterr().out)
        assert said["code"] == "update.current"
        assert sorted(row["code"] for row in said["devices"]) == ["ok", "update.current"]
    assert bundle("verify", "3.bundle", *older, "--current", "2.bundle") == 0


_PINS = 'pins = [{ key = "server.pub" }, { key = "spare.pub", backup = true }]'


@pytest.mark.parametrize(
    ("change", "code", "where"),
    [
        (("hosts = [", 'mode = "anchors"\nhosts = ['), "service.pins_unused", "mqtt"),
        (('[[probe]]\nservice = "mqtt"', ""), "bundle.probe_missing", "mqtt"),
        ((_PINS, "pins = []"), "toml.field", "[pin_set 1]"),
        ((_PINS, 'pins = [{ key = "server.pub" }]'), "toml.field", "[pin_set 1]"),
        (("port = 8883", "port = 0"), "toml.field", "[service 1]"),
        (("spare.pub", "server.pub"), "pin.duplicate", "broker"),
        (
            ("[[anchor]]", '[[anchor]]\ncertificate = "leaf.pem"\n[[anchor]]'),
            "anchor.",
            "anchor 1",
        ),
        (
            ('certificate = "root.pem"', 'certificate = "root.pem"\nhosts = []'),
            "cbor.range",
            "[anchor 1]",
        ),
        (
            (
                'certificate = "root.pem"',
                'certificate = "root.pem"\ndistrust_leaf_after = 2026-01-01',
            ),
            "anchor.distrust_open",
            "[anchor 1]",
        ),
        (("[[anchor]]", '[[anchor]]\ncertificate = "root.pem"\n[[anchor]]'), "", "anchor 1"),
        (('"bob.pub"]', '"alice.pub"]'), "bundle.key_repeated", ""),
        (('keys = ["vault.pub"]', 'keys = ["alice.pub"]'), "bundle.key_repeated", ""),
        (("sequence = 1", "sequence = 1\nexpires_at = 2020-01-01"), "", ""),
        (("sequence = 1", "sequence = 1\nissued_at = 2099-01-01"), "time.issued_in_future", ""),
        (("[[pin_set]]", '[[service]]\nname = "mqtt"\n[[pin_set]]'), "", "service 2"),
        (("sequence = 1", "sequence = 0"), "toml.field", "sequence is 0"),
    ],
)
def test_what_the_last_signature_would_be_refused_for_is_refused_at_build(
    desk: Path,
    capsys: pytest.CaptureFixture[str],
    change: tuple[str, str],
    code: str,
    where: str,
) -> None:
    ca = pki.authority("A CA")
    Path("leaf.pem").write_bytes(pki.end_entity("a.example.net", issuer=ca).pem)
    assert change[0] in FIRST
    Path("1.toml").write_text(FIRST.replace(*change, 1))
    capsys.readouterr()
    assert bundle("build", "1.toml", "--first", "--json") == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"].startswith(code), error
    assert where in error["message"], error
    assert "1.toml" in error["message"]
    assert not Path("1.draft").exists()


def test_a_change_that_needs_an_override_is_refused_at_build_and_taken_with_it(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("2.toml").write_text(SECOND.replace("bob.pub", "carol.pub"))
    words = ("build", "2.toml", "--current", str(first()))
    assert "signers" in refused(capsys, "update.revert_rule", *words)
    Path("2.toml").write_text('overrides = ["revert"]\n' + Path("2.toml").read_text())
    assert bundle(*words) == 0


def test_signatures_count_again_after_a_rehearsal(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    genuine = Message.verifying
    one = first()
    assert Message.verifying is genuine
    forged = one.read_bytes()[:-1] + bytes([one.read_bytes()[-1] ^ 1])
    Path("forged.bundle").write_bytes(forged)
    capsys.readouterr()
    assert cli.main(["bundle", "verify", "forged.bundle", "--first", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["code"] == "cose.signature_invalid"
