# SPDX-License-Identifier: MIT
"""`make romfs`: an image that MicroPython runs the package from."""

import subprocess
from pathlib import Path

import pytest

from host_tools.build import deploy, romfs, runtime

ROOT = Path(__file__).resolve().parents[2]


def imported(image: Path, module: str) -> "subprocess.CompletedProcess[str]":
    """Import a module on 32-bit MicroPython, from the image alone."""
    command = runtime.find(32).command("tests/from_rom.py", str(image), module, heap="100K")
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    file = tmp_path / "image.romfs"
    file.write_bytes(romfs.package_image("x86"))
    return file


@pytest.mark.parametrize(
    "module",
    ["trustanchor.tls.client", "trustanchor.store.trust_store", "trustanchor.crypto._field"],
)
def test_modules_are_imported_from_the_image(image: Path, module: str) -> None:
    done = imported(image, f"lib.{module}")
    assert (done.returncode, done.stderr) == (0, "")


def test_what_only_cpython_needs_is_not_in_the_image(image: Path) -> None:
    done = imported(image, "lib.trustanchor._tls")
    assert done.returncode != 0
    assert "ImportError" in done.stderr


def test_native_code_is_that_of_the_architecture() -> None:
    images = {romfs.package_image(name) for name in ("x86", "xtensawin", "rv32imc")}
    assert len(images) == 3
    assert {"xtensawin", "rv32imc"} <= set(deploy.ARCHITECTURES)


def test_an_architecture_mpy_cross_does_not_have_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["sim_rom", "z80"])
    with pytest.raises(SystemExit) as refused:
        romfs.main()
    assert refused.value.code == 2
    assert "xtensawin" in capsys.readouterr().err
