# SPDX-License-Identifier: MIT
"""`trustanchor board flash`: an image is looked at, written by esptool and verified; a board that
is another one, and a cable that is pulled, end in a sentence and nothing half.
"""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from host_tools.boards import definitions, flashing
from host_tools.cli import main as cli
from host_tools.sim.chip import Chip
from tests import esp_images
from tests.host.test_board import desk

__all__ = ["desk"]  # a fixture

C3 = definitions.load("esp32_generic_c3")
FAULTS = 12  # cables pulled
SEED = 20261127


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    capsys.readouterr()
    status = cli.main(["board", *words, "--json"])
    found = json.loads(capsys.readouterr().out)
    return status, found[0] if isinstance(found, list) else found["error"]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    file = tmp_path / "firmware.bin"
    file.write_bytes(esp_images.firmware(C3, "1.26.1"))
    return file


def held(chip: Chip) -> list[str]:
    """The words for a chip whose BOOT is held by hand."""
    return ["--port", chip.url, "--no-reset"]


def test_an_image_is_written_and_the_rest_is_kept(tmp_path: Path, image: Path, capsys) -> None:
    with Chip("esp32c3", tmp_path / "chip.bin", has_lines=False) as chip:
        chip.flash[0x300000:0x300010] = b"files of a board"
        status, shown = run(capsys, "flash", "--firmware", str(image), *held(chip))
        assert (status, shown["code"]) == (0, "ok"), shown
        assert (shown["chip"], shown["mac"], shown["micropython"]) == (
            "esp32c3", "240ac4010203", "1.26.1",
        )  # fmt: skip
        content = image.read_bytes()
        assert chip.flash[: len(content)] == content
        assert chip.flash[0x300000:0x300010] == b"files of a board"
        words = ["flash", "--erase", "--firmware", str(image), *held(chip)]
        status, shown = run(capsys, *words)
        assert (status, shown["code"]) == (1, "board.not_confirmed")
        assert chip.flash[0x300000:0x300010] == b"files of a board"
        assert run(capsys, *words, "--yes")[0] == 0
        assert chip.flash[0x300000:0x300010] == b"\xff" * 16
        assert chip.flash[: len(content)] == content


def damaged(content: bytes, name: str) -> bytes:
    made = bytearray(content)
    if name == "table":
        made[0x8004] ^= 1
    elif name == "application":
        made[0x10000] = 0
    elif name == "banner":
        return bytes(made).replace(b"MicroPython v", b"MacroPython v")
    elif name == "short":
        return bytes(made[:20])
    elif name == "text":
        return b"<html>404</html>" * 100
    elif name == "alien":
        made[12] = 77
    return bytes(made)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("table", "board.image"),
        ("application", "board.image"),
        ("banner", "board.image"),
        ("short", "board.image"),
        ("text", "board.image"),
        ("alien", "board.image"),
        ("old", "board.too_old"),
        ("other", "board.wrong_chip"),
    ],
)
def test_what_is_no_image_for_this_board_writes_nothing(
    tmp_path: Path, image: Path, capsys, name: str, code: str
) -> None:
    if name == "old":
        image.write_bytes(esp_images.firmware(C3, "1.24.1"))
    elif name == "other":
        image.write_bytes(esp_images.firmware(definitions.load("esp32_generic_s3")))
    else:
        image.write_bytes(damaged(image.read_bytes(), name))
    with Chip("esp32c3", tmp_path / "chip.bin", has_lines=False) as chip:
        status, shown = run(capsys, "flash", "--firmware", str(image), *held(chip))
        assert (status, shown["code"]) == (1, code)
        assert chip.flash[:] == b"\xff" * len(chip.flash)


def test_a_board_that_is_named_wants_its_own_image(image: Path, capsys) -> None:
    words = ["flash", "--firmware", str(image), "--board", "esp32_generic", "--port", "none"]
    status, shown = run(capsys, *words)
    assert (status, shown["code"]) == (1, "board.image")
    assert "is for esp32c3, and esp32_generic has esp32" in shown["message"]
    status, shown = run(capsys, *words[:4], "sim", *words[5:])
    assert (status, shown["code"]) == (1, "board.usage")


def test_a_port_without_a_chip_is_refused(tmp_path: Path, image: Path, capsys) -> None:
    words = ["flash", "--firmware", str(image), "--port", str(tmp_path / "none"), "--no-reset"]
    status, shown = run(capsys, *words)
    assert (status, shown["code"]) == (1, "board.unreachable")


def test_a_board_that_falls_silent_is_given_up(
    tmp_path: Path, image: Path, capsys, monkeypatch
) -> None:
    monkeypatch.setattr(flashing, "_SILENCE_S", 2.0)
    with Chip("esp32c3", tmp_path / "chip.bin", has_lines=False) as chip:
        chip.rom.feed = lambda data: b""  # type: ignore[method-assign]
        monkeypatch.setattr(chip.rom, "reset", lambda: None)
        status, shown = run(capsys, "flash", "--firmware", str(image), *held(chip))
    assert (status, shown["code"]) == (1, "board.unreachable")


def test_a_cable_that_is_pulled_anywhere_is_a_sentence_and_the_same_command_finishes(
    tmp_path: Path, image: Path, capsys
) -> None:
    choose = random.Random(SEED)
    content = image.read_bytes()
    with Chip("esp32c3", tmp_path / "chip.bin", has_lines=False) as chip:
        assert run(capsys, "flash", "--firmware", str(image), *held(chip))[0] == 0
        whole = chip.bytes_in
        codes = set()
        for _ in range(FAULTS):
            chip.flash[:] = b"\xff" * len(chip.flash)
            chip.bytes_in, chip.cut_after = 0, choose.randrange(1, whole)
            status, shown = run(capsys, "flash", "--firmware", str(image), *held(chip))
            codes.add(shown["code"])
            assert shown["code"] in ("ok", "board.unreachable", "board.failed"), shown
            # The last bytes ask for the restart: without an answer all the same it is written.
            assert status == 1 or chip.flash[: len(content)] == content
            chip.cut_after = None
            assert run(capsys, "flash", "--firmware", str(image), *held(chip))[0] == 0
            assert chip.flash[: len(content)] == content
    assert codes - {"ok"}


def test_one_cable_from_erased_flash_to_an_updated_board(
    tmp_path: Path, image: Path, desk: Path, capsys
) -> None:
    """esptool and mpremote, unchanged, on one port; the file system lies in the same flash."""
    with Chip("esp32c3", tmp_path / "chip.bin") as chip:
        assert chip.mode == "dead"
        status, shown = run(capsys, "flash", "--firmware", str(image), "--port", chip.url)
        assert (status, shown["code"]) == (0, "ok"), shown
        assert chip.mode == "app"
        product = str(desk / "thermostat.toml")
        status, shown = run(capsys, "provision", product, "--port", chip.url, "--yes")
        assert (status, shown["code"]) == (0, "ok"), shown
        status, shown = run(capsys, "update", str(desk / "2.bundle"), "--port", chip.url)
        assert (status, shown["code"]) == (0, "ok"), shown
        # Another firmware: what the board trusts is in its own partition and stays.
        assert run(capsys, "flash", "--firmware", str(image), "--port", chip.url)[0] == 0
        status, shown = run(capsys, "status", "--port", chip.url)
        assert (shown["product"], shown["trust"]["sequence"]) == ("thermostat", 2)
