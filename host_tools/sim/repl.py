# SPDX-License-Identifier: MIT
"""The REPL protocol of a board, as bytes in and bytes out; it runs nothing itself.

Friendly prompt, paste mode, raw REPL and raw-paste mode as MicroPython's pyexec.c speaks them.
Any bytes at all leave it in one of these states, waiting for the next.
"""

import codeop
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

_CTRL_A, _CTRL_B, _CTRL_C, _CTRL_D, _CTRL_E = 1, 2, 3, 4, 5
_BACKSPACE, _DELETE, _CR, _LF = 8, 127, 13, 10
_ESCAPE = 27

PASTE_WINDOW = 128  # half of MICROPY_REPL_STDIN_BUFFER_MAX, as on ESP32
SOURCE_BYTES = 256 * 1024  # no board with a heap of 100 KB could hold more
_RAW_PROMPT = b"raw REPL; CTRL-B to exit\r\n>"
_NO_MEMORY = b"MemoryError: memory allocation failed\r\n"


class Command(NamedTuple):
    """What the interpreter is to do next; kind is a byte of boards/sim/board.py, or b"S"."""

    kind: bytes
    source: bytes


SOFT_RESET = Command(b"S", b"")


class _Mode(Enum):
    FRIENDLY = 1
    PASTE = 2
    RAW = 3
    RAW_PASTE = 4


