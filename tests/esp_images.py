# SPDX-License-Identifier: MIT
"""Images that look like MicroPython's for ESP chips, made at run time: a loader whose header and
checksum are right, the board's partition table, and an application with MicroPython's banner.

No machine code is in them. They stand where a downloaded firmware would be, which no test may
fetch, and the simulated chip starts its own interpreter for them.
"""

import struct

from host_tools.boards import definitions, partitions
from host_tools.boards.definitions import Definition

_HEADER = struct.Struct("<BBBBIB3sHBHH4sB")


def firmware(definition: Definition, version: str = "1.25.0", chip_id: int | None = None) -> bytes:
    """The bytes that go to firmware_at."""
    number = definitions.CHIP_IDS[definition.chip or ""] if chip_id is None else chip_id
    base = definition.firmware_at or 0
    banner = f"MicroPython v{version} on 2025-04-15; a board".encode()
    app = next(one for one in definition.partitions if one.is_app)
    whole = bytearray(b"\xff" * (app.offset - base))
    loader = image(number, b"second-stage loader".ljust(1024, b"\0"))
    whole[: len(loader)] = loader
    table = partitions.encode(definition.partitions)
    at = partitions.TABLE_AT - base
    whole[at : at + len(table)] = table
    return bytes(whole) + image(number, banner.ljust(60000, b"\x5a"))


def image(chip_id: int, content: bytes) -> bytes:
    """One application image with one segment (ESP-IDF, "App Image Format")."""
    head = _HEADER.pack(
        0xE9, 1, 2, 0x20, 0x40080000, 0xEE, b"\0\0\0", chip_id, 0, 0, 0xFFFF, bytes(4), 0
    )
    body = head + struct.pack("<II", 0x3FFB0000, len(content)) + content
    checksum = 0xEF
    for byte in content:
        checksum ^= byte
    return body.ljust(len(body) // 16 * 16 + 15, b"\0") + bytes((checksum,))
