# SPDX-License-Identifier: MIT
"""The simulated board's power switch, shims and terminal, without mpremote in between."""

import contextlib
import os
import random
import select
import signal
import subprocess
import threading
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from mpremote.transport import TransportExecError
from mpremote.transport_serial import SerialTransport

from host_tools.build import romfs
from host_tools.cli.errors import HostError
from host_tools.sim.board import HARD_RESET, PWRON_RESET, WDT_RESET, Board, SimError

_2030 = 1_893_456_000


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    with Board(tmp_path_factory.mktemp("sim") / "flash.img", rtc=_2030) as made:
        made.wait_idle()
        yield made


@contextlib.contextmanager
def raw_repl(board: Board, soft_reset: bool = False) -> Iterator[SerialTransport]:
    """The raw REPL of a board; without a soft reset what ran before is still there."""
    serial = SerialTransport(board.port, timeout=10)
    try:
        serial.enter_raw_repl(soft_reset=soft_reset)
        yield serial
        if board.is_on:
            serial.exit_raw_repl()
    finally:
        serial.close()


def run(board: Board, source: str, soft_reset: bool = False) -> str:
    with raw_repl(board, soft_reset) as serial:
        return serial.exec(source).decode().strip()


def put(board: Board, name: str, text: str) -> None:
    """Write a file and close it: nothing is in the flash before that."""
    run(board, f"with open({name!r}, 'w') as f: f.write({text!r})")


def leave(board: Board, source: str) -> None:
    """Start a program and do not wait for it."""
    with raw_repl(board) as serial:
        serial.exec_raw_no_follow(source)
        serial.in_raw_repl = False


class Wire:
    """The terminal as a bare file, for bytes that no tool would send."""

    def __init__(self, board: Board) -> None:
        self._number = os.open(board.port, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._number)

    def send(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._number, data[:4096]) :]

    def read_until(self, ending: bytes, timeout: float = 20) -> bytes:
        seen = b""
        deadline = time.monotonic() + timeout
        while not seen.endswith(ending):
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self._number], [], [], left)[0], seen[-300:]
            seen += os.read(self._number, 4096)
        return seen

    def close(self) -> None:
        os.close(self._number)


@pytest.fixture
def wire(board: Board) -> Iterator[Wire]:
    opened = Wire(board)
    yield opened
    opened.send(b"\r\x03\x02'set' 'tled'\r")
    opened.read_until(b"'settled'\r\n>>> ")
    opened.close()
    # Whatever a test has sent, the next host finds a board that answers.
    assert run(board, "print(6 * 7)") == "42"


# Boot and power.


def test_boot_and_main_run_at_power_on_and_their_output_is_seen(tmp_path: Path) -> None:
    with Board(tmp_path / "flash.img") as board:
        put(board, "boot.py", 'print("booting")\nx = 5')
        put(board, "main.py", 'print("main sees", x)')
        board.power_cut()
        board.power_on()
        board.wait_idle()
        assert board.console.startswith(b"booting\r\nmain sees 5\r\nMicroPython v")
        assert board.console.endswith(b">>> ")
        # A soft reset from the raw REPL runs boot.py only, as pyexec does.
        assert run(board, "print('x' in globals())", soft_reset=True) == "True"
        assert board.console.count(b"main sees") == 1


def test_ctrl_c_interrupts_main_and_the_prompt_comes(tmp_path: Path) -> None:
    with Board(tmp_path / "flash.img") as board:
        put(board, "main.py", 'print("on")\nwhile True: pass')
        board.reset()
        board.wait_for(b"on\r\n")
        with pytest.raises(SimError, match="still running"):
            board.wait_idle(timeout=0.2)
        assert run(board, "print(1 + 1)") == "2"
        assert b"KeyboardInterrupt: " in board.console
        assert b'File "main.py", line 2' in board.console


def test_a_failing_boot_py_keeps_main_from_running(tmp_path: Path) -> None:
    with Board(tmp_path / "flash.img") as board:
        put(board, "boot.py", "1/0")
        put(board, "main.py", 'print("main")')
        board.reset()
        board.wait_for(b">>> ")
        board.wait_idle()
        assert b"ZeroDivisionError" in board.console
        assert b"main\r\n" not in board.console


