# SPDX-License-Identifier: MIT
"""The ROM loader of an ESP32, S2, S3, C3 or C6, and esptool's stub: bytes in, bytes out.

    rom = RomLoader("esp32c3", flash)    # flash: bytearray or mmap of the whole chip
    answer = rom.feed(data)              # whatever arrived on the serial line
    rom.wants_application                # the host has asked to leave the loader

A stand-in for hardware, so that esptool itself can be run unchanged. The protocol is Espressif's
(esptool's "Serial Protocol" pages): requests and answers in SLIP frames, a checksum over data
blocks, flash written as NOR flash is, where writing only clears bits. What is uploaded to memory
and started is taken for esptool's stub and not executed.

Bytes on a line may be anything: a frame is bounded, a request that does not fit is answered with
an error, nothing is written outside the flash, and no answer is longer than what was asked for.
"""

import hashlib
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SECTOR_BYTES = 4096
SYNC = b"\x07\x07\x12\x20"

_END, _ESC, _ESC_END, _ESC_ESC = 0xC0, 0xDB, 0xDC, 0xDD
_MOST_FRAME_BYTES = 0x8000  # the stub's blocks have 16 KB
_MOST_READ_BYTES = 0x4000
_HEAD = struct.Struct("<BBHI")
_BAD_COMMAND, _BAD_CHECKSUM, _BAD_LENGTH = 0x05, 0x07, 0x08

# Requests, by their number in the protocol.
_FLASH_BEGIN, _FLASH_DATA, _FLASH_END = 0x02, 0x03, 0x04
_MEM_BEGIN, _MEM_END, _MEM_DATA, _SYNC = 0x05, 0x06, 0x07, 0x08
_WRITE_REG, _READ_REG, _SPI_SET_PARAMS, _SPI_ATTACH = 0x09, 0x0A, 0x0B, 0x0D
_READ_FLASH_SLOW, _CHANGE_BAUDRATE = 0x0E, 0x0F
_DEFL_BEGIN, _DEFL_DATA, _DEFL_END = 0x10, 0x11, 0x12
_FLASH_MD5, _SECURITY_INFO = 0x13, 0x14
_ERASE_FLASH, _ERASE_REGION, _READ_FLASH, _RUN_USER_CODE = 0xD0, 0xD1, 0xD2, 0xD3
_FIRST_OF_STUB = 0xD0
_WITH_DATA = (_FLASH_DATA, _MEM_DATA, _DEFL_DATA)

_SPI_USER = 1 << 18  # in the flash controller's command register: run what USER2 says
_READ_ID, _READ_SFDP = 0x9F, 0x5A  # commands of the flash chip (JESD216)
_WINBOND = 0x40EF
_SFDP = 0x50444653


@dataclass(frozen=True)
class Chip:
    """What esptool reads of a chip before it trusts it to be one.

    chip_id     number in the header of an image, and in the security information
    spi         base of the flash controller; user2, w0: offsets of two of its registers
    mac         register with the low 32 bits of the MAC address, the high 16 behind it
    clock       register of the UART's divider, from which the crystal is computed
    magic       word at 0x40001000 of the chips that are told by it, else None
    """

    chip_id: int
    spi: int
    user2: int
    w0: int
    mac: int
    clock: int
    magic: int | None = None


