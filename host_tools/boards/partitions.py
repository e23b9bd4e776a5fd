# SPDX-License-Identifier: MIT
"""Partition tables of ESP-IDF: partitions.csv in, the 3 KB that go to flash at 0x8000 out.

    table = read_csv(path)
    extended(table, 8 << 20)         # the last partition reaches to the end of a larger flash
    encode(table), decode(content)   # the form in flash, with its MD5

The forms are those of ESP-IDF's "Partition Tables" guide. Refusals: board.definition for a file
of ours, board.image for what was read from an image.
"""

import csv
import hashlib
import struct
from dataclasses import dataclass, replace
from pathlib import Path

from host_tools.cli.errors import HostError
from host_tools.cli.output import printable

TABLE_AT = 0x8000
TABLE_BYTES = 0xC00
_SECTOR = 0x1000
_APP_ALIGNMENT = 0x10000

_ENTRY = struct.Struct("<2sBBII16sI")
_MAGIC = b"\xaa\x50"
_MD5_MAGIC = b"\xeb\xeb" + b"\xff" * 14
_LABEL_BYTES = 16

_TYPES = {"app": 0, "data": 1}
_SUBTYPES = {
    "app": {"factory": 0x00, "ota_0": 0x10, "ota_1": 0x11},
    "data": {"ota": 0x00, "phy": 0x01, "nvs": 0x02, "coredump": 0x03, "fat": 0x81},
}
_FILE_BYTES = 1 << 16


@dataclass(frozen=True)
class Partition:
    """type and subtype are the numbers of the table; offset and size in bytes."""

    label: str
    type: int
    subtype: int
    offset: int
    size: int
    flags: int = 0

    @property
    def end(self) -> int:
        return self.offset + self.size

    @property
    def is_app(self) -> bool:
        return self.type == _TYPES["app"]


def read_csv(file: Path) -> tuple[Partition, ...]:
    """Return the partitions of a CSV file in the order of their offsets, which do not overlap."""
    try:
        text = file.read_bytes()[: _FILE_BYTES + 1].decode()
    except (OSError, UnicodeDecodeError):
        raise HostError(f"{file}: cannot be read as a CSV file.", "board.definition") from None
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1)]
    found = []
    for number, line in lines:
        if line.strip() and not line.lstrip().startswith("#"):
            found.append(_row(f"{file}:{number}", next(csv.reader([line]))))
    found.sort(key=lambda one: one.offset)
    if not found:
        raise HostError(f"{file}: no partition is in it.", "board.definition")
    if len({one.label for one in found}) < len(found):
        raise HostError(f"{file}: two partitions have one name.", "board.definition")
    end = TABLE_AT + _SECTOR
    for one in found:
        if one.offset < end:
            raise HostError(
                f"{file}: {one.label} begins at {one.offset:#x}, before {end:#x}, where what is "
                "in front of it ends.",
                "board.definition",
            )
        end = one.end
    return tuple(found)


def _row(where: str, row: list[str]) -> Partition:
    cells = [cell.strip() for cell in row]
    if len(cells) not in (5, 6):
        raise HostError(
            f"{where}: name, type, subtype, offset, size are wanted, and flags if any.",
            "board.definition",
        )
    label, kind, subtype, offset, size = cells[:5]
    if not label.isascii() or not 0 < len(label) < _LABEL_BYTES:
        raise HostError(f"{where}: a name has 1 to 15 ASCII characters.", "board.definition")
    if kind not in _TYPES:
        raise HostError(f"{where}: the type is app or data.", "board.definition")
    known = _SUBTYPES[kind]
    number = known.get(subtype)
    if number is None:
        number = _number(where, "subtype", subtype, f"a number or {', '.join(known)}")
    at = _number(where, "offset", offset, "a number")
    wide = _number(where, "size", size, "a number")
    step = _APP_ALIGNMENT if kind == "app" else _SECTOR
    if at % step or wide % _SECTOR or not wide:
        raise HostError(
            f"{where}: an offset of {kind} is a multiple of {step:#x}, a size of {_SECTOR:#x}.",
            "board.definition",
        )
    return Partition(label, _TYPES[kind], number & 0xFF, at, wide)


def _number(where: str, what: str, text: str, allowed: str) -> int:
    try:
        value = int(text, 0)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 32:
        raise HostError(
            f"{where}: the {what} {printable(text)!r} is not {allowed}.", "board.definition"
        )
    return value


def extended(table: tuple[Partition, ...], flash_bytes: int) -> tuple[Partition, ...]:
    """The table with its last partition reaching to the end of the flash, as stock firmware's
    file system does."""
    *rest, last = table
    return (*rest, replace(last, size=max(last.size, flash_bytes - last.offset)))


def encode(table: tuple[Partition, ...]) -> bytes:
    """Return TABLE_BYTES as they stand in flash."""
    entries = b"".join(
        _ENTRY.pack(
            _MAGIC, one.type, one.subtype, one.offset, one.size, one.label.encode(), one.flags
        )
        for one in table
    )
    checked = entries + _MD5_MAGIC + hashlib.md5(entries, usedforsecurity=False).digest()
    if len(checked) > TABLE_BYTES:
        raise HostError("More partitions than a table holds.", "board.definition")
    return checked.ljust(TABLE_BYTES, b"\xff")


def decode(content: bytes) -> tuple[Partition, ...]:
    """Return the partitions of a table in flash form; refuses damage with board.image."""
    found = []
    for at in range(0, min(len(content), TABLE_BYTES) - _ENTRY.size + 1, _ENTRY.size):
        entry = content[at : at + _ENTRY.size]
        if entry[:2] == _MD5_MAGIC[:2]:
            digest = hashlib.md5(content[:at], usedforsecurity=False).digest()
            if entry[16:] != digest:
                raise HostError("The partition table's MD5 is wrong.", "board.image")
            break
        if entry == b"\xff" * _ENTRY.size:
            break
        magic, kind, subtype, offset, size, label, flags = _ENTRY.unpack(entry)
        if magic != _MAGIC:
            raise HostError("The partition table is damaged.", "board.image")
        name = label.rstrip(b"\0").decode("ascii", "replace")
        found.append(Partition(name, kind, subtype, offset, size, flags))
    if not found:
        raise HostError("There is no partition table.", "board.image")
    return tuple(found)
