# SPDX-License-Identifier: MIT
"""A device that keeps itself up to date: real servers, real bundles, and everything that a carrier
can get wrong. The interpreters are 32-bit MicroPython and CPython.
"""

import http.server
import json
import os
import random
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from host_tools.build import deploy, runtime
from host_tools.cli import main as cli
from host_tools.demo.servers import server_context
from host_tools.ops import receipts
from host_tools.signing.bundle_encode import (
    Authority,
    Description,
    Key,
    KeySigner,
    Probe,
    encode_state,
    sign,
)
from tests.certs import pki
from trustanchor.kinds import MODE_KEY
from trustanchor.state.model import Pin, PinSet, Service

DEVICE = Path(__file__).with_name("agent_device.py")
HEAP = "128K"  # what README says; at 120K one round in some dozens found no room
HOST = "127.0.0.1"
ISSUED_AT = 1793577600  # the day after BUILD_AT, before any clock this runs under
INTERPRETERS = ("MicroPython", "CPython")
PORTAL = b"<html><body>Sign in to the network</body></html>"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Carrier"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("if-none-match")))
        kind, content = self.server.answers.get(self.path, ("missing", b""))
        getattr(self, "_" + kind)(content)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _missing(self, content: bytes) -> None:
        self._head(404, {"Content-Length": "0"})

    def _whole(self, content: bytes) -> None:
        tag = f'"{hash(content):x}"'
        if self.headers.get("if-none-match") == tag:
            self._head(304, {"ETag": tag})
            return
        self._head(200, {"Content-Length": str(len(content)), "ETag": tag})
        self.wfile.write(content)

    def _tabbed(self, content: bytes) -> None:
        self._head(200, {"Content-Length": str(len(content)), "ETag": '"a\tb"'})
        self.wfile.write(content)

    def _chunked(self, content: bytes) -> None:
        self._head(200, {"Transfer-Encoding": "chunked"})
        for at in range(0, len(content), 500):
            piece = content[at : at + 500]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def _cut(self, content: bytes) -> None:
        self._head(200, {"Content-Length": str(len(content))})
        self.wfile.write(content[:-100])

    def _elsewhere(self, content: bytes) -> None:
        self._head(302, {"Location": "http://portal.invalid/", "Content-Length": "0"})

    def _huge(self, content: bytes) -> None:
        self._head(200, {"Content-Length": "900000000"})
        self._endlessly(content)

    def _endless(self, content: bytes) -> None:
        self._head(200, {"Transfer-Encoding": "chunked"})
        self._endlessly(b"%x\r\n%s\r\n" % (len(content), content))

    def _endlessly(self, content: bytes) -> None:
        self.connection.settimeout(10)
        for _ in range(100000):
            self.wfile.write(content)

    def _silent(self, content: bytes) -> None:
        self._head(200, {"Content-Length": "1000"})
        self.wfile.write(content[:200])
        self.wfile.flush()
        time.sleep(8)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Carrier(http.server.ThreadingHTTPServer):
    """A server of bundles, over TLS or not; answers: path -> (kind, content)."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__((HOST, 0), Handler)
        self.context = context
        self.answers: dict[str, tuple[str, bytes]] = {}
        self.asked: list[tuple[str, str | None]] = []

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(20)
        try:
            if self.context is None:
                Handler(request, client_address, self)
                return
            with self.context.wrap_socket(request, server_side=True) as secure:
                Handler(secure, client_address, self)
                secure.unwrap()
        except OSError:
            pass  # the device has left

    def url(self, path: str) -> str:
        return f"{'http' if self.context is None else 'https'}://{HOST}:{self.server_port}{path}"


class Fleet:
    """One server key with its backup, and bundles that describe them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.leaf, self.backup = pki.end_entity(HOST), pki.end_entity(HOST)
        self.strange = [pki.end_entity(HOST), pki.end_entity(HOST)]
        self._signer = KeySigner(pki.make_key())
        self._vault = Key(-7, pki.spki_of(pki.make_key()))

    def bundle(
        self, sequence: int, port: int, *, product: str = "pump", wrong: bool = False
    ) -> bytes:
        pinned = self.strange if wrong else [self.leaf, self.backup]
        payload = encode_state(
            Description(
                sequence,
                ISSUED_AT + sequence,
                Authority([(1, [self._signer])]),
                Authority([(1, [self._vault])]),
                [Service("web", [HOST], mode=MODE_KEY, pin_set="pins")],
                [PinSet("pins", [Pin(pinned[0].pin), Pin(pinned[1].pin, is_backup=True)])],
                probes=[Probe("web", HOST, port)],
                products=[product],
                overrides=["revert"],
            )
        )
        return sign("state", payload, [self._signer])


