# SPDX-License-Identifier: MIT
"""A simulated board: real MicroPython behind a pseudo-terminal, with a power switch.

    with Board(Path("build/board.img"), heap="100K") as board:
        subprocess.run(["mpremote", "connect", board.port, "exec", "print(1 + 1)"])
        board.power_cut()
        board.power_on()

One thread per board moves bytes between the terminal and the interpreter, which runs
boards/sim/board.py. The supervisor keeps what outlives the interpreter: flash image, NVS, clock
and watchdog. Every reset, soft or hard, is a new process, so the heap is really freed.
"""

import contextlib
import fcntl
import json
import os
import queue
import re
import select
import signal
import subprocess
import termios
import threading
import time
import tomllib
import tty
from collections.abc import Callable
from concurrent.futures import Future
from enum import Enum
from pathlib import Path
from types import TracebackType

from host_tools.build import runtime
from host_tools.build.places import BOARDS
from host_tools.cli.errors import HostError
from host_tools.sim.nvs import Nvs, NvsError
from host_tools.sim.repl import SOFT_RESET, Command, Repl

FOLDER = BOARDS / "sim"

# machine.reset_cause() of MicroPython.
PWRON_RESET, HARD_RESET, WDT_RESET, SOFT_RESET_CAUSE = 1, 2, 3, 5

_CHUNK_BYTES = 65536
_HELD_OUTPUT_BYTES = 65536  # beyond this a program that prints has to wait for its reader
_STALE_OUTPUT_BYTES = 4096  # what a late reader still gets of a program nobody listened to
_DEAF_S = 3.0  # nobody listens when the terminal took no byte for this long
# A second SIGINT before the first became an exception would end the unix interpreter.
_INTERRUPT_GAP_S = 1.0
_START_S = 30.0
_CRASH_PAUSE_S = 0.2
_SMALLEST_HEAP, _LARGEST_HEAP = 8 << 10, 64 << 20
_LARGEST_MESSAGE_BYTES = 65536
_2000_01_01 = 946_684_800
_BARE_HEAP_BYTES = 704  # what the interpreter has allocated when it starts with nothing

# Heap the harness takes in each interpreter, measured at the first start and added to every
# board's heap: a program finds as much as under a bare interpreter with that -X heapsize=.
_harness_heap: dict[Path, int] = {}


class SimError(HostError):
    """The simulated board cannot do that; one sentence says why."""


class _State(Enum):
    OFF = "off"
    BOOTING = "booting"
    RUNNING = "running"
    ENDING = "ending"  # the code has run and its traceback is being printed
    IDLE = "idle"


