# SPDX-License-Identifier: MIT
"""`trustanchor init`: from a live server to a board that trusts that server and nobody else."""

import io
import json
import os
import select
import stat
import threading
import time
import tty

import pytest
from cryptography.hazmat.primitives import serialization

from host_tools.build import deploy
from host_tools.cli import main as cli
from host_tools.cli.errors import HostError
from host_tools.demo.servers import PlainTextServer, TlsServer
from host_tools.sim.board import Board
from tests.certs import pki

ROOT = pki.authority("Root")
SERVER = pki.end_entity("127.0.0.1", issuer=ROOT)
HOST = "127.0.0.1"


@pytest.fixture(autouse=True)
def _no_keyboard(monkeypatch):
    monkeypatch.delenv("TRUSTANCHOR_PASSPHRASE", raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))


@pytest.fixture
def server():
    with TlsServer([SERVER.der, ROOT.der], SERVER.key, "1.2") as listening:
        yield listening


def init(capsys, *words):
    made_up = [] if "TRUSTANCHOR_PASSPHRASE" in os.environ else ["--make-passphrase"]
    status = cli.main(["init", "--json", *made_up, *words])
    return status, json.loads(capsys.readouterr().out)


def refuses(answer, code):
    status, value = answer
    not_there = code in ("host.io", "input.no_such_file")
    assert (status, value["error"]["code"]) == (3 if not_there else 1, code)
    return value["error"]["message"]


def backup_pin(folder, passphrase):
    pem = (folder / "backup-key.pem").read_bytes()
    return pki.spki_sha256(serialization.load_pem_private_key(pem, passphrase.encode())).hex()


def test_writes_a_program_of_eight_lines_and_an_encrypted_key(capsys, tmp_path, server):
    folder = tmp_path / "new" / "board"
    status, made = init(capsys, f"{HOST}:{server.port}", "--out", str(folder))
    assert status == 0
    assert sorted(os.listdir(folder)) == ["backup-key.pem", "main.py"]
    assert made["primary"] == SERVER.pin.hex()
    assert made["backup"] == backup_pin(folder, made["passphrase"])
    program = (folder / "main.py").read_text()
    assert len(program.splitlines()) == 8
    scope: dict[str, object] = {}
    exec(program.split("sock =")[0], scope)
    assert (scope["HOST"], scope["PORT"]) == (HOST, server.port)
    assert (scope["PRIMARY"], scope["BACKUP"]) == (made["primary"], made["backup"])


def test_the_key_file_is_its_owners_alone_and_opens_with_the_passphrase_alone(
    capsys, tmp_path, server
):
    init(capsys, f"{HOST}:{server.port}", "--out", str(tmp_path))
    file = tmp_path / "backup-key.pem"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(ValueError):
        backup_pin(tmp_path, "another")
    with pytest.raises(TypeError):
        serialization.load_pem_private_key(file.read_bytes(), None)


def test_a_passphrase_that_was_given_is_used_and_not_shown(capsys, tmp_path, server, monkeypatch):
    monkeypatch.setenv("TRUSTANCHOR_PASSPHRASE", "open sesame")
    status = cli.main(["init", f"{HOST}:{server.port}", "--out", str(tmp_path)])
    shown = capsys.readouterr()
    assert status == 0
    assert "sesame" not in shown.out + shown.err
    assert backup_pin(tmp_path, "open sesame") in shown.out


def test_a_made_up_passphrase_is_shown_once_and_differs_each_time(capsys, tmp_path, server):
    phrases = set()
    for name in ("a", "b"):
        words = ["init", f"{HOST}:{server.port}", "--out", str(tmp_path / name)]
        cli.main([*words, "--make-passphrase"])
        shown = capsys.readouterr().out
        (line,) = (text for text in shown.splitlines() if "shown once" in text)
        phrase = line.rpartition(": ")[2]
        assert backup_pin(tmp_path / name, phrase) in shown
        phrases.add(phrase)
    assert len(phrases) == 2


