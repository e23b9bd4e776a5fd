# SPDX-License-Identifier: MIT
"""Files a person names are read within bounds, pipes included."""

import io
import os
import threading
from pathlib import Path

import pytest

from host_tools.cli import main as cli
from host_tools.cli.errors import HostError
from host_tools.signing import inputs


def test_no_more_than_one_byte_above_the_limit_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    assert len(inputs.read(path, 50)) == 51
    assert inputs.read(path, 100) == b"x" * 100


def test_an_endless_device_is_bounded() -> None:
    assert len(inputs.read("/dev/zero", 1000)) == 1001


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"x" * 100)))
    assert inputs.read("-", 50) == b"x" * 51


def test_a_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bundle", "inspect", str(tmp_path)]) == 3
    assert str(tmp_path) in capsys.readouterr().err


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def test_a_pipe_is_read_to_its_end(pipe: Path) -> None:
    writer = threading.Thread(target=pipe.write_bytes, args=(b"y" * 200_000,))
    writer.start()
    assert inputs.read(pipe, 1 << 20) == b"y" * 200_000
    writer.join()


def test_a_pipe_without_a_writer_is_refused(
    pipe: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(inputs, "PIPE_S", 0.1)
    with pytest.raises(HostError) as caught:
        inputs.read(pipe, 100)
    assert caught.value.code == "input.silent_pipe"
    assert cli.main(["pin", str(pipe)]) == 1
    assert "pipe" in capsys.readouterr().err
