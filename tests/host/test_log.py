# SPDX-License-Identifier: MIT
"""`trustanchor log`: bundles signed here and now, in order, with what does not fit together."""

import json
from pathlib import Path

import pytest

from host_tools.cli import main as cli
from host_tools.commands import log
from host_tools.ops import history
from host_tools.signing.bundle_encode import Authority, Description, KeySigner, encode_state, sign
from tests.certs import pki
from tests.host.test_transcripts import PAGE, agrees, commands
from trustanchor.kinds import MODE_KEY
from trustanchor.limits import BUILD_AT
from trustanchor.state.model import Pin, PinSet, Service

ALICE, BOB, VAULT = (KeySigner(pki.make_key()) for _ in range(3))


def write(
    folder: Path, sequence: int, *, by=ALICE, besides=(), host="a.example.net", name="", **fields
):
    """One state in a file of its own, signed by the signer it names and some besides."""
    service = Service(name="web", hosts=[host], mode=MODE_KEY, pin_set="web")
    pins = PinSet("web", [Pin(bytes([1]) * 32), Pin(bytes([2]) * 32, is_backup=True)])
    described = Description(
        sequence=sequence,
        issued_at=BUILD_AT + sequence,
        authority=Authority([(1, [by])]),
        backup=Authority([(1, [VAULT])]),
        services=[service],
        pin_sets=[pins],
        is_partial=True,
        **fields,
    )
    folder.mkdir(exist_ok=True)
    path = folder / (name or f"{sequence}.bundle")
    path.write_bytes(sign("state", encode_state(described), [by, *besides]))
    return path


def kinds(folder: Path) -> list[str]:
    return [one.kind for one in history.read(folder)[1]]


def test_a_complete_row_says_what_each_replaced_and_changed(tmp_path, capsys):
    write(tmp_path, 1)
    write(tmp_path, 2, host="b.example.net")
    assert cli.main(["log", str(tmp_path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    one, two = said["states"]
    assert (said["ok"], one["replaces"], one["changes"]) == (True, None, [])
    assert two["replaces"] == {"state": "0/1", "digest": one["digest"]}
    changed = {"field": "services.web.hosts.0", "old": "a.example.net", "new": "b.example.net"}
    assert two["changes"] == [changed]
    assert len(two["signed_by"]) == 1
    assert cli.main(["log", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "services.web.hosts.0: a.example.net becomes b.example.net" in text
    assert "complete: 2 states" in text


def test_a_missing_sequence_is_a_gap(tmp_path):
    write(tmp_path, 1)
    write(tmp_path, 4)
    entries, findings = history.read(tmp_path)
    assert [one.text for one in findings] == ["no bundle of epoch 0, sequence 2 to 3 is here."]
    assert entries[1].replaces is entries[0]


def test_a_record_that_does_not_begin_at_the_first_state_is_a_gap(tmp_path):
    write(tmp_path, 2)
    assert kinds(tmp_path) == ["gap"]


def test_a_missing_epoch_is_a_gap(tmp_path):
    write(tmp_path, 1)
    write(tmp_path, 1, epoch=2, name="rescue.bundle")
    assert "no bundle of epoch 1 is here." in [one.text for one in history.read(tmp_path)[1]]


def test_two_states_of_one_sequence_are_a_fork(tmp_path, capsys):
    write(tmp_path, 1)
    write(tmp_path, 2)
    write(tmp_path, 2, host="b.example.net", name="other.bundle")
    assert kinds(tmp_path) == ["fork"]
    assert cli.main(["log", str(tmp_path)]) == 1
    assert "0/2 is 2 different states" in " ".join(capsys.readouterr().out.split())


def test_one_state_in_two_files_is_no_fork(tmp_path):
    content = write(tmp_path, 1).read_bytes()
    (tmp_path / "copy.bundle").write_bytes(content)
    entries, findings = history.read(tmp_path)
    assert (findings, entries[0].files) == ([], ["1.bundle", "copy.bundle"])


def test_a_bundle_that_nobody_can_take_is_found_and_replaces_nothing(tmp_path):
    write(tmp_path, 1)
    write(tmp_path, 2, by=BOB)
    write(tmp_path, 3)
    entries, findings = history.read(tmp_path)
    assert [one.kind for one in findings] == ["refused"]
    assert entries[1].refused == "update.threshold"
    assert (entries[1].replaces, entries[2].replaces) == (None, entries[0])


def test_devices_that_a_later_state_leaves_behind_are_found(tmp_path):
    write(tmp_path, 1)
    write(tmp_path, 2, by=BOB, besides=[ALICE], overrides=["revert"])
    write(tmp_path, 3)
    entries, findings = history.read(tmp_path)
    assert [one.kind for one in findings] == ["stranded"]
    assert "devices of 0/2 (2.bundle) do not take 0/3, update.threshold" in findings[0].text
    assert (entries[1].replaces, entries[2].replaces) == (entries[0], entries[0])


def test_a_bundle_that_has_expired_since_was_taken_in_its_day(tmp_path):
    write(tmp_path, 1, expires_at=BUILD_AT + 10)
    write(tmp_path, 2, expires_at=BUILD_AT + 10)
    assert kinds(tmp_path) == []


def test_a_file_that_is_no_bundle_is_a_finding_and_the_rest_is_read(tmp_path):
    write(tmp_path, 1)
    (tmp_path / "2.bundle").write_bytes(b"not a bundle")
    entries, findings = history.read(tmp_path)
    assert (len(entries), [one.kind for one in findings]) == (1, ["unreadable"])


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.write_text("")])
def test_a_folder_without_bundles_is_refused(tmp_path, capsys, make):
    make(tmp_path / "empty")
    assert cli.main(["log", str(tmp_path / "empty"), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "log.empty"


def test_text_of_a_bundle_is_no_markup(tmp_path):
    write(tmp_path, 1)
    write(tmp_path, 2, products=["<b>*x*|`y`"])
    page = log.markdown(*history.read(tmp_path))
    assert "\\<b\\>\\*x\\*\\|\\`y\\`" in page
    assert "<b>" not in page


def test_the_transcript_is_what_the_command_prints(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "bundles", 1)
    write(tmp_path / "bundles", 3)
    (first, page), (second, texts) = commands("log", PAGE.read_text())
    assert cli.main(first.split()[1:]) == 1
    assert agrees(capsys.readouterr().out, page)
    assert cli.main(second.partition(" |")[0].split()[1:]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert "\n".join(one["text"] for one in findings) == texts
