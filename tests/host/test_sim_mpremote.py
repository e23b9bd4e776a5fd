# SPDX-License-Identifier: MIT
"""Unmodified mpremote against the simulated board, as a command and as a library."""

import contextlib
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mpremote.transport import TransportExecError
from mpremote.transport_serial import SerialTransport

from host_tools.sim.board import Board

MPREMOTE = Path(sys.executable).with_name("mpremote")


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    with Board(tmp_path_factory.mktemp("sim") / "flash.img") as made:
        yield made


def mpremote(
    board: Board, *words: str, cwd: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(MPREMOTE), "connect", board.port, *words],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=cwd,
    )


def output_of(board: Board, *words: str, cwd: Path | None = None) -> str:
    done = mpremote(board, *words, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextlib.contextmanager
def transport(board: Board) -> Iterator[SerialTransport]:
    opened = SerialTransport(board.port, timeout=10)
    try:
        opened.enter_raw_repl(soft_reset=True)
        yield opened
        opened.exit_raw_repl()
    finally:
        opened.close()


def test_exec_prints_what_the_board_prints(board: Board) -> None:
    assert output_of(board, "exec", "import sys; print(sys.platform, sys.maxsize)") == (
        "linux 2147483647\n"
    )


def test_eval_prints_the_value(board: Board) -> None:
    assert output_of(board, "eval", "6 * 7").strip() == "42"


def test_run_executes_a_local_file(board: Board, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("for i in range(3):\n    print(i, 'é')\n" + "# long\n" * 500)
    assert output_of(board, "run", str(script)).split() == ["0", "é", "1", "é", "2", "é"]


def test_an_exception_is_a_traceback_and_exit_code_1(board: Board) -> None:
    done = mpremote(board, "exec", "def f():\n    1 / 0\nf()")
    assert done.returncode == 1
    # Nothing of the harness is in it: a board's traceback begins with the user's code.
    shown = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    assert shown == [
        "Traceback (most recent call last):",
        'File "<stdin>", line 3, in <module>',
        'File "<stdin>", line 2, in f',
        "ZeroDivisionError: divide by zero",
    ]


def test_a_syntax_error_is_reported_and_the_board_lives(board: Board) -> None:
    done = mpremote(board, "exec", "def")
    assert done.returncode == 1
    assert "SyntaxError" in done.stdout + done.stderr
    assert output_of(board, "eval", "1").strip() == "1"


def test_a_file_copied_there_and_back_has_the_same_sha256(board: Board, tmp_path: Path) -> None:
    sent, received = tmp_path / "sent.bin", tmp_path / "received.bin"
    sent.write_bytes(bytes(range(256)) * 40 + os.urandom(3000))
    digest = hashlib.sha256(sent.read_bytes()).hexdigest()
    shown = output_of(
        board,
        *("fs", "cp", str(sent), ":copied.bin", "+"),
        *("fs", "sha256sum", ":copied.bin", "+"),
        *("fs", "cp", ":copied.bin", str(received)),
    )
    assert digest in shown.split()
    assert hashlib.sha256(received.read_bytes()).hexdigest() == digest


def test_folders_are_made_listed_and_removed(board: Board, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("twelve bytes")
    shown = output_of(
        board,
        *("fs", "mkdir", ":made", "+"),
        *("fs", "cp", str(tmp_path / "a.txt"), ":made/a.txt", "+"),
        *("fs", "ls", ":made", "+"),
        *("fs", "rm", ":made/a.txt", "+"),
        *("fs", "rmdir", ":made", "+"),
        *("exec", "import os; print(os.listdir())"),
    )
    assert "12 a.txt" in shown
    assert "made" not in shown.splitlines()[-1]


def test_a_missing_file_is_refused(board: Board, tmp_path: Path) -> None:
    done = mpremote(board, "fs", "cp", ":absent.bin", str(tmp_path / "x"))
    assert done.returncode == 1
    assert "No such file" in done.stderr + done.stdout


def test_a_mounted_folder_is_imported_and_read_byte_for_byte(board: Board, tmp_path: Path) -> None:
    (tmp_path / "mounted_module.py").write_text("print('from the host')\n")
    data = bytes(range(256)) * 4  # with byte 3, which is Ctrl-C, and byte 10
    (tmp_path / "data.bin").write_bytes(data)
    shown = output_of(
        board,
        *("mount", str(tmp_path), "exec"),
        "import mounted_module\nprint(open('data.bin', 'rb').read() == bytes(range(256)) * 4)\n"
        "with open('back.bin', 'wb') as f: f.write(bytes(range(256)))",
    )
    assert shown.splitlines()[-2:] == ["from the host", "True"]
    assert (tmp_path / "back.bin").read_bytes() == bytes(range(256))


def test_soft_reset_frees_the_heap_and_forgets_names(board: Board) -> None:
    held = output_of(
        board, "exec", "import gc\nheld = bytearray(60000)\ngc.collect()\nprint(gc.mem_free())"
    )
    kept = output_of(board, "resume", "exec", "print(len(held))")
    assert kept.strip() == "60000"
    shown = output_of(
        board,
        *("soft-reset", "exec", "import gc; gc.collect(); print('held' in globals())", "+"),
        *("exec", "print(gc.mem_free())"),
    )
    assert shown.splitlines()[-2] == "False"
    assert int(shown.splitlines()[-1]) > int(held) + 50000


def test_the_heap_is_as_large_as_the_bare_interpreters(board: Board) -> None:
    free = int(output_of(board, "exec", "import gc; gc.collect(); print(gc.mem_free())"))
    # 99 328 bytes is what the bare interpreter says with -X heapsize=100K (32-bit 1.25).
    assert 97_500 < free <= 99_400
    done = mpremote(board, "exec", "bytearray(120000)")
    assert done.returncode == 1
    assert "MemoryError" in done.stdout + done.stderr


def test_reset_restarts_the_board_and_the_port_stays(board: Board) -> None:
    port = board.port
    output_of(board, "reset")
    board.wait_for(b"rst:2 ")
    board.wait_idle()
    assert board.port == port
    # resume, because mpremote would otherwise do a soft reset and hide the cause
    shown = output_of(board, "resume", "exec", "import machine; print(machine.reset_cause())")
    assert shown.strip() == "2"
    shown = output_of(board, "exec", "import machine; print(machine.reset_cause())")
    assert shown.strip() == "5"


def test_ctrl_c_ends_a_program_that_nobody_follows(board: Board) -> None:
    output_of(board, "exec", "--no-follow", "while True: pass")
    assert output_of(board, "exec", "print('back')").strip() == "back"


def test_ctrl_c_ends_a_sleeping_and_a_listening_program(board: Board) -> None:
    for program in (
        "import time; time.sleep(1000)",
        "import socket\ns = socket.socket()\ns.bind(socket.getaddrinfo('127.0.0.1', 0)[0][-1])\n"
        "s.listen(1)\ns.accept()",
        "import asyncio; asyncio.run(asyncio.sleep(1000))",
    ):
        output_of(board, "exec", "--no-follow", program)
        assert output_of(board, "eval", "7").strip() == "7"


def test_the_library_executes_evaluates_and_hashes(board: Board) -> None:
    with transport(board) as serial:
        assert serial.exec("print('a\\nb')") == b"a\r\nb\r\n"
        assert serial.eval("[1, b'\\x00', 'x']") == [1, b"\x00", "x"]
        data = os.urandom(2000)
        serial.fs_writefile("library.bin", data)
        assert serial.fs_hashfile("library.bin", "sha256") == hashlib.sha256(data).digest()
        assert bytes(serial.fs_readfile("library.bin")) == data
        serial.fs_rmfile("library.bin")
        assert not serial.fs_exists("library.bin")
        with pytest.raises(TransportExecError, match="NameError"):
            serial.exec("absent")


def test_the_library_speaks_the_plain_raw_repl_too(board: Board) -> None:
    with transport(board) as serial:
        serial.use_raw_paste = False
        assert serial.exec("print('x' * 500)") == b"x" * 500 + b"\r\n"


def test_rtc_is_read_and_set(board: Board) -> None:
    assert output_of(board, "rtc").startswith("(20")
    output_of(board, "rtc", "--set")
    year = output_of(board, "exec", "import time; print(time.gmtime()[0], time.gmtime(0)[0])")
    assert int(year.split()[0]) >= 2025
    assert year.split()[1] == "2000"


def test_tls_asyncio_and_threads_are_there(board: Board) -> None:
    shown = output_of(
        board,
        "exec",
        "import tls, asyncio, socket, _thread, vfs, os, micropython\n"
        "tls.SSLContext(tls.PROTOCOL_TLS_CLIENT).verify_callback = None\n"
        "os.sync(); micropython.mem_info(); print(os.getcwd(), os.listdir('/') == os.listdir())",
    )
    assert shown.splitlines()[-1] == "/ True"


def test_the_hosts_files_and_shell_are_not_on_the_board(board: Board) -> None:
    done = mpremote(board, "exec", "open('/etc/hostname')")
    assert done.returncode == 1 and "ENOENT" in done.stdout + done.stderr
    shown = output_of(board, "exec", "import os; print(hasattr(os, 'system'), os.uname()[0])")
    assert shown.strip() == "False sim"


def test_a_board_that_is_off_is_refused_at_once(tmp_path: Path) -> None:
    with Board(tmp_path / "flash.img") as board:
        port = board.port
        board.power_cut()
        done = subprocess.run(
            [str(MPREMOTE), "connect", port, "eval", "1"],
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode == 1
        assert "failed to access" in done.stdout + done.stderr
