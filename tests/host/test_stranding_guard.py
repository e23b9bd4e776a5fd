# SPDX-License-Identifier: MIT
"""`bundle build` and `bundle sign` refuse what strands a fleet, unless its payload says why."""

import json
from pathlib import Path

import pytest

from host_tools.cli import main as cli
from host_tools.signing import describe, draft, weakening
from tests.host.test_bundle_cli import FIRST, bundle, desk, first, keys, refused
from trustanchor.update.cose import Message

__all__ = ["desk", "keys"]  # fixtures

HOST = "broker.example.net"
PLAN = f"""
until = 2100-01-01
[[state]]
bundle = "1.bundle"
clocks = ["known"]
[[server]]
host = "{HOST}"
port = 8883
[[server.chain]]
[server.chain.planned]
key = "server.pub"
issuer = ["root.pem"]
not_before = 2020-01-01
not_after = 2101-01-01
"""
REASON = "the old server key was stolen"
KEPT = FIRST.replace("sequence = 1", "sequence = 2")
PINS = '{ key = "server.pub" }, { key = "spare.pub", backup = true }'
LOST = KEPT.replace(PINS, PINS.replace("server.pub", "new.pub"))
BUILD = ("build", "2.toml", "--current", "1.bundle")
SIGN = ("sign", "2.draft", "--current", "1.bundle", "--yes-to", "2", "--key", "alice.pem")
FLEET = ("--fleet", "plan.toml")
ACCEPT = (*FLEET, "--accept-stranding", REASON)


@pytest.fixture
def fleet(desk: Path) -> Path:
    first()
    Path("2.toml").write_text('revert = "never"\n' + LOST)
    Path("plan.toml").write_text(PLAN)
    return desk


def test_a_state_that_every_server_satisfies_is_built_and_signed(fleet: Path) -> None:
    Path("2.toml").write_text(KEPT)
    assert bundle(*BUILD, *FLEET) == 0
    assert bundle(*SIGN, *FLEET) == 0
    made = draft.load(Path("2.draft"))
    shown = describe.describe(draft.unsigned(made.state.kind, made.state.payload))
    assert shown["accepted_stranding"] is None


def test_a_state_without_the_pin_of_the_server_is_refused_at_build(
    fleet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(capsys, "bundle.stranding", *BUILD, *FLEET)
    assert f"state 0/2 lose {HOST} (chain 1)" in message
    assert "pin.none_matched" in message and "--accept-stranding" in message
    assert not Path("2.draft").exists()


def test_a_signer_who_rehearses_refuses_what_was_built_without(
    fleet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bundle(*BUILD) == 0
    before = Path("2.draft").read_bytes()
    refused(capsys, "bundle.stranding", *SIGN, *FLEET)
    # Words that nobody has signed accept nothing.
    refused(capsys, "bundle.stranding", *SIGN, *ACCEPT)
    assert Path("2.draft").read_bytes() == before


def test_the_accepted_reason_is_signed_shown_first_and_confirmed_by_its_words(
    fleet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bundle(*BUILD, *ACCEPT) == 0
    refused(capsys, "bundle.stranding", *SIGN, *FLEET)
    other = (*FLEET, "--accept-stranding", "another reason")
    refused(capsys, "bundle.stranding", *SIGN, *other)
    unread = tuple(word for word in SIGN if word not in ("--yes-to", "2"))
    refused(capsys, "bundle.not_confirmed", *unread, *ACCEPT)
    assert bundle(*SIGN, *ACCEPT) == 0
    assert f"! accepted_stranding: {REASON}" in capsys.readouterr().err
    assert bundle(*SIGN[:-1], "bob.pem", *ACCEPT) == 0
    assert bundle("verify", "2.bundle", "--current", "1.bundle") == 0
    capsys.readouterr()
    assert bundle("inspect", "2.bundle", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["accepted_stranding"] == REASON
    assert said["ignored_fields"] == {}
    assert REASON.encode() in draft.payload_of(Path("2.bundle").read_bytes())


def test_the_reason_of_a_state_is_signed_and_stands_in_the_log(
    fleet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("2.toml").write_text('reason = "yearly *rotation*"\n' + KEPT)
    assert bundle(*BUILD, *FLEET) == 0
    for signer in ("alice.pem", "bob.pem"):
        assert bundle(*SIGN[:-1], signer) == 0
    capsys.readouterr()
    assert cli.main(["log", ".", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["states"][1]["reason"] == "yearly *rotation*"
    assert cli.main(["log", ".", "--markdown"]) == 0
    assert "- reason: yearly \\*rotation\\*" in capsys.readouterr().out
    for wrong in ('""', '"\u00fc"', '"a\\nb"', f'"{"a" * 513}"', "5"):
        Path("3.toml").write_text(f"reason = {wrong}\n" + KEPT)
        assert "reason" in refused(capsys, "toml.field", "build", "3.toml", *BUILD[2:])


def test_a_stranding_that_was_accepted_before_is_said_anew() -> None:
    old = {"accepted_stranding": REASON}
    assert weakening.weakenings(old, old) == [f"accepted_stranding: {REASON}"]
    assert weakening.weakenings(old, {"accepted_stranding": None}) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--accept-stranding", REASON), "name the plan"),
        ((*FLEET, "--accept-stranding", ""), "1 to 512"),
        ((*FLEET, "--accept-stranding", "\u00fc"), "ASCII"),
    ],
)
def test_a_reason_needs_a_plan_and_is_plain_text(
    fleet: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert said in refused(capsys, "bundle.reason", *BUILD, *words)
    assert said in refused(capsys, "bundle.reason", *BUILD[:2], "--first", *words)


def test_nothing_is_accepted_where_nobody_is_stranded(
    fleet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("2.toml").write_text(KEPT)
    assert "No device" in refused(capsys, "bundle.reason", *BUILD, *ACCEPT)


def test_a_draft_that_devices_in_the_field_do_not_take_strands_them(
    fleet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two signers have changed since, and no link leads there."""
    changed = 'revert = "never"\n' + KEPT.replace("bob.pub", "carol.pub")
    Path("2.toml").write_text(changed)
    assert bundle(*BUILD) == 0
    for signer in ("alice.pem", "bob.pem", "carol.pem"):
        assert bundle(*SIGN[:-1], signer) == 0
    Path("2.link").unlink()
    Path("3.toml").write_text(changed.replace("sequence = 2", "sequence = 3"))
    words = ("build", "3.toml", "--current", "2.bundle")
    message = refused(capsys, "bundle.stranding", *words, *FLEET)
    assert "do not take state 0/3" in message and "update." in message
    later = PLAN.replace("1.bundle", "2.bundle")
    Path("plan.toml").write_text(later)
    assert bundle(*words, *FLEET) == 0


def test_signatures_count_again_after_the_guard(
    fleet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    genuine = Message.verifying
    refused(capsys, "bundle.stranding", *BUILD, *FLEET)
    assert Message.verifying is genuine


def test_a_plan_that_ends_before_the_draft_says_nothing(
    fleet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("plan.toml").write_text(PLAN.replace("until = 2100", "from = 2020-01-02\nuntil = 2021"))
    assert "before the draft" in refused(capsys, "plan.over", *BUILD, *FLEET)