# Addresses from esptool's targets, which has them from the technical reference manuals.
CHIPS = {
    "esp32": Chip(0, 0x3FF42000, 0x24, 0x80, 0x3FF5A004, 0x3FF40014, 0x00F01D83),
    "esp32s2": Chip(2, 0x3F402000, 0x20, 0x58, 0x3F41A044, 0x3F400014, 0x000007C6),
    "esp32s3": Chip(9, 0x60002000, 0x20, 0x58, 0x60007044, 0x60000014),
    "esp32c3": Chip(5, 0x60002000, 0x20, 0x58, 0x60008844, 0x60000014),
    "esp32c6": Chip(13, 0x60003000, 0x20, 0x58, 0x600B0844, 0x60000014),
}
_MAGIC_AT = 0x40001000
_CRYSTAL_HZ = 40_000_000
_FIRST_BAUD = 115200
# The ESP32's crystal is computed from a calibration of its slow clock (RTC_CNTL, TIMG).
_ESP32_CALIBRATION = {0x3FF5F06C: (_CRYSTAL_HZ * 40 // (15625 * 128)) << 7, 0x3FF5A010: 128}


@dataclass
class _Reading:
    """READ_FLASH under way: the host acknowledges how many bytes it has."""

    start: int
    size: int
    block: int
    most: int
    sent: int = 0


class RomLoader:
    """One chip in its loader. mac is the MAC address, six bytes."""

    def __init__(self, chip: str, flash: Any, mac: bytes = b"\x24\x0a\xc4\x01\x02\x03") -> None:
        self.chip = CHIPS[chip]
        self.flash = flash
        self._name = chip
        high, low = int.from_bytes(mac[:2], "big"), int.from_bytes(mac[2:], "big")
        self._fixed = {
            self.chip.mac: low,
            self.chip.mac + 4: high,
            self.chip.clock: _CRYSTAL_HZ // _FIRST_BAUD,
        }
        if self.chip.magic is not None:
            self._fixed[_MAGIC_AT] = self.chip.magic
        if chip == "esp32":
            self._fixed |= _ESP32_CALIBRATION
        self._handlers: dict[int, Callable[[int, bytes], bytes]] = {
            _SYNC: self._sync,
            _READ_REG: self._read_register,
            _WRITE_REG: self._write_registers,
            _SPI_SET_PARAMS: self._accepted,
            _SPI_ATTACH: self._accepted,
            _CHANGE_BAUDRATE: self._accepted,
            _MEM_BEGIN: self._accepted,
            _MEM_DATA: self._accepted,
            _MEM_END: self._memory_end,
            _SECURITY_INFO: self._security_info,
            _FLASH_BEGIN: self._begin,
            _DEFL_BEGIN: self._begin,
            _FLASH_DATA: self._data,
            _DEFL_DATA: self._data,
            _FLASH_END: self._end,
            _DEFL_END: self._end,
            _FLASH_MD5: self._md5,
            _READ_FLASH_SLOW: self._read_slow,
            _ERASE_FLASH: self._erase_flash,
            _ERASE_REGION: self._erase_region,
            _READ_FLASH: self._read_flash,
            _RUN_USER_CODE: self._run_user_code,
        }
        self.reset()

    def reset(self) -> None:
        """What the reset button does with BOOT held."""
        self.is_stub = False
        self.wants_application = False
        self._frame: bytearray | None = None
        self._is_escaped = False
        self._registers: dict[int, int] = {}
        self._at = 0  # where the next block goes
        self._left = 0  # bytes that FLASH_BEGIN has announced
        self._inflate: Any = None
        self._reading: _Reading | None = None

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the line; return what the chip answers."""
        answers = bytearray()
        for byte in data:
            if byte == _END:
                if self._frame:
                    answers += self._packet(bytes(self._frame))
                self._frame, self._is_escaped = bytearray(), False
            elif self._frame is None:
                continue  # noise before the first frame, or after one that had no end
            elif byte == _ESC:
                self._is_escaped = True
            elif len(self._frame) >= _MOST_FRAME_BYTES:
                self._frame = None
            else:
                if self._is_escaped:
                    byte = {_ESC_END: _END, _ESC_ESC: _ESC}.get(byte, byte)
                self._frame.append(byte)
                self._is_escaped = False
        return bytes(answers)

    def _packet(self, packet: bytes) -> bytes:
        if self._reading and len(packet) == 4:
            return self._acknowledged(int.from_bytes(packet, "little"))
        if len(packet) < _HEAD.size or packet[0]:
            return b""
        _, command, size, check = _HEAD.unpack_from(packet)
        data = packet[_HEAD.size :]
        handler = self._handlers.get(command)
        if len(data) != size or handler is None:
            return self._answer(command, error=_BAD_COMMAND)
        if command >= _FIRST_OF_STUB and not self.is_stub:
            return self._answer(command, error=_BAD_COMMAND)
        if command in _WITH_DATA and _checksum(data[16:]) != check & 0xFF:
            return self._answer(command, error=_BAD_CHECKSUM)
        try:
            return handler(command, data)
        except (struct.error, zlib.error):
            return self._answer(command, error=_BAD_COMMAND)

    def _answer(self, command: int, body: bytes = b"", value: int = 0, error: int = 0) -> bytes:
        status = bytes((1 if error else 0, error)) + (b"" if self.is_stub else b"\0\0")
        head = _HEAD.pack(1, command, len(body) + len(status), value)
        return slip(head + body + status)

    # What the loader is and has.

    def _sync(self, command: int, data: bytes) -> bytes:
        if data[:4] != SYNC:
            return b""
        # Eight answers, and the ROM's have a value that the stub's have not.
        return self._answer(command, value=0 if self.is_stub else 0x20120707) * 8

    def _accepted(self, command: int, data: bytes) -> bytes:
        return self._answer(command)

    def _read_register(self, command: int, data: bytes) -> bytes:
        (address,) = struct.unpack("<I", data)
        found = self._fixed.get(address, self._registers.get(address, 0))
        return self._answer(command, value=found)

    def _write_registers(self, command: int, data: bytes) -> bytes:
        for address, value, mask, _ in struct.iter_unpack("<IIII", data):
            old = self._registers.get(address, 0)
            if len(self._registers) > 4096:
                return self._answer(command, error=_BAD_LENGTH)
            self._registers[address] = (old & ~mask | value & mask) & 0xFFFFFFFF
            if address == self.chip.spi and value & _SPI_USER:
                self._flash_command()
        return self._answer(command)

    def _flash_command(self) -> None:
        """The flash chip answers the command in USER2: its identity, or that it has SFDP."""
        base = self.chip.spi
        command = self._registers.get(base + self.chip.user2, 0) & 0xFF
        size = len(self.flash).bit_length() - 1
        answers = {_READ_ID: _WINBOND | size << 16, _READ_SFDP: _SFDP}
        self._registers[base + self.chip.w0] = answers.get(command, 0)
        self._registers[base] = 0  # done

    def _security_info(self, command: int, data: bytes) -> bytes:
        if self._name == "esp32":
            return self._answer(command, error=_BAD_COMMAND)
        ids = b"" if self._name == "esp32s2" else struct.pack("<II", self.chip.chip_id, 0)
        return self._answer(command, bytes(12) + ids)

    def _memory_end(self, command: int, data: bytes) -> bytes:
        stay, entry = struct.unpack("<II", data)
        answer = self._answer(command)
        if entry and not stay:
            self.is_stub = True
            answer += slip(b"OHAI")
        return answer

    # Flash.

    def _begin(self, command: int, data: bytes) -> bytes:
        size, _, _, start = struct.unpack_from("<IIII", data)
        if start + size > len(self.flash):
            return self._answer(command, error=_BAD_LENGTH)
        self._at, self._left = start, size
        self._erase(start, size)
        self._inflate = zlib.decompressobj() if command == _DEFL_BEGIN else None
        return self._answer(command)

    def _data(self, command: int, data: bytes) -> bytes:
        (size,) = struct.unpack_from("<I", data)
        body = data[16 : 16 + size]
        if command == _DEFL_DATA:
            if self._inflate is None:
                return self._answer(command, error=_BAD_COMMAND)
            # A block of the ROM's compressed writes may unpack into a megabyte, and not into more
            # than was announced.
            body = self._inflate.decompress(body, self._room() + 1)
        elif len(body) > self._room():
            body = body[: self._room()]  # the last block is filled up
        if len(body) > self._room():
            return self._answer(command, error=_BAD_LENGTH)
        self._program(body)
        return self._answer(command)

    def _room(self) -> int:
        """Bytes up to the end of the flash: what a compressed write announces is rounded."""
        return len(self.flash) - self._at

    def _end(self, command: int, data: bytes) -> bytes:
        self._inflate = None
        if data[:4] == bytes(4):
            self.wants_application = True
        return self._answer(command)

    def _md5(self, command: int, data: bytes) -> bytes:
        start, size = struct.unpack_from("<II", data)
        digest = hashlib.md5(self.flash[start : start + size], usedforsecurity=False)
        # Text in the ROM, bytes in the stub.
        found = digest.digest() if self.is_stub else digest.hexdigest().encode()
        return self._answer(command, found)

    def _read_slow(self, command: int, data: bytes) -> bytes:
        start, size = struct.unpack_from("<II", data)
        found = bytes(self.flash[start : start + min(size, 64)])
        return self._answer(command, found.ljust(64, b"\xff"))

    def _erase_flash(self, command: int, data: bytes) -> bytes:
        self._erase(0, len(self.flash))
        return self._answer(command)

    def _erase_region(self, command: int, data: bytes) -> bytes:
        start, size = struct.unpack("<II", data)
        if start + size > len(self.flash):
            return self._answer(command, error=_BAD_LENGTH)
        self._erase(start, size)
        return self._answer(command)

    def _read_flash(self, command: int, data: bytes) -> bytes:
        start, size, block, most = struct.unpack("<IIII", data)
        if start + size > len(self.flash) or not 0 < block <= _MOST_READ_BYTES or not most:
            return self._answer(command, error=_BAD_LENGTH)
        self._reading = _Reading(start, size, block, min(most, 64))
        return self._answer(command) + self._acknowledged(0)

    def _acknowledged(self, got: int) -> bytes:
        reading = self._reading
        assert reading is not None
        answers = b""
        while reading.sent < min(reading.size, got + reading.block * reading.most):
            count = min(reading.block, reading.size - reading.sent)
            at = reading.start + reading.sent
            answers += slip(self.flash[at : at + count])
            reading.sent += count
        if got >= reading.size:
            self._reading = None
            whole = self.flash[reading.start : reading.start + reading.size]
            answers += slip(hashlib.md5(whole, usedforsecurity=False).digest())
        return answers

    def _run_user_code(self, command: int, data: bytes) -> bytes:
        self.wants_application = True
        return b""

    def _erase(self, start: int, size: int) -> None:
        first = start // SECTOR_BYTES * SECTOR_BYTES
        last = min(len(self.flash), -(-(start + size) // SECTOR_BYTES) * SECTOR_BYTES)
        self.flash[first:last] = b"\xff" * (last - first)

    def _program(self, data: bytes) -> None:
        end = self._at + len(data)
        old = int.from_bytes(self.flash[self._at : end], "big")
        # NOR flash: a write clears bits and sets none.
        both = old & int.from_bytes(data, "big")
        self.flash[self._at : end] = both.to_bytes(len(data), "big")
        self._at = end


def slip(data: bytes) -> bytes:
    """A frame as it goes over the line (RFC 1055)."""
    escaped = bytes(data).replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
    return b"\xc0" + escaped + b"\xc0"


def _checksum(data: bytes) -> int:
    value = 0xEF
    for byte in data:
        value ^= byte
    return value
