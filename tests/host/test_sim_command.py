# SPDX-License-Identifier: MIT
"""`trustanchor sim` as a person or a script starts it."""

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRUSTANCHOR = [sys.executable, "-m", "host_tools.cli", "sim"]
MPREMOTE = str(Path(sys.executable).with_name("mpremote"))


def test_two_boards_are_cut_powered_and_stopped_from_standard_input(tmp_path: Path) -> None:
    host = subprocess.Popen(
        [*TRUSTANCHOR, "--boards", "2", "--rtc", "2031-02-03T04:05:06Z"]
        + ["--image", str(tmp_path / "b.img"), "--link", str(tmp_path / "port")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert host.stdin and host.stdout

    def tell(line: str) -> None:
        assert host.stdin
        host.stdin.write(line + "\n")
        host.stdin.flush()

    lines = [host.stdout.readline() for _ in range(3)]
    for number, line in enumerate(lines[:2], 1):
        assert re.fullmatch(
            rf"board {number}: /dev/pts/\d+  \(mpremote connect .*port.*\)\n", line
        )
    year = subprocess.run(
        [MPREMOTE, "connect", str(tmp_path / "port-2"), "exec"]
        + ["import time; print(time.gmtime()[:3])"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert year.stdout.strip() == "(2031, 2, 3)"
    tell("cut 2")
    tell("reset 2")
    assert "is off" in host.stdout.readline()
    assert not (tmp_path / "port-2").exists()
    assert (tmp_path / "port").exists()
    tell("on 2")
    assert host.stdout.readline().startswith("board 2: ")
    tell("fly")
    assert "no 'fly'" in host.stdout.readline()
    tell("cut 3")
    assert "from 1 to 2" in host.stdout.readline()
    tell("erase-nvs\n\nreset 1\nquit")
    assert host.wait(timeout=30) == 0
    assert host.stdout.read() == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "b-2.img",
        "b-2.img.nvs.json",
        "b.img",
        "b.img.nvs.json",
    ]


def test_the_package_with_its_native_code_is_mounted_as_rom(tmp_path: Path) -> None:
    (tmp_path / "rom" / "lib").mkdir(parents=True)
    package = tmp_path / "rom" / "lib" / "trustanchor"
    shutil.copytree(ROOT / "firmware" / "trustanchor", package)
    host = subprocess.Popen(
        [*TRUSTANCHOR, "--rom", str(tmp_path / "rom"), "--image", str(tmp_path / "b.img")]
        + ["--link", str(tmp_path / "port")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert host.stdout
    assert host.stdout.readline().startswith("board 1: ")
    done = subprocess.run(
        [MPREMOTE, "connect", str(tmp_path / "port"), "exec"]
        + ["from trustanchor.crypto import _field; print(_field.__file__)"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    host.communicate("quit\n", timeout=30)
    assert done.stdout.strip() == "/rom/lib/trustanchor/crypto/_field.mpy"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_with_standard_input_closed(tmp_path: Path, number: int) -> None:
    host = subprocess.Popen(
        [*TRUSTANCHOR, "--image", str(tmp_path / "b.img")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert host.stdout and host.stderr
    host.stdout.readline()
    assert host.stdout.readline().startswith("Commands: ")
    host.send_signal(number)
    assert host.wait(timeout=30) == 0
    assert host.stderr.read() == ""
    host.stdout.close()
    host.stderr.close()


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["--rtc", "yesterday"], 2, "is not a time"),
        (["--rtc", "1969-01-01"], 2, "2000 to 2099"),
        (["--rtc", "9" * 40], 2, "is not a time"),
        (["--boards", "0"], 2, "not from 1 to 64"),
        (["--boards", "many"], 2, "not from 1 to 64"),
        (["--heap", "lots"], 1, "not a number of bytes"),
        (["--image", "/proc/none/b.img"], 1, "cannot be opened"),
        (["--rom", "/proc/none"], 1, "not a folder"),
        (["extra"], 2, "unrecognized arguments"),
    ],
)
def test_wrong_input_is_one_sentence(
    tmp_path: Path, words: list[str], status: int, sentence: str
) -> None:
    done = subprocess.run(
        [*TRUSTANCHOR, *words],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        timeout=30,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == status, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 2