@pytest.mark.parametrize("name", ["main.py", "backup-key.pem"])
def test_an_existing_file_is_left_alone_and_nothing_else_is_written(
    capsys, tmp_path, server, name
):
    (tmp_path / name).write_text("precious")
    refuses(init(capsys, f"{HOST}:{server.port}", "--out", str(tmp_path)), "host.exists")
    assert os.listdir(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "precious"


def test_its_folder_gives_a_second_board_the_same_program(capsys, tmp_path, server):
    words = (f"{HOST}:{server.port}", "--out", str(tmp_path))
    _, first = init(capsys, *words)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    status = cli.main(["init", "--json", *words])  # nothing asks for a passphrase
    second = json.loads(capsys.readouterr().out)
    assert status == 0 and "passphrase" not in second
    assert (second["primary"], second["backup"]) == (first["primary"], first["backup"])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    # What somebody has changed, and a folder of another server, are not ours.
    other = (f"localhost:{server.port}", "--out", str(tmp_path))
    refuses(init(capsys, *other), "host.exists")
    (tmp_path / "main.py").write_bytes(before["main.py"] + b"# mine\n")
    refuses(init(capsys, *words), "host.exists")
    assert (tmp_path / "main.py").read_bytes().endswith(b"# mine\n")


def test_its_folder_is_no_way_around_the_verdict(capsys, tmp_path, server):
    words = (f"{HOST}:{server.port}", "--out", str(tmp_path))
    init(capsys, *words)
    program = tmp_path / "main.py"
    text = program.read_text()
    program.write_text(text.replace(SERVER.pin.hex(), "1" * 64))
    refuses(init(capsys, *words), "pin.none_matched")


def test_a_dangling_link_in_the_way_is_left_alone(capsys, tmp_path, server):
    (tmp_path / "backup-key.pem").symlink_to(tmp_path / "elsewhere")
    refuses(init(capsys, f"{HOST}:{server.port}", "--out", str(tmp_path)), "host.exists")
    assert not (tmp_path / "elsewhere").exists()


def test_a_certificate_the_device_would_refuse_writes_nothing(capsys, tmp_path):
    expired = pki.end_entity(
        HOST, issuer=ROOT, not_before=pki.utc(int(time.time()) - 40 * 86400), days=30
    )
    with TlsServer([expired.der], expired.key, "1.3") as listening:
        answer = init(capsys, f"{HOST}:{listening.port}", "--out", str(tmp_path))
    message = refuses(answer, "path.expired")
    assert "A certificate has expired." in message
    assert os.listdir(tmp_path) == []


def test_a_server_without_tls_writes_nothing(capsys, tmp_path):
    with PlainTextServer() as listening:
        answer = init(capsys, f"{HOST}:{listening.port}", "--out", str(tmp_path))
    refuses(answer, "net.not_tls")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("host", ['x");import_os#', "127.1", "0300.0.0.1", "münchen.example"])
def test_a_name_the_device_cannot_ask_for_never_reaches_a_program(capsys, tmp_path, host):
    refuses(init(capsys, host, "--out", str(tmp_path)), "name.reference")
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_a_file_is_refused(capsys, tmp_path, server):
    (tmp_path / "file").touch()
    answer = init(capsys, f"{HOST}:{server.port}", "--out", str(tmp_path / "file"))
    refuses(answer, "host.io")


@pytest.mark.parametrize("port", ["/dev/null", "/no/such/tty", "socket://127.0.0.1:1"])
def test_a_board_that_is_not_there_is_found_before_anything_is_written(
    capsys, tmp_path, server, port
):
    answer = init(capsys, f"{HOST}:{server.port}", "--out", str(tmp_path / "o"), "--board", port)
    refuses(answer, "board.unreachable")
    assert not (tmp_path / "o").exists()


def test_a_port_that_answers_like_no_board_is_refused_in_bounded_time(tmp_path, monkeypatch):
    monkeypatch.setattr(deploy, "ANSWER_S", 0.5)
    master, slave = os.openpty()
    with pytest.raises(HostError) as refused, deploy.Board.open(os.ttyname(slave)):
        pass
    os.close(master)
    os.close(slave)
    assert refused.value.code == "board.failed"


class _Liar:
    """The far end of a cable: a raw REPL that answers each command with the same bytes."""

    def __init__(self, answer, endless=b"", paste=b"R\x00"):
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        self.port = os.ttyname(self.slave)
        self.answer, self.endless, self.paste = answer, endless, paste
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join(5)
        os.close(self.slave)
        os.close(self.master)

    def _serve(self):
        banner = b"raw REPL; CTRL-B to exit\r\n>"
        self._until(b"\x01")
        self._send(banner)
        self._until(b"\x04")
        self._send(b"soft reboot\r\n" + banner)
        self._until(b"\x05A\x01")
        self._send(self.paste)
        while not self.stop.is_set():
            self._until(b"\x04")
            self._send(b"OK" + self.answer)
            while self.endless and not self.stop.is_set():
                self._send(self.endless)

    def _until(self, ending):
        seen = b""
        while not seen.endswith(ending) and not self.stop.is_set():
            if select.select([self.master], [], [], 0.05)[0]:
                seen += os.read(self.master, 1)

    def _send(self, data):
        if not self.stop.is_set() and select.select([], [self.master], [], 0.05)[1]:
            os.write(self.master, data)


NONSENSE = {
    "a cut tuple": b"(1,",
    "a string": b"'x'",
    "three parts": b"((1, 25, 0), 1, 2)",
    "words for numbers": b"('abc', 0)",
    "no text": b"\xff\xfe",
    "deep": b"(" * 5000,
    "a sum": b"1+" * 5000 + b"1",
    "nothing": b"",
    "numbers without end": b"(1, 25, 0x" + b"f" * 6000 + b", 0)",
    "old and long": b"(0x" + b"f" * 6000 + b", 25, 0, 0)",
    "negative": b"(1, 25, 0, -1)",
    "a dict": b"{[]: 1}",
    "a board that never changes its answer": b"(1, 25, 0, 0)",
}


@pytest.mark.parametrize("answer", NONSENSE.values(), ids=NONSENSE.keys())
def test_a_board_that_answers_nonsense_is_refused(monkeypatch, answer):
    monkeypatch.setattr(deploy, "ANSWER_S", 2)
    with (
        _Liar(answer + b"\x04\x04>") as liar,
        pytest.raises(HostError) as refused,
        deploy.Board.open(liar.port) as board,
    ):
        deploy.install(board, form="py")
    assert refused.value.code == "board.failed"


@pytest.mark.parametrize("error", [b"\xff\xfe", b"OSError: " + b"9" * 5000, b"OSError: ENOENT"])
def test_an_error_of_any_bytes_is_a_refusal(monkeypatch, error):
    monkeypatch.setattr(deploy, "ANSWER_S", 2)
    with (
        _Liar(b"\x04" + error + b"\x04>") as liar,
        pytest.raises(HostError) as refused,
        deploy.Board.open(liar.port) as board,
    ):
        deploy.install(board, form="py")
    assert refused.value.code == "board.failed"


@pytest.mark.parametrize(
    "liar",
    [
        {"endless": b"x" * 50},
        {"paste": b"R\x01\x00\x00", "endless": b"\x01"},
        {"paste": b"R\x01" + b"\x00\x00" + b"\x01" * 3000},
        {"paste": b"R\x01"},
    ],
    ids=["output", "no window", "windows of nothing", "half a window"],
)
def test_a_board_that_never_ends_is_refused_in_bounded_time(monkeypatch, liar):
    monkeypatch.setattr(deploy, "ANSWER_S", 0.5)
    begin = time.monotonic()
    with (
        _Liar(b"", **liar) as board_there,
        pytest.raises(HostError) as refused,
        deploy.Board.open(board_there.port) as board,
    ):
        board.architecture()
    assert refused.value.code == "board.failed"
    assert time.monotonic() - begin < 20


def test_a_folder_listing_is_checked(monkeypatch):
    for answer in (b"[('a', 1)]", b"[1]", b"7", b"[(1, 2, 3)]", b"[('a', 'b', 3)]"):
        with (
            _Liar(answer + b"\x04\x04>") as liar,
            pytest.raises(HostError) as refused,
            deploy.Board.open(liar.port) as board,
        ):
            board.transport.fs_listdir("/")
        assert refused.value.code == "board.failed"
    with (
        _Liar(b"[('a', 32768, 0), ('b', 16384, 0, 9)]\x04\x04>") as liar,
        deploy.Board.open(liar.port) as board,
    ):
        assert [entry.name for entry in board.transport.fs_listdir("/")] == ["a", "b"]


def test_the_board_connects_to_that_server_and_refuses_another_on_its_port(
    capsys, tmp_path, server
):
    with Board(tmp_path / "flash.img") as board:
        words = [f"{HOST}:{server.port}", "--out", str(tmp_path), "--board", board.port]
        status, _ = init(capsys, *words)
        assert status == 0
        board.wait_for(f"\ntrusted: {HOST} {server.port}".encode())
        assert server.visits[-1].completed

        stranger = pki.end_entity(HOST, issuer=ROOT)
        program = (tmp_path / "main.py").read_text()
        with TlsServer([stranger.der, ROOT.der], stranger.key, "1.2") as other:
            moved = program.replace(f"{server.port}", f"{other.port}").encode()
            with deploy.Board.open(board.port) as link:
                deploy.install(link, {"/main.py": moved})
                link.reset()
            board.wait_for(b"pin.none_matched")
            assert not any(visit.application for visit in other.visits)


def test_install_writes_what_changed_and_removes_what_is_stale(tmp_path):
    with Board(tmp_path / "flash.img") as board, deploy.Board.open(board.port) as link:
        first = deploy.install(link, {"/main.py": b"print(1)\n"})
        assert first.kept == first.removed == ()
        assert "/lib/trustanchor/__init__.mpy" in first.written

        link.transport.fs_writefile("/lib/trustanchor/encoding/der.py", b"print('stale')")
        link.transport.fs_writefile("/lib/trustanchor/encoding/der.mpy", b"damaged")
        second = deploy.install(link, {"/main.py": b"print(2)\n"})
        assert second.removed == ("/lib/trustanchor/encoding/der.py",)
        assert sorted(second.written) == ["/lib/trustanchor/encoding/der.mpy", "/main.py"]
        assert set(second.written) | set(second.kept) == set(first.written)


def test_install_as_source_holds_the_sources(tmp_path):
    with Board(tmp_path / "flash.img") as board, deploy.Board.open(board.port) as link:
        done = deploy.install(link, form="py")
        assert {path.rpartition(".")[2] for path in done.written} == {"py"}
        assert link.holds(
            "/lib/trustanchor/encoding/der.py", (deploy.PACKAGE / "encoding/der.py").read_bytes()
        )


def test_one_file_is_installed_where_flash_is_dear(capsys, tmp_path, server):
    with Board(tmp_path / "flash.img") as board:
        words = (f"{HOST}:{server.port}", "--out", str(tmp_path / "out"), "--board", board.port)
        status, _ = init(capsys, *words, "--one-file")
        assert status == 0
        with deploy.Board.open(board.port) as link:
            assert link.files_below("/lib/trustanchor") == [
                "/lib/trustanchor/__init__.mpy",
                "/lib/trustanchor/modules.bin",
            ]
