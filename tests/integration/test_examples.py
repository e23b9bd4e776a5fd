# SPDX-License-Identifier: MIT
"""The programs of firmware/examples on simulated boards, against real servers and each other."""

import contextlib
import http.server
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from host_tools.boards import talk as talking
from host_tools.build import deploy
from host_tools.cli import main as cli
from host_tools.demo.servers import server_context
from host_tools.sim.board import Board
from tests.certs import pki

EXAMPLES = Path(__file__).resolve().parents[2] / "firmware" / "examples"
HEAP = "160K"
PATIENCE_S = 60
STATE = """
sequence = 1
partial = true
[[authority]]
keys = ["alice.pub"]
[[backup]]
keys = ["vault.pub"]
"""


def desk(folder: Path, monkeypatch: pytest.MonkeyPatch, state: str, product: str) -> None:
    """A signed first state and a product in folder, which becomes the current one."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TRUSTANCHOR_PASSPHRASE", "nine words of no meaning")
    for name in ("alice", "vault"):
        assert cli.main(["keygen", "es256", name]) == 0
    Path("1.toml").write_text(STATE + state)
    assert cli.main(["bundle", "build", "1.toml", "--first"]) == 0
    assert cli.main(["bundle", "sign", "1.draft", "--first", "--key", "alice.pem"]) == 0
    Path("product.toml").write_text('fleet = "north"\nbundle = "1.bundle"\n' + product)


def provision(board: Board, product: str = "product.toml") -> None:
    assert cli.main(["board", "provision", product, "--port", board.port, "--yes"]) == 0


class Work(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path != "/work":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"job 17")

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def served(leaf: pki.Entity, version: str = "1.2") -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Work)
    context = server_context([leaf.der], leaf.key, version)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("is_right", "said"), [(True, b"work: job 17"), (False, b"refused: pin.none_matched")]
)
def test_the_poller_gets_work_from_its_server_alone(
    is_right: bool, said: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaf, other = (pki.end_entity("api.example") for _ in range(2))
    (tmp_path / "leaf.pem").write_bytes(leaf.pem)
    (tmp_path / "spare.pem").write_bytes(pki.end_entity("api.example").pem)
    shutil.copy(EXAMPLES / "https_poller.py", tmp_path)
    with served(leaf if is_right else other) as port:
        state = f"""
[[service]]
name = "api"
hosts = ["127.0.0.1"]
port = {port}
mode = "key"
pins = "api"
[[pin_set]]
name = "api"
pins = [{{ key = "leaf.pem" }}, {{ key = "spare.pem", backup = true }}]
"""
        product = f"""
product = "poller"
program = "https_poller.py"
[[service]]
name = "api"
host = "127.0.0.1"
port = {port}
"""
        desk(tmp_path, monkeypatch, state, product)
        with Board(tmp_path / "flash.img", heap=HEAP, rtc=int(time.time())) as board:
            provision(board)
            board.wait_for(said, PATIENCE_S)


def test_boards_of_a_legacy_and_a_new_ca_call_each_other_and_no_stranger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    legacy, new, foreign = (pki.authority(name) for name in ("Legacy", "New", "Foreign"))
    for name, entity in (("legacy", legacy), ("new", new)):
        (tmp_path / f"{name}-ca.pem").write_bytes(entity.pem)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    state = f"""
[[service]]
name = "peers"
hosts = ["127.0.0.1"]
port = {port}
mode = "anchors"
[[service]]
name = "callers"
purpose = "client"
mode = "anchors"
peer_name = "*.boards.example"
[[anchor]]
certificate = "legacy-ca.pem"
purposes = ["server", "client"]
[[anchor]]
certificate = "new-ca.pem"
purposes = ["server", "client"]
"""
    desk(tmp_path, monkeypatch, state, 'product = "pair"\ndevices = "devices.csv"\n')
    names = {"a": legacy, "b": new, "c": foreign}
    with contextlib.ExitStack() as stack:
        boards = {}
        for name, issuer in names.items():
            image = tmp_path / f"{name}.img"
            board = stack.enter_context(Board(image, heap=HEAP, rtc=int(time.time())))
            boards[name] = board
            made = pki.end_entity([f"{name}.boards.example", "127.0.0.1"], issuer=issuer, eku=[])
            (tmp_path / f"{name}.pem").write_bytes(made.pem)
            (tmp_path / f"{name}.key").write_bytes(made.key_pem)
            with talking.open_board(board.port) as talk:
                mac = talking.about(talk).mac
            Path("devices.csv").write_text(
                f"mac,device_id,certificate,key\n{mac},{name},{name}.pem,{name}.key\n"
            )
            provision(board)
            with deploy.Board.open(board.port) as link:
                program = (EXAMPLES / "peer_to_peer.py").read_bytes()
                link.transport.fs_writefile("/peer_to_peer.py", program)
        assert calls(boards["a"], boards["b"], port) == (b"welcome, b", "heard: b'hello\\n'")
        assert calls(boards["b"], boards["a"], port) == (b"welcome, a", "heard: b'hello\\n'")
        # The stranger trusts the same CAs, and is trusted by nobody.
        told, heard = calls(boards["c"], boards["a"], port)
        assert b"welcome" not in told and heard.startswith("refused: path."), (told, heard)
        told, heard = calls(boards["a"], boards["c"], port)
        assert told.startswith(b"path.") and "hello" not in heard, (told, heard)


def calls(caller: Board, answering: Board, port: int) -> tuple[bytes, str]:
    """What the caller was told, or its refusal, and what the other board says of it."""
    heard: list[str] = []

    def answer() -> None:
        with deploy.Board.open(answering.port) as link:
            program = f"import peer_to_peer; peer_to_peer.answer({port})"
            said, error = link.transport.run(program, PATIENCE_S)
            heard.append((said + error).decode().strip())

    thread = threading.Thread(target=answer)
    thread.start()
    wait_until_listening(port)
    with deploy.Board.open(caller.port) as link:
        program = (
            "from trustanchor import Refused\nimport peer_to_peer\n"
            f"try:\n print(peer_to_peer.call('127.0.0.1', {port}).decode())\n"
            "except Refused as refused:\n print(refused.code)"
        )
        said, error = link.transport.run(program, PATIENCE_S)
    thread.join(PATIENCE_S)
    return (said + error).strip(), heard[0]


def wait_until_listening(port: int) -> None:
    """Look at the kernel's table: to connect would be a call."""
    wanted = f":{port:04X} 00000000:0000 0A"
    end = time.monotonic() + PATIENCE_S
    while wanted not in Path("/proc/net/tcp").read_text():
        assert time.monotonic() < end, "nobody listens"
        time.sleep(0.05)


def test_no_example_is_longer_than_a_page() -> None:
    for file in EXAMPLES.glob("*.py"):
        assert len(file.read_text().splitlines()) < 60
    assert os.listdir(EXAMPLES)