class Repl:
    """One REPL. feed() takes what the host typed; write() is told what the board answers."""

    def __init__(self, write: Callable[[bytes], None], banner: str) -> None:
        self._write = write
        self._banner = banner.encode()
        self.reset()

    def reset(self) -> None:
        """Be as after power on."""
        self._mode = _Mode.FRIENDLY
        self._clear()

    @property
    def is_raw(self) -> bool:
        return self._mode in (_Mode.RAW, _Mode.RAW_PASTE)

    def prompt(self) -> None:
        """The interpreter has just started and waits."""
        self._clear()
        if self.is_raw:
            self._mode = _Mode.RAW
            self._write(_RAW_PROMPT)
        else:
            self._mode = _Mode.FRIENDLY
            self._write(self._banner + b">>> ")

    def output_ended(self) -> None:
        """The code of the last command has run; what follows is its traceback, if any."""
        if self.is_raw:
            self._write(b"\x04")

    def command_ended(self) -> None:
        self._write(b"\x04>" if self.is_raw else b">>> ")

    def feed(self, data: bytes) -> tuple[int, Command | None]:
        """Take bytes up to the end of the first command; return (bytes taken, that command)."""
        for position, byte in enumerate(data):
            command = self._take(byte)
            if command:
                self._clear()
                return position + 1, command
        return len(data), None

    def _clear(self) -> None:
        self._line = bytearray()
        self._block = b""
        self._is_full = False
        self._window = 0
        self._escape = b""  # of an arrow key and the like, which this prompt does not know

    def _take(self, byte: int) -> Command | None:
        match self._mode:
            case _Mode.FRIENDLY:
                return self._take_friendly(byte)
            case _Mode.PASTE:
                return self._take_paste(byte)
            case _Mode.RAW:
                return self._take_raw(byte)
            case _Mode.RAW_PASTE:
                return self._take_raw_paste(byte)

    def _keep(self, byte: int) -> None:
        if len(self._line) < SOURCE_BYTES:
            self._line.append(byte)
        else:
            self._is_full = True

    def _take_raw(self, byte: int) -> Command | None:
        if byte == _CTRL_A:
            if len(self._line) == 2 and self._line[0] == _CTRL_E:
                self._start_raw_paste(supported=self._line[1:] == b"A")
            else:
                self._clear()
                self._write(_RAW_PROMPT)
        elif byte == _CTRL_B:
            self._mode = _Mode.FRIENDLY
            self._write(b"\r\n")
            self.prompt()
        elif byte == _CTRL_C:
            self._clear()
        elif byte == _CTRL_D:
            self._write(b"OK")
            if not self._line:
                self._write(b"\r\n")
                return SOFT_RESET
            if not self._is_full:
                return Command(b"X", bytes(self._line))
            self._refuse()
        else:
            self._keep(byte)
        return None

    def _start_raw_paste(self, supported: bool) -> None:
        self._clear()
        if not supported:
            self._write(b"R\x00")
            return
        self._mode = _Mode.RAW_PASTE
        # Two windows are open at first: the one in the header and the one this byte grants.
        self._write(b"R\x01" + PASTE_WINDOW.to_bytes(2, "little") + b"\x01")

    def _take_raw_paste(self, byte: int) -> Command | None:
        if byte in (_CTRL_C, _CTRL_D):
            self._mode = _Mode.RAW
            if byte == _CTRL_D and not self._is_full:
                self._write(b"\x04")
                return Command(b"X", bytes(self._line))
            if byte == _CTRL_C:
                self._write(b"\x04\x04KeyboardInterrupt: \r\n\x04>")
                self._clear()
            else:
                self._refuse()
            return None
        if not self._is_full:
            self._keep(byte)
            self._window += 1
            if self._is_full:
                self._write(b"\x04")  # the device ends the transfer; the host answers Ctrl-D
            elif self._window == PASTE_WINDOW:
                self._window = 0
                self._write(b"\x01")
        return None

    def _refuse(self) -> None:
        self._write(b"\x04" + _NO_MEMORY + b"\x04>")
        self._clear()

    def _takes_escape(self, byte: int) -> bool:
        """Whether the byte belongs to a terminal's escape sequence (ECMA-48 section 5.4)."""
        if byte == _ESCAPE:
            self._escape = b"\x1b"
            return True
        before, self._escape = self._escape, b""
        if byte < 0x20 or not before:
            return False
        if (before == b"\x1b" and byte in b"[O") or (before == b"\x1b[" and byte < 0x40):
            self._escape = before if before == b"\x1b[" else before + bytes([byte])
        return True

    def _take_friendly(self, byte: int) -> Command | None:
        if self._takes_escape(byte):
            return None
        if byte == _CTRL_A:
            self._mode = _Mode.RAW
            self._write(b"\r\n")
            self.prompt()
        elif byte == _CTRL_B:
            self._write(b"\r\n")
            self.prompt()
        elif byte == _CTRL_C:
            self._clear()
            self._write(b"\r\n>>> ")
        elif byte == _CTRL_D and not self._line and not self._block:
            self._write(b"\r\n")
            return SOFT_RESET
        elif byte == _CTRL_E and not self._line:
            self._mode = _Mode.PASTE
            self._write(b"\r\npaste mode; Ctrl-C to cancel, Ctrl-D to finish\r\n=== ")
        elif byte in (_BACKSPACE, _DELETE):
            if self._line:
                del self._line[-1]
                self._write(b"\b \b")
        elif byte in (_CR, _LF):
            return self._end_line()
        elif byte >= 0x20 or byte == 9:
            self._keep(byte)
            if not self._is_full:
                self._write(bytes([byte]))
        return None

    def _end_line(self) -> Command | None:
        self._write(b"\r\n")
        source = self._block + bytes(self._line)
        if self._is_full:
            self._write(_NO_MEMORY + b">>> ")
            self._clear()
        elif not source.strip():
            self._clear()
            self._write(b">>> ")
        elif _is_complete(source):
            return Command(b"L", source + b"\n")
        else:
            self._block = source + b"\n"
            self._line = bytearray()
            self._write(b"... ")
        return None

    def _take_paste(self, byte: int) -> Command | None:
        if byte == _CTRL_C:
            self._mode = _Mode.FRIENDLY
            self._clear()
            self._write(b"\r\n>>> ")
        elif byte == _CTRL_D:
            self._mode = _Mode.FRIENDLY
            self._write(b"\r\n")
            if not self._is_full:
                return Command(b"X", bytes(self._line))
            self._write(_NO_MEMORY + b">>> ")
            self._clear()
        elif byte == _CR:
            self._keep(_LF)
            self._write(b"\r\n=== ")
        else:
            self._keep(byte)
            self._write(bytes([byte]))
        return None


def _is_complete(source: bytes) -> bool:
    """Whether these lines can be run, or cannot become right by adding more."""
    if len(source) > 4096:
        return True  # typed by nobody; the interpreter says what is wrong with it
    try:
        return codeop.compile_command(source.decode()) is not None
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return True