@pytest.fixture(params=INTERPRETERS)
def interpreter(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def running(carrier: Carrier) -> Iterator[Carrier]:
    with carrier:
        threading.Thread(target=carrier.serve_forever, daemon=True).start()
        yield carrier
        carrier.shutdown()


@pytest.fixture
def web(fleet: Fleet) -> Iterator[Carrier]:
    yield from running(Carrier(server_context([fleet.leaf.der], fleet.leaf.key, "1.2")))


@pytest.fixture
def mirror() -> Iterator[Carrier]:
    yield from running(Carrier())


class Board:
    """A device with a store in a folder; tell() is one start of its program."""

    def __init__(self, folder: Path, interpreter: str, heap: str = HEAP) -> None:
        self.folder = folder
        self.interpreter = interpreter
        self.heap = heap
        self._package = deploy.package_folder("mpy", "x86").parent
        deploy.compile_newer(DEVICE, folder)
        (folder / "root").mkdir(exist_ok=True)

    def tell(
        self, carriers: list[str], *steps: list[Any], killed_after_s: float | None = None
    ) -> list[str]:
        """What the device says, step by step; nothing when it is killed."""
        part = self.folder / "part.json"
        part.write_text(
            json.dumps(
                {
                    "root": str(self.folder / "root"),
                    "capsule": str(self.folder / "capsule.json"),
                    "carriers": carriers,
                    "steps": steps,
                }
            )
        )
        environment = dict(os.environ)
        if self.interpreter == "CPython":
            command = [sys.executable, str(DEVICE), str(part)]
        else:
            environment["MICROPYPATH"] = f".frozen:{self.folder}:{self._package}"
            command = [*runtime.find(32).command("-m", heap=self.heap), DEVICE.stem, str(part)]
        try:
            done = subprocess.run(
                command,
                env=environment,
                capture_output=True,
                text=True,
                timeout=killed_after_s or 120,
            )
        except subprocess.TimeoutExpired:  # SIGKILL, as a power cut ends it
            assert killed_after_s
            return []
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()


@pytest.fixture
def board(tmp_path: Path, interpreter: str, fleet: Fleet, web: Carrier) -> Board:
    """A board that has the first state."""
    made = Board(tmp_path, interpreter)
    first = tmp_path / "1.bundle"
    first.write_bytes(fleet.bundle(1, web.server_port))
    assert made.tell([], ["provision", str(first)]) == ["ok, active 1"]
    return made


def test_a_newer_state_is_fetched_tried_and_kept(
    board: Board, fleet: Fleet, web: Carrier, mirror: Carrier
) -> None:
    new = fleet.bundle(2, web.server_port)
    web.answers["/b"] = ("whole", new)
    carriers = [web.url("/b"), mirror.url("/b")]
    steps: list[list[Any]] = [["once"], ["once"], ["events"], ["receipt"], ["next"]]
    assert board.tell(carriers, *steps) == [
        "installed, active 2",  # on trial, and confirmed by a handshake in the same round
        "agent.status, active 2",  # unchanged by its tag; the mirror has nothing yet
        "agent.status*1, active 2",
        "None None agent.status, active 2",
        "60 s, active 2",
    ]
    assert [tag is not None for path, tag in web.asked if path == "/b"] == [False, True]
    mirror.answers["/b"] = ("chunked", new)
    assert board.tell(carriers[1:], ["once"], ["receipt"], ["events"], ["next"])[:3] == [
        "current, active 2",
        "0 2 update.rollback, active 2",
        "agent.status*1, active 2",  # of the start before
    ]


@pytest.mark.parametrize("way", ["https", "http", "file"])
def test_every_carrier_brings_a_bundle(
    board: Board, fleet: Fleet, web: Carrier, mirror: Carrier, tmp_path: Path, way: str
) -> None:
    new = fleet.bundle(2, web.server_port)
    web.answers["/b"] = mirror.answers["/b"] = ("whole", new)
    (tmp_path / "card.bundle").write_bytes(new)
    carrier = {
        "https": web.url("/b"),
        "http": mirror.url("/b"),
        "file": str(tmp_path / "card.bundle"),
    }[way]
    assert board.tell([carrier], ["once"]) == ["installed, active 2"]


def refusing(fleet: Fleet, port: int) -> dict[str, tuple[str, bytes, str]]:
    """What a mirror may answer -> (kind, content, the code of it)."""
    good = fleet.bundle(2, port)
    return {
        "a captive portal": ("whole", PORTAL, "cbor.length"),
        "a redirect to one": ("elsewhere", b"", "http.redirect"),
        "nothing": ("missing", b"", "agent.status"),
        "an empty file": ("whole", b"", "cbor.truncated"),
        "garbage": ("whole", bytes(range(256)) * 9, "cbor.type"),
        "half a bundle": ("whole", good[: len(good) // 2], "cbor.truncated"),
        "a bundle that is cut on the way": ("cut", good + bytes(100), "http.truncated"),
        "one changed byte": (
            "whole",
            good[:-1] + bytes((good[-1] ^ 1,)),
            "cose.signature_invalid",
        ),
        "another product's": ("whole", fleet.bundle(2, port, product="lamp"), "update.audience"),
        "more than fits": ("huge", good, "bundle.too_large"),
        "no end": ("endless", good + bytes(1000), "bundle.too_large"),
        "silence": ("silent", good, "http.timeout"),
    }


NAMES = list(refusing(Fleet(Path()), 1))


@pytest.mark.parametrize("name", NAMES)
def test_whatever_a_mirror_answers_the_device_keeps_its_state_and_asks_the_next(
    board: Board, fleet: Fleet, web: Carrier, mirror: Carrier, name: str
) -> None:
    kind, content, code = refusing(fleet, web.server_port)[name]
    mirror.answers["/b"] = (kind, content)
    stored = {path.name: path.read_bytes() for path in (board.folder / "root").iterdir()}
    said = board.tell([mirror.url("/b")], ["once"], ["events"], ["next"])
    assert said == [f"{code}, active 1", f"{code}*1, active 1", "60 s, active 1"]
    left = {path.name: path.read_bytes() for path in (board.folder / "root").iterdir()}
    assert left == stored
    web.answers["/b"] = ("whole", fleet.bundle(2, web.server_port))
    assert board.tell([mirror.url("/b"), web.url("/b")], ["once"]) == ["installed, active 2"]


def test_an_old_bundle_is_no_failure_and_no_event(
    board: Board, fleet: Fleet, web: Carrier, mirror: Carrier
) -> None:
    mirror.answers["/b"] = ("whole", fleet.bundle(1, web.server_port))
    assert board.tell([mirror.url("/b")], ["once"], ["events"]) == [
        "current, active 1", "none, active 1",
    ]  # fmt: skip


def test_a_tag_that_cannot_be_sent_back_is_forgotten(
    board: Board, fleet: Fleet, web: Carrier, mirror: Carrier
) -> None:
    mirror.answers["/b"] = ("tabbed", fleet.bundle(2, web.server_port))
    assert board.tell([mirror.url("/b")], ["once"], ["once"]) == [
        "installed, active 2", "current, active 2",
    ]  # fmt: skip
    assert {tag for _, tag in mirror.asked} == {None}


def test_a_state_that_would_cut_the_device_off_is_taken_back_by_its_own_server(
    board: Board, fleet: Fleet, web: Carrier, mirror: Carrier
) -> None:
    mirror.answers["/b"] = ("whole", fleet.bundle(2, web.server_port, wrong=True))
    said = board.tell([mirror.url("/b")], ["once"], ["once"], ["events"])
    assert said[0] == "installed, active 1"  # reverted in the same round, by the probe
    assert said[1] == "current, active 1"  # and it never returns
    assert "pin.none_matched" in said[2]


def test_a_network_that_is_gone_is_waited_for_longer_each_time(board: Board) -> None:
    carriers = [f"https://{HOST}:1/b", f"http://{HOST}:1/b"]
    steps: list[list[Any]] = []
    for _ in range(3):
        steps += [["once"], ["next"]]
    said = board.tell(carriers, *steps)
    assert [line.partition(",")[0] for line in said[::2]] == ["net.unreachable"] * 3
    assert [line.partition(",")[0] for line in said[1::2]] == ["60 s", "120 s", "240 s"]


def test_a_carrier_whose_key_is_not_pinned_is_asked_nothing(
    board: Board, fleet: Fleet, tmp_path: Path
) -> None:
    stranger = Carrier(server_context([fleet.strange[0].der], fleet.strange[0].key, "1.2"))
    for carrier in running(stranger):
        carrier.answers["/b"] = ("whole", fleet.bundle(2, 1))
        assert board.tell([carrier.url("/b")], ["once"]) == ["pin.none_matched, active 1"]
        assert carrier.asked == []


def test_a_round_may_be_cancelled_at_any_moment(board: Board, fleet: Fleet, web: Carrier) -> None:
    web.answers["/b"] = ("whole", fleet.bundle(2, web.server_port))
    carrier = [web.url("/b")]
    turns: list[list[Any]] = [["cancelled", count] for count in (0, 1, 2, 3, 5, 8, 13, 21, 34, 55)]
    said = board.tell(carrier, *turns)
    assert {line.partition(",")[0] for line in said} <= {"cancelled", "over"}
    assert said[0].startswith("cancelled")
    # Whatever was begun, the next round ends it.
    assert board.tell(carrier, ["once"], ["once"])[-1] == "current, active 2"


def test_killed_at_any_moment_the_next_round_goes_on(
    board: Board, fleet: Fleet, web: Carrier
) -> None:
    carrier = [web.url("/b")]
    begun = time.monotonic()
    assert board.tell(carrier, ["once"]) == ["agent.status, active 1"]
    # Starting, asking, staging, deciding, trying: a good round takes about twice this refusal.
    whole = 2 * (time.monotonic() - begun)
    choose = random.Random(20261127)
    killed = 0
    for sequence in range(2, 12):
        web.answers["/b"] = ("whole", fleet.bundle(sequence, web.server_port))
        if not board.tell(carrier, ["once"], killed_after_s=choose.uniform(0.1, 1) * whole):
            killed += 1
        (said,) = board.tell(carrier, ["once"])
        assert said in (f"installed, active {sequence}", f"current, active {sequence}")
    assert killed


def test_it_runs_beside_a_program_and_feeds_its_watchdog(
    board: Board, fleet: Fleet, web: Carrier
) -> None:
    web.answers["/b"] = ("whole", fleet.bundle(2, web.server_port))
    assert board.tell([web.url("/b")], ["lives"]) == ["lives, active 2"]


def test_what_was_refused_outlives_a_restart(board: Board, mirror: Carrier) -> None:
    assert board.tell([mirror.url("/no")], ["once"], ["once"], ["save"])[0] == (
        "agent.status, active 1"
    )
    assert board.tell([], ["events"]) == ["agent.status*2, active 1"]


def explained(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    status = cli.main(["explain", *words, "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_a_signed_status_is_believed_and_its_decisions_come_out_the_same_on_a_desk(
    board: Board,
    fleet: Fleet,
    web: Carrier,
    mirror: Carrier,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    client = pki.end_entity("board 7", san=False, eku=[])
    (tmp_path / "client.key").write_bytes(client.key_pem)
    (tmp_path / "client.pem").write_bytes(client.pem)
    (tmp_path / "other.pem").write_bytes(fleet.leaf.pem)
    good, other = fleet.bundle(2, web.server_port), fleet.bundle(2, 1, product="lamp")
    forged = fleet.bundle(3, web.server_port)
    forged = forged[:-1] + bytes((forged[-1] ^ 1,))
    for path, content in (("/other", other), ("/good", good), ("/old", good), ("/forged", forged)):
        mirror.answers[path] = ("whole", content)
    status = tmp_path / "status.cose"
    carriers = [mirror.url(path) for path in ("/other", "/portal", "/good", "/old")]
    said = board.tell(
        carriers, ["once"], ["once"], ["write", str(status), str(tmp_path / "client.key")]
    )
    assert [line.partition(",")[0] for line in said] == ["installed", "agent.status", "written"]
    files = []
    for name, content in (("other", other), ("good", good), ("forged", forged)):
        (tmp_path / name).write_bytes(content)
        files += ["--bundle", str(tmp_path / name)]
    files += ["--bundle", str(tmp_path / "1.bundle")]
    key = ["--key", str(tmp_path / "client.pem")]

    code, told = explained(capsys, str(status), *key, *files)
    assert (code, told["signature"]) == (0, True)
    decided = [(one["code"], one["again"]["code"]) for one in told["receipts"]]
    assert decided == [
        ("update.audience", "update.audience"),
        ("agent.status", None),
        ("ok", "ok"),
        ("update.audience", "update.audience"),
        ("agent.status", None),
        ("update.rollback", "update.rollback"),
    ]
    # A forged bundle's refusal is one that the desk comes to as well.
    said = board.tell(
        [mirror.url("/forged")], ["once"], ["write", str(status), str(tmp_path / "client.key")]
    )
    assert said[0].startswith("cose.signature_invalid")
    code, told = explained(capsys, str(status), *key, *files)
    assert [one["again"]["code"] for one in told["receipts"]] == ["cose.signature_invalid"]

    # One changed byte, wherever it is, and another's key.
    content = status.read_bytes()
    for at in (0, 3, 6, 9, len(content) // 2, len(content) - 66, len(content) - 65, -1):
        changed = bytearray(content)
        changed[at] ^= 1
        (tmp_path / "changed").write_bytes(changed)
        code, told = explained(capsys, str(tmp_path / "changed"), *key)
        assert code == 1
        assert told["error"]["code"] in ("explain.signature", "explain.document")
    code, told = explained(capsys, str(status), "--key", str(tmp_path / "other.pem"))
    assert (code, told["error"]["code"]) == (1, "explain.signature")
    code, told = explained(capsys, str(status))
    assert (code, told["signature"]) == (0, False)

    # A receipt that does not tell the truth: the desk comes to something else.
    document = json.loads(receipts.opened(content, None, "status"))
    document["receipts"][0]["code"] = "ok"
    (tmp_path / "lie.json").write_text(json.dumps(document))
    code, told = explained(capsys, str(tmp_path / "lie.json"), *files)
    assert (code, told["receipts"][0]["again"]["code"]) == (1, "cose.signature_invalid")


def test_no_key_but_one_of_p256_signs_a_status(board: Board, tmp_path: Path) -> None:
    rsa = pki.end_entity("board 7", kind="rsa2048", san=False, eku=[])
    (tmp_path / "client.key").write_bytes(rsa.key_pem)
    said = board.tell([], ["write", str(tmp_path / "status.cose"), str(tmp_path / "client.key")])
    assert said == ["sig.private_key, active 1"]
    assert (tmp_path / "status.cose").read_bytes() == b""
