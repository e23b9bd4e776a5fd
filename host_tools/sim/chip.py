# SPDX-License-Identifier: MIT
"""A whole simulated chip on one cable: ROM loader, second-stage loader, MicroPython.

    with Chip("esp32c3", Path("chip.bin")) as chip:
        chip.url                      # rfc2217://127.0.0.1:PORT, for esptool and for mpremote
    with Chip("esp32c3", Path("chip.bin"), has_lines=False) as chip:
        chip.url                      # socket://..., BOOT held by hand: the loader and no more

A pseudo-terminal has no reset lines, and esptool pulls at them; RFC 2217 carries them over a
socket, which pyserial opens by its URL like a port; its client waits 0.2 s for each request, so
what needs no reset takes a bare socket. DTR and RTS reach EN and IO0 over two
transistors, as on every development board. After a reset without BOOT the second-stage loader
looks for an application of this chip, as the real one does, and starts the simulated board with
the partition `vfs` of the same flash as its file system.

What it does not do: run the image's machine code. An application image stands for MicroPython;
what starts is the interpreter of board.py. The flash of the application and the partition table
are there byte for byte.
"""

import contextlib
import mmap
import os
import select
import socket
import struct
import threading
import time
import tty
from pathlib import Path
from types import TracebackType
from typing import Any

from serial.rfc2217 import PortManager

from host_tools.boards import definitions, partitions
from host_tools.boards.images import IMAGE_MAGIC
from host_tools.cli.errors import HostError
from host_tools.sim.board import Board
from host_tools.sim.rom_loader import RomLoader, slip

_CHIP_ID_AT = 12  # in an image's header
_HEAP = "144K"  # a board's and what the simulated file system takes beside it
_WAIT_S = 0.2
_HELD_BYTES = 1 << 20  # of output, beyond which the line waits for its reader
# The first frame of esptool: a chip whose BOOT button is held by hand answers it.
_SYNC_FRAME = slip(struct.pack("<BBHI", 0, 8, 36, 0) + b"\x07\x07\x12\x20" + b"U" * 32)
_BANNER = b"ets Jul 29 2019 12:21:46\r\n\r\nrst:0x1 (POWERON_RESET),boot:0x%x (%s)\r\n"


