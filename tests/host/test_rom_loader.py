# SPDX-License-Identifier: MIT
"""The simulated ROM loader under esptool itself, for five chips; and under bytes that are none of
esptool's.
"""

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_tools.boards import definitions
from host_tools.sim import rom_loader
from host_tools.sim.chip import Chip
from host_tools.sim.rom_loader import CHIPS, RomLoader, slip
from tests import esp_images

BLANK = 4 << 20


def esptool(chip: Chip, *words: str) -> str:
    command = [sys.executable, "-m", "esptool", "--port", chip.url, "--before", "no-reset"]
    done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", CHIPS)
def test_esptool_does_its_work_unchanged(tmp_path: Path, name: str) -> None:
    definition = definitions.for_chip(name)
    firmware = esp_images.firmware(definition)
    at = definition.firmware_at or 0
    image, other = tmp_path / "firmware.bin", tmp_path / "other.bin"
    image.write_bytes(firmware)
    other.write_bytes(bytes(range(256)) * 40)
    with Chip(name, tmp_path / "chip.bin", has_lines=False) as chip:
        said = esptool(chip, "chip-id")
        assert f"Chip type:          {name.upper()}"[:25] in said.replace("ESP32-", "ESP32")
        assert "24:0a:c4:01:02:03" in esptool(chip, "--no-stub", "read-mac")
        assert "Detected flash size: 4MB" in esptool(chip, "flash-id")
        esptool(chip, "read-flash-status")
        if name != "esp32":  # which has no such request
            esptool(chip, "get-security-info")
        for how in (
            ["write-flash"],
            ["--no-stub", "write-flash"],
            ["write-flash", "--no-compress"],
        ):
            esptool(chip, *how, hex(at), str(image), "0x300000", str(other))
            assert chip.flash[at : at + len(firmware)] == firmware
            assert chip.flash[0x300000 : 0x300000 + 10240] == other.read_bytes()
        esptool(chip, "verify-flash", hex(at), str(image))
        back = tmp_path / "back.bin"
        esptool(chip, "read-flash", "0x300000", "10240", str(back))
        assert back.read_bytes() == other.read_bytes()
        esptool(chip, "erase-region", "0x300000", "0x1000")
        assert chip.flash[0x300000:0x301000] == b"\xff" * 4096
        assert chip.flash[0x301000:0x301010] != b"\xff" * 16
        esptool(chip, "write-flash", "--erase-all", hex(at), str(image))
        assert chip.flash[0x301000:0x302000] == b"\xff" * 4096
        esptool(chip, "erase-flash")
        assert chip.flash[:] == b"\xff" * BLANK
        # What is not there is not verified.
        with pytest.raises(AssertionError, match="Verification failed"):
            esptool(chip, "verify-flash", hex(at), str(image))


def request(command: int, data: bytes, check: int | None = None) -> bytes:
    checksum = 0xEF
    for byte in data[16:]:
        checksum ^= byte
    head = struct.pack("<BBHI", 0, command, len(data), checksum if check is None else check)
    return slip(head + data)


def status(answer: bytes) -> int:
    """The error of the last frame: 0, or the loader's number."""
    frame = answer.strip(b"\xc0").split(b"\xc0")[-1]
    return frame[-3] if frame[-4] else 0


@pytest.fixture
def rom() -> RomLoader:
    made = RomLoader("esp32c3", bytearray(b"\xff" * 65536))
    assert made.feed(request(8, b"\x07\x07\x12\x20" + b"U" * 32)).count(b"\xc0") == 16
    return made


def test_writing_clears_bits_and_sets_none(rom: RomLoader) -> None:
    begin = struct.pack("<IIIII", 16, 1, 16, 0x1000, 0)
    for body, found in ((b"\x0f" * 16, b"\x0f" * 16), (b"\xf1" * 16, b"\x01" * 16)):
        assert status(rom.feed(request(2, begin))) == 0
        rom.flash[0x1000:0x1010] = b"\xff" * 16 if found[0] == 15 else b"\x0f" * 16
        assert status(rom.feed(request(3, struct.pack("<IIII", 16, 0, 0, 0) + body))) == 0
        assert rom.flash[0x1000:0x1010] == found


@pytest.mark.parametrize(
    ("name", "sent", "error"),
    [
        ("beyond the flash", request(2, struct.pack("<IIIII", 65536, 1, 16, 4096, 0)), 8),
        ("around it", request(2, struct.pack("<IIIII", 0xFFFFFFFF, 1, 16, 0xFFFFFFFF, 0)), 8),
        ("a wrong checksum", request(3, bytes(16) + b"body", check=1), 7),
        ("no request", request(0x55, b""), 5),
        ("the stub's, in the ROM", request(0xD0, b""), 5),
        ("too short", request(2, b"\0"), 5),
        ("compressed before it has begun", request(0x11, struct.pack("<IIII", 4, 0, 0, 0)), 5),
        ("a length that is not true", slip(struct.pack("<BBHI", 0, 2, 99, 0)), 5),
    ],
)
def test_what_does_not_fit_is_an_error_and_changes_nothing(
    rom: RomLoader, name: str, sent: bytes, error: int
) -> None:
    before = bytes(rom.flash)
    assert status(rom.feed(sent)) == error
    assert bytes(rom.flash) == before


def test_what_unpacks_without_end_is_refused(rom: RomLoader) -> None:
    assert status(rom.feed(request(0x10, struct.pack("<IIIII", 4096, 1, 4096, 0, 0)))) == 0
    bomb = zlib.compress(bytes(1 << 24))
    head = struct.pack("<IIII", len(bomb), 0, 0, 0)
    assert status(rom.feed(request(0x11, head + bomb))) == 8


def test_a_read_without_a_block_size_ends(rom: RomLoader) -> None:
    rom.is_stub = True
    for block, most in ((0, 1), (1, 0), (1 << 20, 1)):
        answer = rom.feed(request(0xD2, struct.pack("<IIII", 0, 4096, block, most)))
        assert len(answer) < 64


def test_a_frame_without_end_is_bounded(rom: RomLoader) -> None:
    for _ in range(64):
        assert rom.feed(b"\xc0" + bytes(1 << 16)) == b""
    assert rom._frame is None
    assert rom.feed(request(8, b"\x07\x07\x12\x20" + b"U" * 32)) != b""


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_bytes_break_it_or_write_outside_the_flash(data: st.DataObject) -> None:
    flash = bytearray(b"\xff" * 16384)
    made = RomLoader(data.draw(st.sampled_from(sorted(CHIPS))), flash)
    made.is_stub = data.draw(st.booleans())
    commands = st.sampled_from([*range(2, 0x15), *range(0xD0, 0xD4)])
    numbers = st.lists(st.sampled_from([0, 1, 16, 4096, 16384, 0xFFFFFFFF]), max_size=5)
    for _ in range(data.draw(st.integers(1, 8))):
        if data.draw(st.booleans()):
            found = data.draw(numbers)
            body = struct.pack(f"<{len(found)}I", *found)
            sent = request(data.draw(commands), body + data.draw(st.binary(max_size=40)))
        else:
            sent = data.draw(st.binary(max_size=200))
        assert len(made.feed(sent)) < 2 << 20
    assert len(flash) == 16384 and rom_loader.SECTOR_BYTES == 4096