def test_files_survive_a_power_cut_and_another_simulator(tmp_path: Path) -> None:
    image = tmp_path / "flash.img"
    with Board(image) as board:
        run(board, "with open('kept', 'w') as f: f.write('yes')")
        identity = run(board, "import machine; print(machine.unique_id().hex())")
        board.power_cut()
        board.power_on()
        assert run(board, "print(open('kept').read())") == "yes"
    with Board(image) as board:
        assert run(board, "print(open('kept').read())") == "yes"
        assert run(board, "import machine; print(machine.unique_id().hex())") == identity


def test_a_board_that_is_off_refuses_everything_but_power(tmp_path: Path) -> None:
    with Board(tmp_path / "flash.img") as board:
        port = board.port
        assert os.path.exists(port)
        board.power_cut()
        assert not board.is_on
        for refused in (lambda: board.port, board.reset, board.wait_idle):
            with pytest.raises(SimError, match="is off"):
                refused()
        board.power_cut()  # there is nothing left to take away
        board.power_on()
        with pytest.raises(SimError, match="already on"):
            board.power_on()
        assert run(board, "print(1)") == "1"
    with pytest.raises(SimError, match="closed"):
        board.reset()


@pytest.mark.parametrize("torn", [None, 0, 11])
def test_a_power_cut_while_a_file_is_written_leaves_the_old_or_the_new(
    tmp_path: Path, torn: int | None
) -> None:
    """Every flash operation of an update by rename, each cut in turn."""
    update = (
        "with open('new', 'wb') as f: f.write(b'N' * 3000)\nimport os\nos.rename('new', 'file')\n"
        "print('renamed')"
    )
    with Board(tmp_path / "flash.img") as board:
        run(board, "with open('file', 'wb') as f: f.write(b'O' * 2000)")
        seen = set()
        for cut_at in range(1, 200):
            board.power_cut()
            board.power_on(cut_at=cut_at, torn=torn)
            board.wait_idle()
            # The terminal goes with the power, perhaps before it has acknowledged the program.
            with contextlib.suppress(OSError):
                leave(board, update)
            board.wait_until(lambda: not board.is_on or b"renamed\r\n" in board.console)
            if board.is_on:
                break
            board.power_on()
            found = run(board, "d = open('file', 'rb').read(); print(len(d), d[0], d[-1])")
            assert found in ("2000 79 79", "3000 78 78"), cut_at
            seen.add(found)
            if found == "3000 78 78":
                run(board, "with open('file', 'wb') as f: f.write(b'O' * 2000)")
        assert cut_at > 20
        assert "2000 79 79" in seen


def test_a_kill_at_any_moment_leaves_a_file_system_that_mounts(board: Board) -> None:
    pick = random.Random(1)
    for _ in range(4):
        leave(board, "while True:\n with open('busy', 'w') as f: f.write('z' * 900)")
        time.sleep(pick.random() / 20)
        board.power_cut()
        board.power_on(rtc=_2030)
        board.wait_idle()
        assert run(board, "print(set(open('busy').read()) <= {'z'})") == "True"


def test_two_boards_run_at_the_same_time(board: Board, tmp_path: Path) -> None:
    with Board(tmp_path / "second.img", heap="64K") as second:
        run(board, "who = 'first'")
        run(second, "who = 'second'")
        leave(second, "import time\ntime.sleep(60)")
        assert run(board, "print(who)") == "first"
        assert run(second, "print(who)") == "second"
        assert board.port != second.port
        assert int(run(second, "import gc; gc.collect(); print(gc.mem_free())")) < 65536


def test_boards_on_one_image_are_refused(board: Board, tmp_path: Path) -> None:
    image = tmp_path / "flash.img"
    with Board(image), pytest.raises(SimError, match="in use by another board"):
        Board(image)


def test_bad_construction_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "short.img").write_bytes(b"not a flash image")
    (tmp_path / "bad.img.nvs.json").write_text("{}")
    (tmp_path / "file").write_text("in the way")
    for arguments, sentence in (
        ({"image": tmp_path / "short.img"}, "has 17 bytes"),
        ({"image": tmp_path / "no" / "flash.img"}, "cannot be opened"),
        ({"image": tmp_path}, "cannot be opened"),
        ({"image": tmp_path / "bad.img"}, "NVS file .* is damaged"),
        ({"image": tmp_path / "a.img", "heap": "lots"}, "not a number of bytes"),
        ({"image": tmp_path / "a.img", "heap": "1K"}, "between 8K and 64M"),
        ({"image": tmp_path / "a.img", "link": tmp_path / "file"}, "is not a link"),
    ):
        with pytest.raises(SimError, match=sentence) as refused:
            Board(**arguments)
        assert "\n" not in refused.value.message
    Board(tmp_path / "a.img").close()  # none of the refusals holds on to the image