class Chip:
    """One chip, powered on when made; image is its flash, made (erased) when it is not there."""

    def __init__(
        self, chip: str, image: Path, *, flash_bytes: int = 4 << 20, has_lines: bool = True
    ) -> None:
        self.definition = definitions.for_chip(chip)
        self._files = image.with_suffix(".vfs")
        if not image.exists():
            image.write_bytes(b"\xff" * flash_bytes)
        self._file = open(image, "r+b")  # noqa: SIM115 - as long as the chip
        self.flash = mmap.mmap(self._file.fileno(), 0)
        self.rom = RomLoader(chip, self.flash)
        self.mode = "off"  # rom, dead (no application), app
        self.bytes_in = 0  # from the host, for faults
        self.cut_after: int | None = None  # bytes from the host until the cable is pulled
        self._board: Board | None = None
        self._tty = -1
        self._vfs = (0, 0)
        self._has_lines = has_lines
        self._en, self._io0 = True, has_lines
        self._out = bytearray()
        self._client: Any = None
        self._server = socket.create_server(("127.0.0.1", 0))
        kind = "rfc2217" if has_lines else "socket"
        self.url = f"{kind}://127.0.0.1:{self._server.getsockname()[1]}"
        self._is_closed = False
        self._start()
        self._thread = threading.Thread(target=self._serve, name=f"chip {image}", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Chip":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._is_closed = True
        self._thread.join()
        self._halt()
        self._server.close()
        self.flash.flush()
        self.flash.close()
        self._file.close()

    # Power and reset.

    def lines(self, *, en: bool, io0: bool) -> None:
        """EN low holds the chip in reset; what IO0 is when EN rises decides what starts."""
        rises = en and not self._en
        if self._en and not en:
            self._halt()
        self._en, self._io0 = en, io0
        if rises:
            self._start()

    def _halt(self) -> None:
        if self._board is not None:
            os.close(self._tty)
            self._board.close()
            start, size = self._vfs
            self.flash[start : start + size] = self._files.read_bytes()
            self._board = None
        self.mode = "off"

    def _start(self) -> None:
        self.rom.reset()
        if not self._io0:
            self.mode = "rom"
            self._say(_BANNER % (0x3, b"DOWNLOAD_BOOT") + b"waiting for download\r\n")
            return
        self._say(_BANNER % (0x13, b"SPI_FAST_FLASH_BOOT"))
        self._boot()

    def _boot(self) -> None:
        """The second-stage loader: an image of this chip, a table, an application."""
        self.mode = "dead"
        at = self.definition.firmware_at or 0
        head = self.flash[at : at + 24]
        if head[0] != IMAGE_MAGIC or head[_CHIP_ID_AT] != self.rom.chip.chip_id:
            self._say(b"invalid header: 0x%08x\r\n" % int.from_bytes(head[:4], "little"))
            return
        table_at = partitions.TABLE_AT
        try:
            table = partitions.decode(self.flash[table_at : table_at + partitions.TABLE_BYTES])
        except HostError as error:
            self._say(b"E (60) boot: %s\r\n" % error.message.encode())
            return
        apps = [one for one in table if one.is_app and self.flash[one.offset] == IMAGE_MAGIC]
        files = [one for one in table if one.label == self.definition.files]
        if not apps or not files:
            self._say(b"E (60) boot: No bootable app partitions in the partition table\r\n")
            return
        self._vfs = files[0].offset, files[0].size
        erased = b"\xff" * (64 << 10)
        nvs = next((one for one in table if one.label == "nvs"), None)
        settings = self._files.with_name(self._files.name + ".nvs.json")
        if nvs and self.flash[nvs.offset : nvs.offset + nvs.size] == erased[: nvs.size]:
            # Erased with the rest: what the simulated board keeps of it beside the image goes too.
            settings.unlink(missing_ok=True)
            self.flash[nvs.offset] = 0xFE
        self._files.write_bytes(self.flash[files[0].offset : files[0].end])
        self._board = Board(self._files, heap=_HEAP, rtc=int(time.time()))
        self._tty = os.open(self._board.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self._tty)
        self.mode = "app"

    def _say(self, data: bytes) -> None:
        self._out += data

    # The line.

    def write(self, data: bytes) -> None:
        """PortManager's answers to what the host asks of the port itself."""
        self._client.sendall(data)

    def _serve(self) -> None:
        while not self._is_closed:
            if not select.select([self._server], [], [], _WAIT_S)[0]:
                continue
            self._client, _ = self._server.accept()
            self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with contextlib.suppress(OSError):  # the host has left, or the cable was pulled
                self._talk()
            self._client.close()
            if not self._has_lines:  # whoever holds BOOT presses reset for the next one
                self.purge()
                self._start()

    def _talk(self) -> None:
        manager = PortManager(_Lines(self), self) if self._has_lines else None
        while not self._is_closed:
            board = [self._tty] if self.mode == "app" and len(self._out) < _HELD_BYTES else []
            ready, _, _ = select.select([self._client, *board], [], [], _WAIT_S)
            if self._client in ready:
                data = self._client.recv(65536)
                if not data:
                    return
                self.bytes_in += len(data)
                if self.cut_after is not None and self.bytes_in >= self.cut_after:
                    self.cut_after = None
                    return
                self._heard(b"".join(manager.filter(data)) if manager else data)
            if self.mode == "app" and self._tty in ready:
                self._say(os.read(self._tty, 65536))
            if self._out:
                said, self._out[:] = bytes(self._out), b""
                # Telnet, under RFC 2217, doubles its escape.
                self._client.sendall(said.replace(b"\xff", b"\xff\xff") if manager else said)

    def purge(self) -> None:
        self._out.clear()

    def _heard(self, data: bytes) -> None:
        if self.mode == "dead" and _SYNC_FRAME in data:  # BOOT is held by hand
            self.rom.reset()
            self.mode = "rom"
        if not data:
            return
        if self.mode == "rom":
            self._say(self.rom.feed(data))
            if self.rom.wants_application:
                self.rom.wants_application = False
                self._boot()
        elif self.mode == "app":
            while data:
                try:
                    data = data[os.write(self._tty, data) :]
                except BlockingIOError:
                    select.select([], [self._tty], [], 1)


class _Lines:
    """The port as PortManager knows it: settings that mean nothing here, and two lines that do."""

    baudrate, bytesize, parity, stopbits = 115200, 8, "N", 1
    xonxoff = rtscts = break_condition = False
    cts = dsr = cd = True
    ri = False

    def __init__(self, chip: Chip) -> None:
        self._chip = chip
        self._dtr = self._rts = self._is_held = False

    @property
    def dtr(self) -> bool:
        return self._dtr

    @dtr.setter
    def dtr(self, is_on: bool) -> None:
        self._dtr = is_on
        self._changed()

    @property
    def rts(self) -> bool:
        return self._rts

    @rts.setter
    def rts(self, is_on: bool) -> None:
        self._rts = is_on
        self._changed()

    def _changed(self) -> None:
        # Two transistors: a line is low when its own signal alone is on. EN rises slowly, so a
        # reset that passes through "both on" has not ended there.
        if self._rts != self._dtr:
            self._is_held = self._rts
        elif not self._rts:
            self._is_held = False
        self._chip.lines(en=not self._is_held, io0=not (self._dtr and not self._rts))

    def reset_input_buffer(self) -> None:
        self._chip.purge()

    def reset_output_buffer(self) -> None:
        pass
