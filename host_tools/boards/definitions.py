# SPDX-License-Identifier: MIT
"""Boards as data: boards/<name>/board.toml and partitions.csv, read and checked.

    definition = load("esp32_generic_s3")
    definition.chip, definition.architecture, definition.firmware_at
    for_chip("esp32s3")           # the definition of a chip that was found on a cable

What is wrong in a file is refused with its name, the key and what would be right. Refusals:
board.definition, board.no_such.
"""

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host_tools.boards import partitions
from host_tools.boards.partitions import Partition
from host_tools.build.places import BOARDS
from host_tools.cli.errors import HostError
from host_tools.cli.output import printable

# As esptool calls them, with the number that stands in an image's header (esp_app_format.h).
CHIP_IDS = {"esp32": 0, "esp32s2": 2, "esp32c3": 5, "esp32s3": 9, "esp32c6": 13}
ARCHITECTURES = ("xtensawin", "rv32imc", "x86", "x64")
_EMITTERS = ("native", "viper")
_BAUDS = (9600, 57600, 115200, 230400, 460800, 921600, 1500000)
_CLOCKS_MHZ = (80, 120, 160, 240)
_UNITS = {"K": 1 << 10, "M": 1 << 20}
_BLOCK_BYTES = 4096
_MOST_BYTES = 64 << 20
# Bytes of one file of a definition.
_FILE_BYTES = 1 << 16


@dataclass(frozen=True)
class Definition:
    """One board. Sizes and offsets in bytes; chip is None for a simulated board.

    heap_bytes   what a program finds, which simulated boards are held to
    flash_bytes  the smallest flash its images run on
    partitions   of partitions.csv, in the order of their offsets
    """

    name: str
    about: str
    chip: str | None
    is_simulated: bool
    heap_bytes: int
    clock_mhz: int | None
    architecture: str
    emitters: tuple[str, ...]
    oldest: tuple[int, int]
    flash_bytes: int | None
    firmware_at: int | None
    block_size: int
    block_count: int
    files: str
    romfs: str
    usb_ids: tuple[tuple[int, int], ...]
    baud: int
    flash_baud: int | None
    epoch_year: int
    partitions: tuple[Partition, ...]

    def partition(self, label: str) -> Partition:
        """The partition of that label; it is there, or load() had refused."""
        return next(one for one in self.partitions if one.label == label)


class _Wrong(Exception):
    """A value is not what it may be; the text says what would be."""


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or len(value) > 100:
        raise _Wrong("a text of 1 to 100 characters")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Wrong("true or false")
    return value


def _size(value: Any) -> int:
    found = re.fullmatch(r"([1-9][0-9]{0,5})([KM])", value) if isinstance(value, str) else None
    size = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < size <= _MOST_BYTES:
        raise _Wrong('a size like "100K" or "4M", at most "64M"')
    return size


def _among(*allowed: Any) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if isinstance(value, bool) or value not in allowed:
            raise _Wrong(" or ".join(repr(one).replace("'", '"') for one in allowed))
        return value

    return check


def _several(inner: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    def check(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise _Wrong("a list")
        return tuple(inner(one) for one in value)

    return check


def _usb_id(value: Any) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9a-f]{4}):([0-9a-f]{4})", value) if isinstance(value, str) else None
    if not found:
        raise _Wrong('ids like "303a:1001": vendor and product, four hexadecimal digits each')
    return int(found[1], 16), int(found[2], 16)


def _version(value: Any) -> tuple[int, int]:
    found = re.fullmatch(r"1\.([0-9]{1,3})", value) if isinstance(value, str) else None
    if not found or int(found[1]) < 25:
        raise _Wrong('a version from "1.25"')
    return 1, int(found[1])


def _blocks(value: Any) -> int:
    if type(value) is not int or not 16 <= value <= _MOST_BYTES // _BLOCK_BYTES:
        raise _Wrong(f"a number from 16 to {_MOST_BYTES // _BLOCK_BYTES}")
    return value


# Every key there is: "section.key" -> (what checks it, whether a real, a simulated board needs it)
_KEYS: dict[str, tuple[Callable[[Any], Any], bool, bool]] = {
    "name": (_text, True, True),
    "about": (_text, True, True),
    "simulated": (_flag, False, True),
    "chip": (_among(*CHIP_IDS), True, False),
    "memory.heap": (_size, True, True),
    "cpu.clock_mhz": (_among(*_CLOCKS_MHZ), True, False),
    "cpu.architecture": (_among(*ARCHITECTURES), True, True),
    "cpu.emitters": (_several(_among(*_EMITTERS)), True, True),
    "micropython.oldest": (_version, True, True),
    "flash.size": (_size, True, False),
    "flash.firmware_at": (_among(0x0, 0x1000, 0x2000), True, False),
    "flash.block_size": (_among(_BLOCK_BYTES), True, True),
    "flash.block_count": (_blocks, True, True),
    "partitions.files": (_text, True, True),
    "partitions.romfs": (_text, True, True),
    "usb.ids": (_several(_usb_id), True, False),
    "serial.baud": (_among(*_BAUDS), True, True),
    "serial.flash_baud": (_among(*_BAUDS), True, False),
    "clock.epoch_year": (_among(1970, 2000), True, True),
}


