# SPDX-License-Identifier: MIT
"""MicroPython onto a board: esptool writes it, in a process of its own, and we say what and where.

    found = detect(port)                                   # chip and MAC, from its ROM loader
    flash(port, image, definition, erase=False, progress=report)

esptool is under the GPL: it is a program that is called, and nothing of it is imported. What it
writes it verifies by the chip's own MD5. Refusals: board.unreachable, board.failed, board.image.
"""

import contextlib
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from host_tools.boards import definitions
from host_tools.boards.definitions import Definition
from host_tools.boards.images import Image
from host_tools.cli.errors import HostError
from host_tools.cli.output import printable

Progress = Callable[[str, int, int], None]

# Seconds without a word until a board counts as gone: erasing 16 MB takes 40 s without one.
_SILENCE_S = 90.0
_LINE_BYTES = 400
_LINES = 200
_CHIP = re.compile(r"Chip type:\s+(ESP32(?:-[A-Z]\d)?)\b")
_MAC = re.compile(r"MAC:\s+([0-9a-f]{2}(?::[0-9a-f]{2}){5})\b")
_FLASH = re.compile(r"Detected flash size:\s+(\d{1,3})MB")
_PERCENT = re.compile(r"(\d{1,3})(?:\.\d)?\s?%")
_VERIFIED = "Hash of data verified"
# How esptool says that nobody answers, or that the port is not there or is taken.
_ABSENT = (
    "Failed to connect",
    "Could not open",
    "No serial data received",
    "could not open port",
    "doesn't exist",
    "port is busy",
    "Invalid head of packet",
    "Could not connect",
)


@dataclass(frozen=True)
class Found:
    """A chip in its ROM loader: its name as in board.toml, 12 hexadecimal digits, flash bytes."""

    chip: str
    mac: str
    flash_bytes: int


def detect(port: str, *, reset: bool = True) -> Found:
    """Ask the chip on a port who it is.

    reset   pull the reset lines first; without, the BOOT button is held by hand
    """
    said = _esptool(port, ["flash-id"], reset=reset, after="no-reset")
    chip, mac, flash = (pattern.search(said) for pattern in (_CHIP, _MAC, _FLASH))
    name = chip[1].lower().replace("-", "") if chip else ""
    if name not in definitions.CHIP_IDS or not mac or not flash:
        raise HostError(
            f"{printable(port)}: {printable(chip[1]) if chip else 'a chip'} of which there is no "
            "board here; boards/README.md says how to add one.",
            "board.no_such",
        )
    return Found(name, mac[1].replace(":", ""), int(flash[1]) << 20)


def flash(
    port: str,
    image: Image,
    definition: Definition,
    *,
    erase: bool,
    progress: Progress,
    reset: bool = True,
) -> None:
    """Write an image where it belongs and restart the board; the rest of the flash is kept.

    erase   everything on the flash first: files, trust state and settings too
    """
    if erase:
        progress("erase", 0, 1)
        _esptool(port, ["erase-flash"], reset=reset, after="no-reset")
    with tempfile.TemporaryDirectory() as folder:
        # What was checked is what is written, whatever happens to the file meanwhile.
        file = Path(folder) / "firmware.bin"
        file.write_bytes(image.content)
        said = _esptool(
            port,
            ["write-flash", "--flash-mode", "keep", "--flash-freq", "keep", "--flash-size", "keep"]
            + [hex(definition.firmware_at or 0), str(file)],
            reset=reset,
            after="hard-reset",
            baud=definition.flash_baud,
            progress=progress,
        )
    if _VERIFIED not in said:
        raise HostError(
            f"{printable(port)}: esptool did not say that it has verified what it wrote; run the "
            "command again.",
            "board.failed",
        )
    progress("verified", 1, 1)


def restart(port: str, *, reset: bool = True) -> None:
    """Let the board's own program go on, after a chip was asked and nothing written."""
    _esptool(port, ["read-mac"], reset=reset, after="hard-reset")


def _esptool(
    port: str,
    words: list[str],
    *,
    reset: bool,
    after: str,
    baud: int | None = None,
    progress: Progress | None = None,
) -> str:
    """Run esptool; return what it said, or refuse with its last sentence."""
    command = [sys.executable, "-m", "esptool", "--port", port, "--after", after]
    command += ["--before", "default-reset" if reset else "no-reset"]
    command += ["--baud", str(baud)] if baud else []
    lines: list[str] = []
    with subprocess.Popen(
        [*command, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        alarm = _Alarm(process)
        assert process.stdout is not None
        try:
            for line in process.stdout:
                alarm.rest()
                lines = [*lines, line.strip()[:_LINE_BYTES]][-_LINES:]
                if progress and (percent := _PERCENT.search(line)):
                    progress("write", min(100, int(percent[1])), 100)
        finally:
            alarm.stop()
            with contextlib.suppress(ProcessLookupError):
                if process.poll() is None and sys.exc_info()[0] is not None:
                    process.kill()
    said = "\n".join(lines)
    if process.returncode == 0:
        return said
    where = printable(port)
    if alarm.has_rung:
        raise HostError(
            f"{where}: nothing more came for {_SILENCE_S:.0f} s: look at cable and power, and run "
            "the command again.",
            "board.unreachable",
        )
    why = next((line for line in reversed(lines) if line), "it said nothing")
    why = printable(why.removeprefix("A fatal error occurred: "), 200)
    if any(words in said for words in _ABSENT):
        raise HostError(
            f"{where}: no chip answers ({why}). Close what else uses the port; if the board has "
            "no reset lines, hold BOOT, press RESET and say --no-reset.",
            "board.unreachable",
        )
    raise HostError(f"{where}: esptool ended with {why!r}; run the command again.", "board.failed")


class _Alarm:
    """Ends a process that has been silent for too long."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.has_rung = False
        self._process = process
        self._timer: threading.Timer | None = None
        self.rest()

    def rest(self) -> None:
        self.stop()
        self._timer = threading.Timer(_SILENCE_S, self._ring)
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _ring(self) -> None:
        self.has_rung = True
        self._process.kill()
