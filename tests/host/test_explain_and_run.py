# SPDX-License-Identifier: MIT
"""`trustanchor explain` and `trustanchor run`."""

import json
import re
from pathlib import Path

import pytest

from host_tools.cli import main as cli
from host_tools.cli.reasons import REASONS
from host_tools.demo.servers import TlsServer
from tests.certs import pki
from trustanchor import Capsule, Refused

TRANSCRIPTS = Path(cli.__file__).parents[1] / "TRANSCRIPTS.md"


@pytest.mark.parametrize(
    "code", ["pin.none_matched", "pin.none_matched: web", " pin.none_matched"]
)
def test_a_code_is_explained_as_people_paste_it(code: str, capsys) -> None:
    assert cli.main(["explain", code]) == 0
    means, remedy = REASONS["pin.none_matched"]
    assert capsys.readouterr().out.splitlines() == [
        "pin.none_matched",
        f"  {means}",
        f"  {remedy}",
    ]


def test_an_area_lists_its_codes(capsys) -> None:
    assert cli.main(["explain", "store", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert sorted(found) == sorted(code for code in REASONS if code.startswith("store."))


def test_what_is_no_code_is_refused_with_the_nearest(capsys) -> None:
    assert cli.main(["explain", "pin.none_match"]) == 1
    assert "did you mean pin.none_matched?" in capsys.readouterr().err


def test_what_a_device_has_written_down_is_explained(tmp_path: Path, capsys) -> None:
    capsule = Capsule()
    capsule.note(Refused("pin.none_matched"), "broker.example", 8883)
    capsule.note("of.the_future", "other.example")
    file = tmp_path / "refused.json"
    file.write_text(capsule.text())
    assert cli.main(["explain", str(file)]) == 0
    shown = capsys.readouterr().out
    means, remedy = REASONS["pin.none_matched"]
    assert "broker.example:8883  pin.none_matched  1 in a row" in shown
    assert f"  {means}\n  {remedy}\n" in shown and "A code of another version." in shown
    assert cli.main(["explain", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["events"][0]["means"] == means


def test_a_status_document_shows_what_was_offered(tmp_path: Path, capsys, monkeypatch) -> None:
    receipt = {"carrier": "https://a.example/b", "at": 1800000000, "clock": 2, "epoch": 0,
               "sequence": 3, "code": "update.rollback"}  # fmt: skip
    document = {"trustanchor": "status", "store": {}, "events": [], "receipts": [receipt]}
    file = tmp_path / "status.json"
    file.write_text(json.dumps(document))
    assert cli.main(["explain", str(file)]) == 0
    assert capsys.readouterr().out == (
        "2027-01-15T08:00:00Z  https://a.example/b offered 0/3: update.rollback\n"
        "Nothing was refused.\n"
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"[]", b"7", b"[" * 100000, b'{"trustanchor": "status"}',
     b'{"trustanchor": "capsule", "events": [1]}', b'{"trustanchor": "capsule", "events": 1}',
     b'{"trustanchor": "capsule", "events": [{}]}', b"{}" + b" " * (1 << 18),
     b'{"trustanchor": "capsule", "events": [{"code": "a.b", "seen": "x"}]}'],
)  # fmt: skip
def test_what_is_no_document_is_refused(tmp_path: Path, capsys, content: bytes) -> None:
    file = tmp_path / "what.json"
    file.write_bytes(content)
    assert cli.main(["explain", str(file), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "explain.document"


def test_a_hostile_document_reaches_no_terminal(tmp_path: Path, capsys) -> None:
    event = {"code": "\x1b[31mred", "host": "\u202eevil\n", "detail": "\x07" * 5000, "at": 1e300}
    file = tmp_path / "what.json"
    file.write_text(json.dumps({"trustanchor": "capsule", "events": [event]}))
    assert cli.main(["explain", str(file)]) == 0
    shown = capsys.readouterr().out
    assert all(char == "\n" or " " <= char <= "~" or char.isalnum() for char in shown)
    assert len(shown) < 1000


def test_the_transcript_says_what_the_command_says(capsys) -> None:
    text = TRANSCRIPTS.read_text().partition("## trustanchor explain")[2].partition("\n## ")[0]
    shown = re.search(r"\$ trustanchor explain (\S+)\n((?:    [^$].*\n)+)", text)
    assert shown is not None
    cli.main(["explain", shown[1]])
    assert [line[4:] for line in shown[2].splitlines()] == capsys.readouterr().out.splitlines()


@pytest.fixture
def server():
    root = pki.authority("Root")
    leaf = pki.end_entity("127.0.0.1", issuer=root)
    with TlsServer([leaf.der, root.der], leaf.key, "1.2") as listening:
        yield listening


def test_the_program_of_init_runs_without_a_board(server, tmp_path: Path, capfd) -> None:
    place = f"127.0.0.1:{server.port}"
    assert cli.main(["init", place, "--make-passphrase", "--out", str(tmp_path)]) == 0
    capfd.readouterr()
    assert cli.main(["run", str(tmp_path / "main.py")]) == 0
    assert capfd.readouterr().out == f"trusted: 127.0.0.1 {server.port}\n"


def test_its_exit_code_is_the_programs_and_its_heap_a_boards(tmp_path: Path, capfd) -> None:
    program = tmp_path / "main.py"
    program.write_text("import sys, gc\nprint(gc.mem_free() < 100000, sys.argv[1])\nsys.exit(7)\n")
    assert cli.main(["run", str(program), "word"]) == 7
    assert capfd.readouterr().out == "True word\n"


def test_a_program_that_is_not_there_is_refused(tmp_path: Path, capfd) -> None:
    assert cli.main(["run", str(tmp_path / "main.py")]) == 1
    assert "name the program to run" in capfd.readouterr().err
