# SPDX-License-Identifier: MIT
"""The demo is exit code 0 only if the board said what it should have said, row by row."""

import json

import pytest

from host_tools.cli import main as cli
from host_tools.demo import steps, story
from host_tools.demo.servers import ANSWER
from host_tools.demo.steps import Row, Step


class FakeServer:
    def __init__(self, *arrived: bytes) -> None:
        self.visits = [type("Visit", (), {"application": data}) for data in arrived]


ACCEPTED = {"code": "ok", "answer": ANSWER.decode(), "pin": 0}
REQUEST = b"GET / HTTP/1.0\r\n\r\n"


@pytest.fixture(autouse=True)
def first_part_alone(monkeypatch):
    """The second part has its own tests, test_story.py."""
    monkeypatch.setattr(story, "tell", lambda folder: iter(()))


def test_the_whole_story_on_the_simulated_board(capsys):
    assert cli.main(["demo", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["as_expected"] is True
    assert [row["code"] for row in told["rows"]] == [step.expected for step in steps.story()]


def test_every_kind_of_acceptance_has_refusals_in_the_same_tls_version():
    for tls in ("1.2", "1.3"):
        expected = [step.expected for step in steps.story() if step.tls == tls]
        assert expected.count("ok") == 3
        assert expected.count("pin.none_matched") == 2
        assert "tls.proof" in expected


def test_a_verdict_that_is_not_as_expected_ends_in_exit_code_1(monkeypatch, capsys):
    wrong = steps.visiting("plain text", "ok", lambda w: steps.PlainTextServer())
    monkeypatch.setattr(steps, "story", lambda: [wrong])
    assert cli.main(["demo"]) == 1
    shown = capsys.readouterr().out
    assert "tls.plain_text" in shown
    assert "expected ok" in shown
    assert "1 NOT as expected" in shown


def test_a_board_that_fails_is_one_sentence(monkeypatch, capsys):
    def fail(world):
        world.visit("no_such_name")

    monkeypatch.setattr(steps, "story", lambda: [Step("a bad call", "", "ok", fail)])
    assert cli.main(["demo", "--json"]) == 1
    shown = capsys.readouterr()
    assert json.loads(shown.out)["error"]["code"] == "demo.board"
    assert shown.err.startswith("trustanchor: a bad call: the board failed: ")


@pytest.mark.parametrize(
    ("said", "arrived", "seconds", "fault"),
    [
        (ACCEPTED, [REQUEST], 0.1, ""),
        (ACCEPTED, [], 0.1, "did not arrive"),
        ({**ACCEPTED, "answer": "hell"}, [REQUEST], 0.1, "did not arrive"),
        ({**ACCEPTED, "pin": 1}, [REQUEST], 0.1, "Accepted by pin 1"),
        ({"code": "pin.none_matched"}, [b""], 0.1, ""),
        ({"code": "pin.none_matched"}, [b"G"], 0.1, "1 bytes had left"),
        ({"code": "tls.timeout"}, [], 9.0, "It took 9.0 s"),
    ],
)
def test_what_contradicts_the_code_is_a_fault(said, arrived, seconds, fault):
    found = steps.fault_of(said, FakeServer(*arrived), seconds, 0)
    assert (fault in found) if fault else (found == "")


def test_the_right_code_with_a_fault_is_not_as_expected():
    def row(code, fault=""):
        return Row("", "x", "", "ok", code, "", 0.1, fault)

    assert row("ok").is_as_expected
    assert not row("ok", "bytes had left").is_as_expected
    assert not row("pin.expired").is_as_expected