def test_a_link_follows_the_port_and_goes_when_the_power_goes(tmp_path: Path) -> None:
    link = tmp_path / "board.port"
    with Board(tmp_path / "flash.img", link=link) as board:
        assert os.readlink(link) == board.port
        serial = SerialTransport(str(link), timeout=10)
        serial.enter_raw_repl()
        assert serial.eval("3") == 3
        serial.exit_raw_repl()
        serial.close()
        board.power_cut()
        assert not os.path.lexists(link)
        board.power_on()
        assert os.readlink(link) == board.port
    assert not os.path.lexists(link)


def test_an_interpreter_that_dies_is_a_reset(board: Board) -> None:
    leave(board, "import ffi\nffi.open('libc.so.6').func('v', 'abort', '')()")
    board.wait_for(b"ended with signal 6; reset")
    assert run(board, "print('alive')") == "alive"


def test_a_corrupted_file_system_is_said_and_the_prompt_comes(tmp_path: Path) -> None:
    image = tmp_path / "flash.img"
    Board(image).close()
    with open(image, "r+b") as file:
        file.write(bytes(8192))
    with Board(image) as board:
        board.wait_idle()
        assert b"appears to be corrupted" in board.console
        assert run(board, "print(1)") == "1"


# Shims.


def test_reset_causes(board: Board) -> None:
    ask = "import machine; print(machine.reset_cause())"
    board.power_cut()
    board.power_on(rtc=_2030)
    assert run(board, ask) == str(PWRON_RESET)
    leave(board, "import machine; machine.reset(); print('not reached')")
    board.wait_for(b"rst:2 ")
    board.wait_idle()
    assert run(board, ask) == str(HARD_RESET)
    starts = board.starts
    leave(board, "import machine; machine.soft_reset(); print('not reached')")
    board.wait_until(lambda: board.starts > starts)
    board.wait_idle()
    assert b"not reached\r\n" not in board.console
    assert run(board, ask) == "5"


def test_sys_exit_is_a_soft_reset(board: Board) -> None:
    run(board, "kept = 1")
    starts = board.starts
    leave(board, "import sys; sys.exit()")
    board.wait_until(lambda: board.starts > starts)
    board.wait_idle()
    assert run(board, "print('kept' in globals())") == "False"


def test_a_starved_watchdog_resets_and_a_fed_one_does_not(board: Board) -> None:
    leave(
        board,
        "import machine, time\nw = machine.WDT(timeout=400)\n"
        "for i in range(12):\n time.sleep_ms(60)\n w.feed()\n"
        "print('fed for 720 ms')\nwhile True: pass",
    )
    board.wait_for(b"fed for 720 ms\r\n")
    board.wait_for(b"rst:3 (TASK_WDT)")
    board.wait_idle()
    assert run(board, "import machine; print(machine.reset_cause())") == str(WDT_RESET)


def test_the_clock_survives_a_reset_and_not_a_power_cut(tmp_path: Path) -> None:
    ask = "import time; print(time.gmtime()[:3], time.time() // 1000)"
    with Board(tmp_path / "flash.img") as board:
        assert run(board, ask) == "(2000, 1, 1) 0"
        run(board, "import machine; machine.RTC().datetime((2031, 2, 3, 0, 4, 5, 6, 0))")
        set_to = run(board, ask)
        assert set_to.startswith("(2031, 2, 3) ")
        assert run(board, ask, soft_reset=True) == set_to
        board.reset()
        board.wait_idle()
        assert run(board, ask) == set_to
        board.power_cut()
        board.power_on()
        assert run(board, ask) == "(2000, 1, 1) 0"
        board.power_cut()
        board.power_on(rtc=_2030)
        assert run(board, ask).startswith("(2030, 1, 1) ")


