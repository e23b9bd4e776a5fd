# SPDX-License-Identifier: MIT
"""`trustanchor watch`: real servers against states, with exit code, margin and metrics."""

import json
import time

import pytest

from host_tools.cli import main as cli
from host_tools.commands import watch
from host_tools.demo.servers import PlainTextServer, TlsServer
from host_tools.ops import margin, states
from tests.certs import pki
from tests.host.test_transcripts import PAGE, agrees, commands
from trustanchor.state.literals import literal

HOST = "127.0.0.1"
ROOT = pki.authority("Root")
SERVER = pki.end_entity(HOST, issuer=ROOT)
OTHER = pki.make_key()
DAY = 86400


def state_of(*keys, last_day=None):
    state = literal([pki.spki_sha256(key) for key in keys])
    if last_day is not None:
        state.pin_sets[0].pins[0].not_after = last_day
    return states.Deployed("fleet.bundle", state)


@pytest.fixture
def server():
    with TlsServer([SERVER.der, ROOT.der], SERVER.key, "1.3") as listening:
        yield listening


def run(capsys, monkeypatch, port, deployed, *words):
    monkeypatch.setattr(states, "load", lambda path: deployed)
    status = cli.main(["watch", f"{HOST}:{port}", "--state", "fleet.bundle", "--json", *words])
    return status, json.loads(capsys.readouterr().out)


def test_a_server_that_devices_accept_is_well(capsys, monkeypatch, server):
    status, said = run(capsys, monkeypatch, server.port, state_of(SERVER.key, OTHER), "--days=1")
    assert (status, said["ok"], said["problems"]) == (0, True, [])
    assert [row["code"] for row in said["rows"]] == ["ok"]


def test_a_server_that_devices_refuse_is_exit_code_1(capsys, monkeypatch, server):
    status, said = run(capsys, monkeypatch, server.port, state_of(OTHER, ROOT.key))
    assert (status, said["ok"]) == (1, False)
    assert "pin.none_matched" in said["problems"][0]


@pytest.mark.parametrize(("days", "expected"), [("5", 0), ("6", 1)])
def test_a_margin_is_held_against_the_days_wanted(capsys, monkeypatch, server, days, expected):
    last_day = int(time.time()) + 5 * DAY + 3600
    deployed = state_of(SERVER.key, OTHER, last_day=last_day)
    status, said = run(capsys, monkeypatch, server.port, deployed, "--days", days)
    row = said["rows"][0]
    assert (status, row["margin_days"], row["accepted_until"]) == (expected, 5, last_day)


def test_the_margin_ends_with_the_second_that_the_judge_names():
    now = int(time.time())
    deployed = state_of(SERVER.key, OTHER)
    chain = [SERVER.der, ROOT.der]
    until = margin.accepted_until(deployed, chain, HOST, 443, now)
    assert until is not None
    assert states.ask(deployed, chain, HOST, 443, until).accepted
    assert not states.ask(deployed, chain, HOST, 443, until + 1).accepted


def test_a_server_without_tls_is_exit_code_1(capsys, monkeypatch):
    with PlainTextServer() as listening:
        deployed = state_of(SERVER.key, OTHER)
        status, said = run(capsys, monkeypatch, listening.port, deployed)
    assert (status, [row["code"] for row in said["rows"]]) == (1, ["net.not_tls"])


def test_metrics_are_written_whole_for_both_verdicts(capsys, monkeypatch, server, tmp_path):
    file = tmp_path / "trust.prom"
    for keys, value in (((SERVER.key, OTHER), "1"), ((OTHER, ROOT.key), "0")):
        words = ("--prometheus", str(file))
        run(capsys, monkeypatch, server.port, state_of(*keys), *words)
        lines = file.read_text().splitlines()
        found = [line for line in lines if line.startswith("trustanchor_accepted{")]
        assert [line.rpartition(" ")[2] for line in found] == [value]
        assert list(tmp_path.iterdir()) == [file]


def test_what_a_label_holds_cannot_end_it():
    row = {"server": 'a"\n\\', "address": "", "tls": "", "state": ""}
    text = watch.metrics([{**row, "accepted": True, "margin_days": 3}], 0)
    assert 'server="a\\"\\n\\\\"' in text
    assert len(text.splitlines()) == 6


def test_the_transcript_is_what_the_command_prints(capsys, monkeypatch, server):
    """The port is another each time, and the page calls the address localhost."""
    last_day = int(time.time()) + 5 * DAY + 3600
    found = commands("watch", PAGE.read_text())
    assert len(found) == 2
    for (command, page), expected in zip(found, (0, 1), strict=True):
        deployed = state_of(SERVER.key, OTHER, last_day=last_day if expected else None)
        monkeypatch.setattr(states, "load", lambda path, it=deployed: it)
        here = command.replace("localhost:4433", f"{HOST}:{server.port}").partition(";")[0]
        assert cli.main(here.split()[1:]) == expected
        said = capsys.readouterr().out.replace(f"{HOST}:{server.port}", "localhost:4433")
        said += "1" if expected else ""
        assert agrees(said, page), f"{said}\n--- the page:\n{page}"
