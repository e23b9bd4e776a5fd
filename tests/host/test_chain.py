# SPDX-License-Identifier: MIT
"""`trustanchor chain show`: every address and both TLS versions of real servers on loopback, and
what devices of a state say of them."""

import json
import socket
import time

import pytest

from host_tools.cli import main as cli
from host_tools.cli.errors import HostError
from host_tools.demo.servers import HangingServer, PlainTextServer, TlsServer
from host_tools.ops import seen, states
from host_tools.signing import live
from tests.certs import pki
from tests.host.test_transcripts import PAGE, agrees, commands
from trustanchor.state.literals import literal

HOST = "127.0.0.1"
ROOT = pki.authority("Root")
SERVER = pki.end_entity(HOST, issuer=ROOT)
OTHER = pki.make_key()


def pinned(*keys):
    """A state as devices have it that pins keys for any host."""
    return states.Deployed("state", literal([pki.spki_sha256(key) for key in keys]))


def show(capsys, *words):
    status = cli.main(["chain", "show", "--json", *words])
    return status, json.loads(capsys.readouterr().out)


@pytest.fixture(params=["1.2", "1.3"])
def server(request):
    with TlsServer([SERVER.der, ROOT.der], SERVER.key, request.param) as listening:
        listening.speaks = request.param
        yield listening


def test_shows_the_chain_in_the_version_that_is_spoken_and_the_reason_in_the_other(capsys, server):
    status, said = show(capsys, f"{HOST}:{server.port}")
    assert status == 0
    assert [one["tls"] for one in said] == ["1.2", "1.3"]
    for one in said:
        if one["tls"] == server.speaks:
            assert [key["role"] for key in one["chain"]] == ["leaf", "root"]
            assert one["chain"][0]["spki_sha256"] == pki.spki_sha256(SERVER.key).hex()
        else:
            assert (one["chain"], one["error"]["code"]) == ([], "net.not_tls")


def test_people_are_shown_the_same(capsys, server):
    assert cli.main(["chain", "show", f"{HOST}:{server.port}"]) == 0
    said = capsys.readouterr().out
    assert f"{HOST}, TLS 1.2\n" in said and f"{HOST}, TLS 1.3\n" in said
    assert pki.spki_sha256(SERVER.key).hex() in said and "net.not_tls" in said


@pytest.mark.parametrize(
    ("keys", "code"), [((SERVER.key, OTHER), "ok"), ((OTHER, ROOT.key), "pin.none_matched")]
)
def test_devices_of_a_state_are_asked_about_what_was_sent(server, keys, code):
    sights = seen.look(live.Endpoint(HOST, server.port), [pinned(*keys)])
    assert [one.code for sight in sights for one in sight.answers] == [code]


def test_a_state_that_is_refused_is_exit_code_1(capsys, server, monkeypatch):
    for keys, expected in (((SERVER.key, OTHER), 0), ((OTHER, ROOT.key), 1)):
        monkeypatch.setattr(states, "load", lambda path, keys=keys: pinned(*keys))
        status, said = show(capsys, f"{HOST}:{server.port}", "--state", "fleet.bundle")
        answers = [one for sight in said for one in sight["answers"]]
        assert (status, len(answers)) == (expected, 1)
        assert (answers[0]["remedy"] is None) is (expected == 0)


def test_every_address_is_asked_once_and_not_more_than_the_bound(monkeypatch):
    found = [(2, 1, 6, "", (f"192.0.2.{index % 200}", 443)) for index in range(1000)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    asked = seen.addresses(live.Endpoint("example.net", 443))
    assert len(asked) == len(set(asked)) == seen.ADDRESSES


def test_another_chain_at_another_address_is_seen(monkeypatch):
    other = pki.end_entity(HOST, issuer=ROOT)
    chains = {"192.0.2.1": [SERVER.der], "192.0.2.2": [other.der]}
    monkeypatch.setattr(seen, "addresses", lambda endpoint: list(chains))
    monkeypatch.setattr(live, "fetch_chain", lambda *_, address, version: chains[address])
    sights = seen.look(live.Endpoint(HOST, 443), [pinned(SERVER.key, OTHER)])
    assert [one.answers[0].accepted for one in sights] == [True, True, False, False]


def test_a_server_without_tls_is_exit_code_1(capsys):
    with PlainTextServer() as listening:
        status, said = show(capsys, f"{HOST}:{listening.port}")
    assert status == 1
    assert [one["error"]["code"] for one in said] == ["net.not_tls", "net.not_tls"]


def test_a_server_that_says_nothing_is_left(capsys):
    with HangingServer() as listening:
        sights = seen.look(live.Endpoint(HOST, listening.port), [], timeout_s=0.2)
    assert [one.error and one.error.code for one in sights] == ["net.timeout", "net.timeout"]


def test_a_chain_that_no_device_takes_is_said_and_not_judged(capsys):
    many = [SERVER.der, *[pki.authority(f"CA {index}").der for index in range(10)]]
    with TlsServer(many, SERVER.key, "1.2") as listening:
        sights = seen.look(live.Endpoint(HOST, listening.port), [pinned(SERVER.key, OTHER)])
        status, _ = show(capsys, f"{HOST}:{listening.port}")
    error = sights[0].error
    assert (error and error.code, sights[0].answers, status) == ("tls.chain_too_large", (), 1)


def test_a_name_that_does_not_exist_is_refused(monkeypatch):
    def fails(*_, **__):
        raise socket.gaierror(-2, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    with pytest.raises(HostError) as refused:
        seen.addresses(live.Endpoint("nowhere.example", 443))
    assert refused.value.code == "net.dns"


def test_the_time_of_the_judgement_can_be_given(server):
    later = int(time.time()) + 3000 * 86400
    endpoint = live.Endpoint(HOST, server.port)
    sights = seen.look(endpoint, [pinned(SERVER.key, OTHER)], at=later)
    assert [one.code for sight in sights for one in sight.answers] == ["path.expired"]


def test_the_transcript_is_what_the_command_prints(capsys, monkeypatch):
    """The page has localhost:4433 and a name in the certificate; the port is another each time."""
    broker = pki.end_entity("localhost", issuer=ROOT)
    (command, page), (refused_command, refused_page) = commands("chain", PAGE.read_text())
    monkeypatch.setattr(seen, "addresses", lambda endpoint: [HOST])
    for words, said_there, keys in (
        (command, page, None),
        (refused_command, refused_page, (OTHER, ROOT.key)),
    ):
        state = pinned(*(keys or (SERVER.key, OTHER))).state
        state.sequence = 7
        monkeypatch.setattr(states, "load", lambda path, it=state: states.Deployed(str(path), it))
        with TlsServer([broker.der, ROOT.der], broker.key, "1.3") as listening:
            here = words.replace("4433", str(listening.port)).split()
            assert cli.main(here[1:]) == (0 if keys is None else 1)
        said = capsys.readouterr().out.replace(str(listening.port), "4433")
        assert agrees(said, said_there), f"{said}\n--- the page:\n{said_there}"