def test_gmtime_and_mktime_agree_over_leap_years(board: Board) -> None:
    assert (
        run(
            board,
            "import time\ns = -86400 * 800\n"
            "while s < 86400 * 36000 and time.mktime(time.gmtime(s)) == s:\n"
            " s += 86400 * 97 + 12345\n"
            "print(s >= 86400 * 36000,"
            " time.gmtime(0), time.mktime((2000, 2, 30, 0, 0, 0, 0, 0)) // 86400)",
        )
        == "True (2000, 1, 1, 0, 0, 0, 5, 1) 60"
    )


def test_nvs_keeps_what_was_committed(board: Board) -> None:
    run(
        board,
        "import esp32\nn = esp32.NVS('test')\nn.set_i32('i', -5)\nn.set_blob('b', b'\\x00\\xff')\n"
        "n.commit()",
    )
    board.power_cut()
    board.power_on(rtc=_2030)
    read = (
        "import esp32\nn = esp32.NVS('test')\nb = bytearray(4)\n"
        "print(n.get_i32('i'), n.get_blob('b', b), bytes(b))"
    )
    assert run(board, read) == r"-5 2 b'\x00\xff\x00\x00'"
    board.erase_nvs()
    with raw_repl(board) as serial, pytest.raises(TransportExecError) as refused:
        serial.exec(read)
    assert "(-4354, 'ESP_ERR_NVS_NOT_FOUND')" in refused.value.error_output


def test_nvs_refuses_as_the_real_one(board: Board) -> None:
    run(board, "import esp32; n = esp32.NVS('refuse'); n.set_blob('b', b'abc')")
    for call, name in (
        ("n.get_i32('b')", "TYPE_MISMATCH"),
        ("n.get_blob('b', bytearray(2))", "INVALID_LENGTH"),
        ("n.set_i32('k' * 16, 1)", "KEY_TOO_LONG"),
        ("n.erase_key('absent')", "NOT_FOUND"),
        ("n.set_blob('b', bytes(5000))", "VALUE_TOO_LONG"),
        ("n.set_i32('i', 1 << 31)", "OverflowError"),
        ("esp32.NVS('n' * 16)", "KEY_TOO_LONG"),
    ):
        with raw_repl(board) as serial, pytest.raises(TransportExecError) as refused:
            serial.exec(call)
        assert name in refused.value.error_output
    # Refusals change nothing, and the wire between board and supervisor is still in step.
    assert run(board, "b = bytearray(3); n.get_blob('b', b); print(b)") == "bytearray(b'abc')"


def test_ctrl_c_in_the_middle_of_nvs_calls_keeps_the_wire_in_step(board: Board) -> None:
    for _ in range(3):
        leave(board, "import esp32\nn = esp32.NVS('busy')\nwhile True: n.set_i32('i', 1)")
        time.sleep(0.03)
        assert run(board, "n.set_i32('i', 7); print(n.get_i32('i'))") == "7"


def test_ctrl_c_in_the_middle_of_flash_writes_harms_no_file(board: Board) -> None:
    """LittleFS would be left half-way by an exception that passes through its block device."""
    for size in range(900, 906):
        leave(board, "while True:\n with open('busy', 'w') as f: f.write('z' * 900)")
        time.sleep(0.02)
        run(board, f"with open('after', 'w') as f: f.write('a' * {size})")
        assert run(board, "print(len(open('after').read()))", soft_reset=True) == str(size)


def test_after_ctrl_c_the_file_system_is_mounted_anew(board: Board) -> None:
    """Even when nothing was written: a read cut short leaves LittleFS's cache naming a block whose
    bytes it has not, and a file that is there was not found (about one Ctrl-C in 300 amid reads).
    """
    put(board, "kept", "as it was")
    run(board, "held = open('kept')")
    assert run(board, "print(held.read(2))") == "as"
    with raw_repl(board) as serial, pytest.raises(TransportExecError, match="KeyboardInterrupt"):
        serial.exec("raise KeyboardInterrupt")
    with raw_repl(board) as serial, pytest.raises(TransportExecError) as refused:
        serial.exec("held.read(2)")
    assert "Error" in refused.value.error_output  # it knows nothing of the new mount
    assert run(board, "print(open('kept').read())") == "as it was"


