# SPDX-License-Identifier: MIT
"""The story of the demo is told once, live; and no row of it can be wrong unnoticed."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from host_tools.cli import main as cli
from host_tools.cli.errors import HostError
from host_tools.demo import steps, story
from host_tools.demo.steps import Row
from host_tools.demo.story import Desk, Place
from tests.certs import pki


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    return list(story.tell(tmp_path_factory.mktemp("story")))


def play(monkeypatch: pytest.MonkeyPatch, rows: list[Row], *options: str) -> int:
    """The command, with a story that was told before."""
    monkeypatch.setattr(steps, "tell", lambda folder: iter(()))
    monkeypatch.setattr(story, "tell", lambda folder: iter(rows))
    return cli.main(["demo", *options])


def test_every_row_is_as_expected(rows: list[Row]) -> None:
    assert [row for row in rows if not row.is_as_expected] == []


def test_every_chapter_has_connections_accepted_and_refused(rows: list[Row]) -> None:
    chapters = [title for title, _ in story.CHAPTERS]
    assert list(dict.fromkeys(row.chapter for row in rows)) == chapters
    for chapter in chapters:
        codes = [row.code for row in rows if row.chapter == chapter and row.tls]
        assert codes.count("ok") >= 2
        assert len(set(codes)) >= 2


def test_both_parts_are_in_the_command(
    rows: list[Row], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = Row(steps.CHAPTER, "the primary key", "1.2", "ok", "ok", "", 0.1, "")
    monkeypatch.setattr(steps, "tell", lambda folder: iter([first]))
    monkeypatch.setattr(story, "tell", lambda folder: iter(rows))
    assert cli.main(["demo", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["as_expected"] is True
    assert [row["server_shows"] for row in told["rows"]] == [row.title for row in [first, *rows]]


def test_any_row_that_is_not_as_expected_ends_in_exit_code_1(
    rows: list[Row], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert play(monkeypatch, rows, "--json") == 0
    for number, row in enumerate(rows):
        inverted = "pin.none_matched" if row.expected == "ok" else "ok"
        wrong = [*rows]
        wrong[number] = dataclasses.replace(row, expected=inverted)
        assert play(monkeypatch, wrong, "--json") == 1, row
        wrong[number] = dataclasses.replace(row, fault="a byte had left")
        assert play(monkeypatch, wrong, "--json") == 1, row
        capsys.readouterr()


def test_the_table_says_what_was_expected(
    rows: list[Row], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = [dataclasses.replace(rows[0], expected="store.provisioned"), *rows[1:]]
    assert play(monkeypatch, wrong) == 1
    shown = capsys.readouterr().out
    assert "expected" in shown
    assert "store.provisioned" in shown
    assert "1 NOT as expected" in shown
    assert play(monkeypatch, rows) == 0
    assert "every verdict as expected" in capsys.readouterr().out


def doubtful(place: Place) -> Iterator[Row]:
    """A chapter that expects what does not happen, row by row."""
    root = pki.authority("Root")
    leaf = pki.end_entity(steps.HOST, root)
    stranger = pki.end_entity(steps.HOST, root)
    place.desk.keep(leaf=leaf, spare=pki.end_entity(steps.HOST), doubtful_root=root)
    state = story._state(1, ["leaf", "spare"], ["doubtful_root"])
    bundle = place.desk.make("doubtful", state)
    yield place.provision("as it should be", bundle)
    yield place.install("the same again", bundle, "ok")
    yield place.visit("a stranger", [stranger, root], "ok", pin=0)
    yield place.visit("the right server", [leaf, root], "pin.none_matched")
    yield place.visit("another pin", [leaf, root], pin=1)
    yield place.visit("another state", [leaf, root], pin=0, stands="State 2")
    yield place.power_cut("nothing learned", None, "State 1, 1 key retired")


def test_a_story_that_does_not_happen_is_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(story, "CHAPTERS", [("doubtful", doubtful)])
    found = [(row.code, row.is_as_expected) for row in story.tell(tmp_path)]
    assert found == [
        ("ok", True),
        ("update.current", False),
        ("pin.none_matched", False),
        ("ok", False),
        ("ok", False),
        ("ok", False),
        ("ok", False),
    ]


def test_what_the_desk_refuses_ends_the_story_in_a_sentence(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "desk")
    desk.describe("empty", "sequence = 1\n")
    with pytest.raises(HostError, match=r"trustanchor bundle build: .*authority.* is missing"):
        desk.build("empty")


def test_a_board_that_fails_ends_the_story_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def chapter(place: Place) -> Iterator[Row]:
        yield place.provision("no bundle", place.desk.folder / "passphrase")

    monkeypatch.setattr(story, "CHAPTERS", [("a bad program", chapter)])
    monkeypatch.setattr(story, "_PROGRAM", "def told(*words):\n    no_such_name\n")
    with pytest.raises(HostError, match="The board failed: "):
        list(story.tell(tmp_path))