class Board:
    """One board, powered on when made.

    image        the flash; made, erased, when it does not exist. NVS is in a file beside it
    heap         value of MicroPython's -X heapsize=
    bits         32, or 64 for the other interpreter
    rtc          Unix seconds the clock is set to; None is a clock never set, at 2000-01-01
    seed         decides which uncommitted NVS values survive a power cut
    link         a symbolic link kept pointing at the port while the board is on
    rom          a ROMFS image (host_tools.build.romfs.build), mapped in place at /rom
    cut_at, torn the power goes after this many flash operations, see boards/sim/flash.py
    """

    def __init__(
        self,
        image: Path,
        *,
        heap: str = "100K",
        bits: int = 32,
        rtc: int | None = None,
        seed: int = 0,
        link: Path | None = None,
        rom: bytes | None = None,
        cut_at: int | None = None,
        torn: int | None = None,
    ) -> None:
        self._description = tomllib.loads((FOLDER / "board.toml").read_text())
        self._interpreter = runtime.find(bits)
        self._heap_bytes = _heap_bytes(heap)
        self._link = link
        self._rom_size = len(rom or b"")
        self._flash = _open_image(image, self._description["flash"])
        try:
            self._nvs = Nvs(image.with_name(image.name + ".nvs.json"), seed)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            os.close(self._flash)
            raise SimError(f"The NVS file beside {image} is damaged: remove it.") from None
        self._rom = _memory_file(rom) if rom else -1
        self._ahead = 0
        version = ".".join(str(part) for part in self._interpreter.version)
        self._repl = Repl(
            self._emit,
            f"MicroPython v{version}; simulated board, {bits}-bit, heap {heap}\r\n"
            'Type "help()" for more information.\r\n',
        )
        self._state = _State.OFF
        self._child: subprocess.Popen[bytes] | None = None
        self._master = self._slave = -1
        self._port: str | None = None
        self._output = bytearray()
        self._console = bytearray()
        self._failure: str | None = None
        self.starts = 0  # of the interpreter: power on, resets and soft resets
        self._changed = threading.Condition()
        self._calls: queue.SimpleQueue[tuple[Callable[[], None], Future[None]]]
        self._calls = queue.SimpleQueue()
        self._wake_in, self._wake_out = os.pipe()
        self._is_closed = False
        self._watchdog_at: float | None = None
        self._restart_at: float | None = None
        self._forget()
        self._thread = threading.Thread(target=self._loop, name=f"board {image}", daemon=True)
        self._thread.start()
        try:
            self.power_on(rtc=rtc, cut_at=cut_at, torn=torn)
        except SimError:
            self.close()
            raise

    # What a person with the board on the desk can do.

    @property
    def port(self) -> str:
        """The terminal's path; another one after each power on."""
        if self._port is None:
            raise SimError("The simulated board is off: it has no port until it is powered on.")
        return self._port

    @property
    def is_on(self) -> bool:
        return self._port is not None

    @property
    def console(self) -> bytes:
        """The last 64 KB the board has sent, read by anybody or not."""
        with self._changed:
            return bytes(self._console)

    def power_on(
        self, *, rtc: int | None = None, cut_at: int | None = None, torn: int | None = None
    ) -> None:
        """Start the board and wait until boot.py begins. Without rtc its clock is at 2000."""

        def switch() -> None:
            if self._state is not _State.OFF:
                raise SimError("The simulated board is already on.")
            now = _2000_01_01 if rtc is None else rtc
            self._ahead = now - int(time.time())
            self._cut_at, self._torn = cut_at, torn
            self._failure = None
            self._open_terminal()
            self._start(PWRON_RESET)

        self._call(switch)
        self.wait_until(lambda: self._state is not _State.BOOTING, _START_S)
        if self._failure:
            raise SimError(self._failure)

    def power_cut(self) -> None:
        """Take the power away, whatever the board is doing. The port disappears."""
        self._call(self._power_off)

    def reset(self) -> None:
        """Press the reset button."""

        def press() -> None:
            if self._state is _State.OFF:
                raise SimError("The simulated board is off: power it on first.")
            self._hard_reset(HARD_RESET)

        self._call(press)

    def erase_nvs(self) -> None:
        """Erase the NVS partition, as esptool can."""
        self._call(self._nvs.erase)

    def wait_idle(self, timeout: float = _START_S) -> None:
        """Wait until boot.py and main.py have ended and the REPL is there."""
        self.wait_until(lambda: self._state in (_State.IDLE, _State.OFF), timeout)
        if self._state is _State.OFF:
            raise SimError(self._failure or "The simulated board is off.")

    def wait_off(self, timeout: float = _START_S) -> None:
        """Wait for the power cut that cut_at asked for."""
        self.wait_until(lambda: self._state is _State.OFF, timeout)

    def wait_for(self, text: bytes, timeout: float = _START_S) -> None:
        """Wait until the board has sent this text since it was powered on."""
        self.wait_until(lambda: text in self._console, timeout)

    def close(self) -> None:
        """Power off for good and let go of the image."""
        if self._thread.is_alive():

            def stop() -> None:
                self._power_off()
                self._is_closed = True

            self._call(stop)
            self._thread.join()
            os.close(self._flash)
            if self._rom >= 0:
                os.close(self._rom)
            os.close(self._wake_in)
            os.close(self._wake_out)

    def __enter__(self) -> "Board":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Between threads.

    def _call(self, work: Callable[[], None]) -> None:
        """Run work in the board's thread and return when it is done."""
        if not self._thread.is_alive():
            raise SimError("The simulated board is closed.")
        done: Future[None] = Future()
        self._calls.put((work, done))
        os.write(self._wake_out, b"\0")
        done.result()

    def wait_until(self, condition: Callable[[], bool], timeout: float = _START_S) -> None:
        """Wait until the condition holds; it is asked whenever the board changes or sends."""
        with self._changed:
            if not self._changed.wait_for(condition, timeout):
                raise SimError(f"The simulated board is still {self._state.value}: gave up.")

    def _become(self, state: _State) -> None:
        with self._changed:
            self._state = state
            self._changed.notify_all()

    # The board's thread.

    def _loop(self) -> None:
        # The interpreter inherits the mask: no Ctrl-C can reach it before it asks for one.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        while not self._is_closed:
            reading = [self._wake_in]
            if self._port:
                reading.append(self._master)
            if self._child:
                reading.append(self._messages)
                if len(self._output) < _HELD_OUTPUT_BYTES:
                    reading.append(self._stdout)
            writing = [self._master] if self._output and self._port else []
            ready, writable, _ = select.select(reading, writing, [], self._pause())
            if writable:
                self._send_output()
            if self._wake_in in ready:
                self._run_calls()
                continue  # the file numbers may have changed
            if self._child and self._messages in ready:
                self._read_messages()
                continue
            if self._child and self._stdout in ready:
                self._drain(_CHUNK_BYTES)
            if self._port and self._master in ready:
                self._read_terminal()
            self._look_at_clock()

    def _pause(self) -> float | None:
        """Seconds until something is due, or None."""
        moments = [
            moment for moment in (self._watchdog_at, self._restart_at) if moment is not None
        ]
        if self._is_interrupt_due:
            moments.append(self._last_interrupt + _INTERRUPT_GAP_S)
        if len(self._output) >= _HELD_OUTPUT_BYTES:
            moments.append(self._last_progress + _DEAF_S)
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _look_at_clock(self) -> None:
        now = time.monotonic()
        if self._watchdog_at and now >= self._watchdog_at:
            self._hard_reset(WDT_RESET)
        if self._restart_at and now >= self._restart_at:
            self._restart_at = None
            self._start(HARD_RESET)
        if self._is_interrupt_due:
            self._interrupt()
        if len(self._output) >= _HELD_OUTPUT_BYTES and now >= self._last_progress + _DEAF_S:
            del self._output[:-_STALE_OUTPUT_BYTES]

    def _run_calls(self) -> None:
        os.read(self._wake_in, _CHUNK_BYTES)
        while not self._calls.empty():
            work, done = self._calls.get()
            try:
                work()
            except (HostError, OSError) as error:
                done.set_exception(error)
            else:
                done.set_result(None)

    # Power and processes.

    def _forget(self) -> None:
        """State that no reset survives."""
        self._plan: list[Command] = []
        self._plan_is_booting = True
        self._incoming = b""
        self._leftover = b""
        self._is_binary = False
        self._is_interrupt_due = False
        self._last_interrupt = 0.0
        self._last_progress = time.monotonic()
        self._watchdog_at = None
        self._restart_at = None

    def _start(self, cause: int) -> None:
        """Start the interpreter; boot.py is run when it says that it is ready."""
        self._cause = cause
        commands_in, commands_out = os.pipe()
        messages_in, messages_out = os.pipe()
        stdin_in, stdin_out = os.pipe()
        stdout_in, stdout_out = os.pipe()
        argv = self._interpreter.command(
            "board.py",
            str(commands_in),
            str(messages_out),
            str(self._flash),
            str(self._rom),
            heap=str(self._heap_bytes + _harness_heap.get(self._interpreter.path, 0)),
        )
        shared = [commands_in, messages_out, self._flash]
        if self._rom >= 0:
            shared.append(self._rom)
        try:
            self._child = subprocess.Popen(
                argv,
                stdin=stdin_in,
                stdout=stdout_out,
                stderr=stdout_out,
                cwd=FOLDER,
                pass_fds=shared,
                env={**os.environ, "MICROPYPATH": "", "MICROPYINSPECT": ""},
                start_new_session=True,
            )
        finally:
            for number in (commands_in, messages_out, stdout_out):
                os.close(number)
        # The reading end of stdin stays open here too: what a program did not read is taken back.
        self._commands, self._messages = commands_out, messages_in
        self._stdin, self._unread, self._stdout = stdin_out, stdin_in, stdout_in
        for number in (self._commands, self._messages, self._stdin, self._stdout):
            os.set_blocking(number, False)
        clock = self._description["clock"]
        config = {
            "block_size": self._description["flash"]["block_size"],
            "block_count": self._description["flash"]["block_count"],
            "cut_at": self._cut_at,
            "torn": self._torn,
            "epoch": _2000_01_01 if clock["epoch_year"] == 2000 else 0,
            "ahead": self._ahead,
            "cause": cause,
            "identity": self._nvs.identity,
            "rom": self._rom_size,
        }
        self._tell(b"C", json.dumps(config).encode())
        self._plan = [Command(b"F", b"boot.py")]
        if not self._repl.is_raw:
            self._plan.append(Command(b"F", b"main.py"))
        self.starts += 1
        self._become(_State.BOOTING)

    def _end_process(self) -> None:
        """Kill the interpreter and take the output it had already written."""
        if not self._child:
            return
        self._child.kill()
        self._child.wait()
        self._drain(None)
        for number in (self._commands, self._messages, self._stdin, self._unread, self._stdout):
            os.close(number)
        self._child = None

    def _power_off(self) -> None:
        if self._state is _State.OFF:
            return
        self._end_process()
        self._forget()
        self._nvs.lose_power()
        self._repl.reset()
        self._close_terminal()
        self._become(_State.OFF)

    def _hard_reset(self, cause: int) -> None:
        self._end_process()
        self._forget()
        self._nvs.lose_power()
        self._repl.reset()
        name = {WDT_RESET: "TASK_WDT"}.get(cause, "SW_RESET")
        self._emit(f"\r\nrst:{cause} ({name}),boot:simulated\r\n".encode())
        self._start(cause)

    def _soft_reset(self) -> None:
        watchdog_at = self._watchdog_at
        leftover = self._leftover
        self._end_process()
        self._forget()
        self._watchdog_at = watchdog_at  # nothing stops a watchdog
        self._leftover = leftover
        self._emit(b"MPY: soft reboot\r\n")
        self._start(SOFT_RESET_CAUSE)

    def _crashed(self) -> None:
        """The interpreter ended by itself: a fault on hardware, answered with a reset."""
        assert self._child
        was_booting = self._state is _State.BOOTING
        status = self._child.wait()
        self._end_process()
        self._forget()
        self._repl.reset()
        how = f"signal {-status}" if status < 0 else f"status {status}"
        if was_booting:
            last = bytes(self._console[-200:]).decode(errors="replace").split("\r\n")
            said = next((line for line in reversed(last) if line), "nothing")
            self._failure = f"The simulated board does not start ({how}): {said}."
            self._nvs.lose_power()
            self._close_terminal()
            self._become(_State.OFF)
            return
        self._nvs.lose_power()
        self._emit(f"\r\nsim: the interpreter ended with {how}; reset\r\n".encode())
        self._restart_at = time.monotonic() + _CRASH_PAUSE_S
        self._become(_State.BOOTING)

    # The terminal.

    def _open_terminal(self) -> None:
        self._master, self._slave = os.openpty()
        # Our own end stays open, so that a host that goes away does not hang up the terminal.
        tty.setraw(self._slave, termios.TCSANOW)
        os.set_blocking(self._master, False)
        with self._changed:
            self._console.clear()
            self._output.clear()
        port = os.ttyname(self._slave)
        try:
            if self._link:
                _point(self._link, port)
        except SimError:
            os.close(self._master)
            os.close(self._slave)
            raise
        self._port = port

    def _close_terminal(self) -> None:
        if self._port is None:
            return
        self._port = None
        os.close(self._master)
        os.close(self._slave)
        if self._link:
            with contextlib.suppress(FileNotFoundError):
                self._link.unlink()

    def _emit(self, data: bytes) -> None:
        """Send bytes to the host exactly as they are."""
        self._output += data
        if self._port:
            self._send_output()
        with self._changed:
            self._console += data
            del self._console[:-_HELD_OUTPUT_BYTES]
            self._changed.notify_all()

    def _send_output(self) -> None:
        with contextlib.suppress(BlockingIOError):
            sent = os.write(self._master, memoryview(self._output)[:_CHUNK_BYTES].tobytes())
            del self._output[:sent]
            self._last_progress = time.monotonic()

    def _read_terminal(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._typed(os.read(self._master, _CHUNK_BYTES))

    def _typed(self, data: bytes) -> None:
        """Give bytes from the host to the REPL, or to the program that is running."""
        while data and self._state is _State.IDLE:
            taken, command = self._repl.feed(data)
            data = data[taken:]
            if command == SOFT_RESET:
                self._leftover = data
                self._soft_reset()
                return
            if command:
                self._execute(command)
        if not data:
            return
        if not self._is_binary and b"\x03" in data:
            self._is_interrupt_due = True
            self._interrupt()
            # What was typed before Ctrl-C is lost with the program it was meant for.
            data = data[data.rindex(b"\x03") + 1 :]
        self._leftover = (self._leftover + data)[-_CHUNK_BYTES:]
        if self._state is _State.RUNNING:
            self._give_input()

    def _give_input(self) -> None:
        """Give the running program what was typed for it."""
        typed, self._leftover = self._leftover, b""
        # A full pipe loses bytes, as the ring buffer of a UART does.
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(self._stdin, typed)

    def _interrupt(self) -> None:
        """Send a Ctrl-C to the running code, now or as soon as it is safe to send another."""
        if self._state is not _State.RUNNING or not self._child:
            if self._state is _State.IDLE:
                self._is_interrupt_due = False
            return
        now = time.monotonic()
        if now - self._last_interrupt >= _INTERRUPT_GAP_S:
            self._is_interrupt_due = False
            self._last_interrupt = now
            self._child.send_signal(signal.SIGINT)

    # The interpreter.

    def _tell(self, kind: bytes, payload: bytes = b"") -> None:
        """Write a whole message; the interpreter is reading, so this takes no time."""
        self._write_message(kind, len(payload), payload)

    def _write_message(self, kind: bytes, size: int, payload: bytes) -> None:
        data = kind + size.to_bytes(4, "little") + payload
        deadline = time.monotonic() + _START_S
        while data and time.monotonic() < deadline:
            select.select([], [self._commands], [], 1.0)
            try:
                data = data[os.write(self._commands, data) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                return  # it has just ended; the closed message pipe says so too

    def _execute(self, command: Command) -> None:
        self._is_binary = False
        self._last_interrupt = 0.0
        self._become(_State.RUNNING)
        self._give_input()
        # Sent as text, counted in characters: boards/sim/link.py reads it straight into a string.
        text = command.source.decode(errors="replace")
        self._write_message(command.kind, len(text), text.encode())

    def _drain(self, limit: int | None) -> None:
        """Take what the interpreter has written; None is everything there is."""
        while True:
            try:
                data = os.read(self._stdout, _CHUNK_BYTES)
            except BlockingIOError:
                return
            if not data:
                return
            if not self._is_binary:
                # A board prints "\r\n" for "\n"; binary protocols switch Ctrl-C off first.
                data = re.sub(rb"(?<!\r)\n", b"\r\n", data)
            self._emit(data)
            if limit is not None:
                return

    def _read_messages(self) -> None:
        try:
            data = os.read(self._messages, _CHUNK_BYTES)
        except BlockingIOError:
            return
        if not data:
            self._crashed()
            return
        self._incoming += data
        while len(self._incoming) >= 5 and self._child:
            size = int.from_bytes(self._incoming[1:5], "little")
            if size > _LARGEST_MESSAGE_BYTES:
                self._child.kill()  # only a program that forges messages gets here
                self._incoming = b""
                return
            if len(self._incoming) < 5 + size:
                return
            kind, payload = self._incoming[:1], self._incoming[5 : 5 + size]
            self._incoming = self._incoming[5 + size :]
            # What was printed before the message comes before what the message does.
            self._drain(None)
            self._handle(kind, payload)

    def _handle(self, kind: bytes, payload: bytes) -> None:
        match kind:
            case b"B":
                self._booted(int(payload))
            case b"E":
                self._is_binary = False
                self._become(_State.ENDING)
                if not self._plan_is_booting:
                    self._repl.output_ended()
                self._tell(b"A")
            case b"D":
                self._ended(failed=bool(payload))
            case b"K":
                self._is_binary = payload != b"\x03\0\0\0"
                self._tell(b"A")
            case b"N":
                self._answer_nvs(payload)
            case b"T":
                self._ahead = int(payload)
                self._tell(b"A")
            case b"W":
                self._watchdog_at = time.monotonic() + int.from_bytes(payload, "little") / 1000
                self._tell(b"A")
            case b"S":
                self._soft_reset()
            case b"R":
                self._hard_reset(HARD_RESET)
            case b"C":
                self._power_off()

    def _booted(self, allocated: int) -> None:
        """Boot, or start once more with a heap that has room for the harness itself."""
        if self._interpreter.path in _harness_heap:
            self._next()
            return
        # Four blocks of 16 bytes take one byte of the collector's table.
        extra = max(0, allocated - _BARE_HEAP_BYTES) * 65 // 64 + 16
        _harness_heap[self._interpreter.path] = extra
        plan = self._plan
        cause = self._cause
        self._end_process()
        self._incoming = b""
        self._start(cause)
        self.starts -= 1
        self._plan = plan

    def _next(self) -> None:
        """Run the next file of the boot, or show the prompt."""
        if self._plan:
            self._plan_is_booting = True
            if self._is_interrupt_due and self._child:
                # Before the command: to look for a file that is not there takes no time.
                self._is_interrupt_due = False
                self._child.send_signal(signal.SIGINT)
            self._execute(self._plan.pop(0))
            return
        self._plan_is_booting = False
        self._is_interrupt_due = False
        self._repl.prompt()
        self._idle()

    def _ended(self, failed: bool) -> None:
        unread = self._take_back()
        self._leftover = unread + self._leftover
        if self._plan_is_booting:
            if failed:
                self._plan = []  # MicroPython does not run main.py after a failed boot.py
            self._next()
            return
        self._repl.command_ended()
        self._is_interrupt_due = False
        self._idle()

    def _idle(self) -> None:
        self._become(_State.IDLE)
        typed, self._leftover = self._leftover, b""
        self._typed(typed)

    def _take_back(self) -> bytes:
        """Bytes that were typed for a program that ended without reading them."""
        unread = b""
        while select.select([self._unread], [], [], 0)[0]:
            unread += os.read(self._unread, _CHUNK_BYTES)
        return unread

    def _answer_nvs(self, payload: bytes) -> None:
        size = int.from_bytes(payload[:2], "little")
        operation, namespace, key = json.loads(payload[2 : 2 + size])
        try:
            answer = self._nvs.call(operation, namespace, key, payload[2 + size :])
        except NvsError as error:
            self._tell(b"X", f"{error.code} {error.name}".encode())
        else:
            self._tell(b"A", answer)


def _heap_bytes(heap: str) -> int:
    size = re.fullmatch(r"([1-9][0-9]{0,8})([kKmM]?)", heap)
    if not size:
        raise SimError(f"The heap size {heap!r} is not a number of bytes like 100K or 1M.")
    value = int(size[1]) << {"": 0, "K": 10, "M": 20}[size[2].upper()]
    if not _SMALLEST_HEAP <= value <= _LARGEST_HEAP:
        raise SimError(f"The heap size {heap} is not between 8K and 64M.")
    return value


def _memory_file(data: bytes) -> int:
    number = os.memfd_create("rom")
    with open(number, "wb", closefd=False) as file:
        file.write(data)
    return number


def _open_image(image: Path, flash: dict[str, int]) -> int:
    """Open the flash image for this board alone; returns its file number."""
    size = flash["block_size"] * flash["block_count"]
    try:
        number = os.open(image, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise SimError(f"The flash image {image} cannot be opened: {error.strerror}.") from None
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found = os.fstat(number).st_size
        if found == 0:
            with open(number, "wb", closefd=False) as file:
                file.write(b"\xff" * size)
        elif found != size:
            raise SimError(
                f"The flash image {image} has {found} bytes and this board has {size}: "
                "name another file."
            )
    except BlockingIOError:
        os.close(number)
        raise SimError(f"The flash image {image} is in use by another board.") from None
    except SimError:
        os.close(number)
        raise
    return number


def _point(link: Path, port: str) -> None:
    if link.exists() and not link.is_symlink():
        raise SimError(f"{link} exists and is not a link: name another path for the port.")
    scratch = link.with_name(link.name + ".new")
    try:
        scratch.unlink(missing_ok=True)
        scratch.symlink_to(port)
        scratch.replace(link)
    except OSError as error:
        raise SimError(f"The link {link} cannot be made: {error.strerror}.") from None