def interrupt(board: Board, source: str) -> None:
    """Run source, and raise Ctrl-C's exception at its end."""
    with raw_repl(board) as serial, pytest.raises(TransportExecError, match="KeyboardInterrupt"):
        serial.exec(source + "\nraise KeyboardInterrupt")


def test_ctrl_c_commits_no_file_that_was_being_written(board: Board) -> None:
    put(board, "state", "old")
    interrupt(board, "f = open('state', 'w'); f.write('half')")
    assert run(board, "print(open('state').read())") == "old"


def test_ctrl_c_leaves_the_working_directory_and_other_mounts(board: Board) -> None:
    ram = (
        "import os, vfs\n"
        "class Ram:\n"
        " def __init__(self): self.data = bytearray(32 * 512)\n"
        " def readblocks(self, n, buf, off=0):\n"
        "  at = n * 512 + off; buf[:] = self.data[at : at + len(buf)]\n"
        " def writeblocks(self, n, buf, off=0):\n"
        "  at = n * 512 + off; self.data[at : at + len(buf)] = buf\n"
        " def ioctl(self, op, arg): return {4: 32, 5: 512}.get(op, 0)\n"
        "ram = Ram(); vfs.VfsLfs2.mkfs(ram)\n"
    )
    run(board, ram + "vfs.mount(ram, '/ram')\nos.mkdir('/data'); os.chdir('/data')")
    interrupt(board, "open('/ram/x', 'w').close()")
    assert run(board, "print(os.getcwd(), os.listdir('/ram'))") == "/data ['x']"
    interrupt(board, "os.chdir('/'); vfs.umount('/'); vfs.mount(ram, '/')")
    assert run(board, "print(os.listdir('/'))") == "['ram', 'x']"
    interrupt(board, "vfs.umount('/ram'); vfs.umount('/')")
    assert run(board, "print('alive')") == "alive"
    board.reset()
    board.wait_idle()
    assert "data" in run(board, "import os; print(os.listdir())", soft_reset=True)


def test_a_class_that_is_called_like_a_file_may_do_as_it_likes(board: Board) -> None:
    starts = board.starts
    run(board, "class FileIO:\n def close(self): raise ValueError('mine')\nmine = FileIO()")
    interrupt(board, "")
    assert run(board, "print(type(mine).__name__)") == "FileIO"
    assert board.starts == starts


def test_ctrl_c_before_a_boot_without_boot_py_keeps_main_from_running(tmp_path: Path) -> None:
    with Board(tmp_path / "flash.img") as board:
        board.wait_idle()
        put(board, "main.py", "print('main runs')\nwhile True: pass")
        wire = Wire(board)
        board.reset()
        wire.send(b"\x03")
        wire.read_until(b">>> ")
        wire.close()
        board.wait_idle()
        assert b"main runs" not in board.console.split(b"simulated\r\n")[-1]


def test_tls_and_a_loopback_socket_work(board: Board) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        thread = threading.Thread(target=lambda: server.accept()[0].sendall(b"hello"))
        thread.start()
        shown = run(
            board,
            "import socket, tls\ns = socket.socket()\n"
            f"s.connect(socket.getaddrinfo('127.0.0.1', {port})[0][-1])\n"
            "print(s.read(5), tls.PROTOCOL_TLS_CLIENT)",
        )
        thread.join()
    assert shown == "b'hello' 0"


def test_code_runs_from_a_romfs_and_takes_less_heap(tmp_path: Path) -> None:
    rom = tmp_path / "rom"
    (rom / "lib").mkdir(parents=True)
    # Big enough that the difference is far above the noise of a start.
    body = "".join(f"def f{i}(a):\n    return (a + {i}) * {i} // 3\n" for i in range(150))
    (rom / "lib" / "inrom.py").write_text(body)
    (rom / "note.txt").write_text("not compiled")
    cost = (
        "import gc; gc.collect(); a = gc.mem_alloc()\nimport {0}\ngc.collect()\n"
        "print(gc.mem_alloc() - a, {0}.f3(3))"
    )
    with Board(tmp_path / "flash.img", rom=romfs.build(rom)) as board:
        with raw_repl(board) as serial:
            serial.fs_writefile("onflash.mpy", romfs.compiled(rom / "lib" / "inrom.py"))
            assert serial.exec("print(open('/rom/note.txt').read())") == b"not compiled\r\n"
        in_rom, value = run(board, cost.format("inrom"), soft_reset=True).split()
        on_flash, same = run(board, cost.format("onflash"), soft_reset=True).split()
    assert value == same == "6"
    assert int(in_rom) < int(on_flash) * 2 // 3