def names(folder: Path = BOARDS) -> list[str]:
    """The boards there are: folders of boards/ that have a board.toml."""
    return sorted(path.parent.name for path in folder.glob("*/board.toml"))


def load(name: str, folder: Path = BOARDS) -> Definition:
    """Return the board of that name. Refuses with board.no_such, board.definition."""
    known = names(folder)
    if name not in known:
        raise HostError(
            f"There is no board {printable(name)!r}; there are: {', '.join(known)}. "
            "boards/README.md says how to add one.",
            "board.no_such",
        )
    file = folder / name / "board.toml"
    values = _values(file)
    if values["name"] != name:
        raise _refused(file, "name", f'"{name}", as its folder is called')
    is_simulated = values.get("simulated", False)
    table: tuple[Partition, ...] = ()
    if not is_simulated:
        csv = file.with_name("partitions.csv")
        table = partitions.read_csv(csv)
        _check_table(file, csv, values, table)
    return Definition(
        name=values["name"],
        about=values["about"],
        chip=values.get("chip"),
        is_simulated=is_simulated,
        heap_bytes=values["memory.heap"],
        clock_mhz=values.get("cpu.clock_mhz"),
        architecture=values["cpu.architecture"],
        emitters=values["cpu.emitters"],
        oldest=values["micropython.oldest"],
        flash_bytes=values.get("flash.size"),
        firmware_at=values.get("flash.firmware_at"),
        block_size=values["flash.block_size"],
        block_count=values["flash.block_count"],
        files=values["partitions.files"],
        romfs=values["partitions.romfs"],
        usb_ids=values.get("usb.ids", ()),
        baud=values["serial.baud"],
        flash_baud=values.get("serial.flash_baud"),
        epoch_year=values["clock.epoch_year"],
        partitions=table,
    )


def for_chip(chip: str, folder: Path = BOARDS) -> Definition:
    """Return the board of a chip, as esptool names it; the first by name when several have it."""
    found = [one for one in (load(name, folder) for name in names(folder)) if one.chip == chip]
    if not found:
        raise HostError(f"No board of boards/ has the chip {printable(chip)!r}.", "board.no_such")
    return found[0]


def _values(file: Path) -> dict[str, Any]:
    """Every value of a board.toml under its key, checked."""
    content = file.read_bytes()
    if len(content) > _FILE_BYTES:
        raise HostError(f"{file}: larger than {_FILE_BYTES >> 10} KB.", "board.definition")
    try:
        parsed = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HostError(f"{file}: {printable(str(error))}.", "board.definition") from None
    flat: dict[str, Any] = {}
    for key, value in parsed.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{inner}": one for inner, one in value.items()}
        else:
            flat[key] = value
    for key in flat:
        if key not in _KEYS:
            raise _refused(file, key, f"one of the keys {', '.join(_KEYS)}")
    is_simulated = flat.get("simulated") is True
    values = {}
    for key, (check, real_needs, simulated_needs) in _KEYS.items():
        if key not in flat:
            if simulated_needs if is_simulated else real_needs:
                raise _refused(file, key, f"there: {_example(check)}")
            continue
        try:
            values[key] = check(flat[key])
        except _Wrong as wrong:
            raise _refused(file, key, str(wrong)) from None
    return values


def _example(check: Callable[[Any], Any]) -> str:
    """What a value may be, as the check itself says when it is asked about none."""
    try:
        check(None)
    except _Wrong as wrong:
        return str(wrong)
    return "any value"


def _check_table(
    file: Path, csv: Path, values: dict[str, Any], table: tuple[Partition, ...]
) -> None:
    labels = {one.label: one for one in table}
    for key in ("partitions.files", "partitions.romfs"):
        if values[key] not in labels:
            raise _refused(file, key, f"a name of {csv.name}: {', '.join(labels)}")
    end = max(one.end for one in table)
    if end > values["flash.size"]:
        raise HostError(
            f"{csv}: the partitions end at {end:#x}, the flash at {values['flash.size']:#x}.",
            "board.definition",
        )
    files = labels[values["partitions.files"]]
    if files.size != values["flash.block_size"] * values["flash.block_count"]:
        raise _refused(
            file, "flash.block_count", f"{files.size // _BLOCK_BYTES}, as {csv.name} has it"
        )


def _refused(file: Path, key: str, allowed: str) -> HostError:
    return HostError(
        f"{file}: {printable(key)} has to be {allowed}.",
        "board.definition",
    )
