# SPDX-License-Identifier: MIT
"""A MicroPython image for an ESP32-class chip, looked at before it is written.

    image = read(path, definition)       # for this chip, new enough, and it fits
    image.version, image.table

The form is ESP-IDF's "App Image Format": what MicroPython hands out begins with the second-stage
loader at the board's firmware_at, has the partition table at 0x8000 of the flash and the
application in its partition. Refusals: board.image with the file and what would be right.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from host_tools.boards import definitions, partitions
from host_tools.boards.definitions import Definition
from host_tools.boards.partitions import Partition
from host_tools.cli.errors import HostError
from host_tools.cli.output import printable
from host_tools.signing import inputs

IMAGE_MAGIC = 0xE9
_CHIP_ID_AT = 12
_HEAD_BYTES = 24
_MOST_BYTES = 64 << 20
# MicroPython's banner, which every firmware has for its REPL.
_VERSION = re.compile(rb"MicroPython v(\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?")


@dataclass(frozen=True)
class Image:
    """content goes to firmware_at; version is MicroPython's."""

    path: Path
    content: bytes
    version: tuple[int, int, int]
    table: tuple[Partition, ...]


def chip_of(path: Path) -> str:
    """Return the chip that an image is for, as board.toml calls it."""
    name, content = _content(path)
    chip_id = int.from_bytes(content[_CHIP_ID_AT : _CHIP_ID_AT + 2], "little")
    for chip, number in definitions.CHIP_IDS.items():
        if number == chip_id:
            return chip
    raise HostError(
        f"{name} is for a chip with the id {chip_id}; boards here have "
        f"{', '.join(definitions.CHIP_IDS)}.",
        "board.image",
    )


def _content(path: Path) -> tuple[str, bytes]:
    name = printable(str(path))
    content = inputs.read(path, _MOST_BYTES)
    if len(content) > _MOST_BYTES:
        raise HostError(f"{name}: larger than any flash.", "board.image")
    if len(content) < _HEAD_BYTES or content[0] != IMAGE_MAGIC:
        raise HostError(
            f"{name}: no image of an ESP chip. Take the board's .bin from where MicroPython's "
            "firmware is offered.",
            "board.image",
        )
    return name, content


def read(path: Path, definition: Definition) -> Image:
    """Return the image of a file if it is one for this board."""
    name, content = _content(path)
    if (chip := chip_of(path)) != definition.chip:
        raise HostError(
            f"{name} is for {chip}, and {definition.name} has {definition.chip}.", "board.image"
        )
    at = partitions.TABLE_AT - (definition.firmware_at or 0)
    try:
        table = partitions.decode(content[at : at + partitions.TABLE_BYTES])
    except HostError as error:
        raise HostError(
            f"{name}: {error.message} The image has to hold loader, table and application, as "
            "MicroPython's does.",
            "board.image",
        ) from None
    found = _VERSION.search(content)
    if found is None:
        raise HostError(f"{name}: no MicroPython is in it.", "board.image")
    version = (int(found[1]), int(found[2]), int(found[3] or 0))
    if version[:2] < definition.oldest:
        wanted = ".".join(map(str, definition.oldest))
        raise HostError(
            f"{name} has MicroPython {'.'.join(map(str, version))}; {wanted} or newer is needed.",
            "board.too_old",
        )
    _check_table(name, content, definition, table)
    return Image(path, content, version, table)


def _check_table(
    name: str, content: bytes, definition: Definition, table: tuple[Partition, ...]
) -> None:
    if not any(one.label == definition.files for one in table):
        raise HostError(
            f"{name}: its partition table has no {definition.files}, where files go.",
            "board.image",
        )
    apps = [one for one in table if one.is_app]
    base = definition.firmware_at or 0
    if not any(content[one.offset - base : one.offset - base + 1] == b"\xe9" for one in apps):
        raise HostError(f"{name}: no application is in it.", "board.image")
    end = max(one.end for one in apps)
    if base + len(content) > max(end, *(one.end for one in table)):
        raise HostError(f"{name}: reaches beyond its own partitions.", "board.image")