def test_a_romfs_of_what_does_not_compile_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def")
    with pytest.raises(HostError, match="does not compile"):
        romfs.build(tmp_path)
    with pytest.raises(HostError, match="not a folder"):
        romfs.build(tmp_path / "absent")


# The terminal.


def test_the_friendly_prompt_echoes_runs_and_edits(wire: Wire) -> None:
    wire.send(b"\r\x03'rea' 'dy'\r")
    wire.read_until(b"'ready'\r\n>>> ")
    wire.send(b"6 * 8\x7f7\r")
    assert wire.read_until(b"42\r\n>>> ").startswith(b"6 * 8\b \b7\r\n")
    wire.send(b"for i in range(2):\r    print(i)\r\r")
    assert b"0\r\n1\r\n>>> " in wire.read_until(b"1\r\n>>> ")
    wire.send(b"\x05print('pasted')\x04")
    wire.read_until(b"\r\npasted\r\n>>> ")


def test_input_reaches_the_program_and_the_rest_the_prompt(wire: Wire) -> None:
    wire.send(b"\r\x03\x02\r")
    wire.send(b"import sys; a = sys.stdin.readline()\rtyped\nprint('got', a)\r")
    wire.read_until(b"got typed\r\n\r\n>>> ")


def test_random_bytes_leave_a_board_that_answers(wire: Wire) -> None:
    noise = random.Random(7)
    for _ in range(30):
        wire.send(noise.randbytes(noise.randrange(1, 400)))


def test_a_gigantic_line_is_a_memory_error_and_no_more(wire: Wire) -> None:
    wire.send(b"\r\x03\r\x01")
    wire.read_until(b"raw REPL; CTRL-B to exit\r\n>")
    wire.send(b"x" * 400_000 + b"\x04")
    assert b"MemoryError" in wire.read_until(b"\x04>")


def test_source_that_fills_the_heap_is_a_memory_error(wire: Wire) -> None:
    wire.send(b"\r\x03\r\x01")
    wire.read_until(b"raw REPL; CTRL-B to exit\r\n>")
    wire.send(b"#" * 150_000 + b"\x04")
    assert b"MemoryError" in wire.read_until(b"\x04>", 30)


@pytest.mark.parametrize(
    "half",
    [
        b"\x05",
        b"\x05A",
        b"\x05A\x01",
        b"\x05A\x01print(1",
        b"\x05A\x01" + b"y" * 5000,
        b"\x05B\x01print(1)",
        b"print(",
        b"\x05A\x01\x03",
    ],
)
def test_half_a_frame_and_a_host_that_goes_away(wire: Wire, half: bytes) -> None:
    wire.send(b"\r\x03\r\x01")
    wire.read_until(b"raw REPL; CTRL-B to exit\r\n>")
    wire.send(half)


def test_a_program_nobody_listens_to_goes_on(board: Board) -> None:
    leave(board, "for i in range(20000): print('line', i)\nprint('all')")
    board.wait_for(b"line 19999\r\nall\r\n")
    assert run(board, "print(i)") == "19999"


def test_a_child_leaves_with_its_supervisor(tmp_path: Path) -> None:
    """A supervisor that is killed leaves no interpreter behind."""
    import sys

    host = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, pathlib, time\nfrom host_tools.sim.board import Board\n"
            "b = Board(pathlib.Path(sys.argv[1]))\nb.wait_idle()\n"
            "print(b._child.pid, flush=True)\ntime.sleep(60)",
            str(tmp_path / "flash.img"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert host.stdout
    child = int(host.stdout.readline())
    host.send_signal(signal.SIGKILL)
    host.wait()
    host.stdout.close()
    for _ in range(100):
        try:
            os.kill(child, 0)
            with open(f"/proc/{child}/stat") as status:
                if status.read().rsplit(")", 1)[1].split()[0] == "Z":
                    break  # dead, and its new parent has not looked yet
        except (ProcessLookupError, FileNotFoundError):
            break
        time.sleep(0.05)
    else:
        pytest.fail("the interpreter outlived its supervisor")
