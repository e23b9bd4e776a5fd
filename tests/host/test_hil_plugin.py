# SPDX-License-Identifier: MIT
"""The pytest plugin for boards: what a real board is spared, and what a switch may answer."""

import subprocess
import sys
from pathlib import Path

import pytest

from host_tools.cli.errors import HostError
from host_tools.hil.power import CommandPower

ROOT = Path(__file__).resolve().parents[2]
MARKED = """
import pytest

@pytest.mark.parametrize("word", [pytest.param(1, marks=getattr(pytest.mark, name)) for name in
                                  ("erases", "needs_network", "needs_power")])
def test_marked(word):
    open("ran", "a").write("x")

def test_power(power):
    open("ran", "a").write("x")
"""


def told(folder: Path, *options: str) -> str:
    """What pytest says of the marked tests; no board is on that port, and none is needed."""
    (folder / "test_marked.py").write_text(MARKED)
    words = ["-p", "host_tools.hil.plugin", "-rs", "--port", str(folder / "none"), *options]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, "test_marked.py"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout + done.stderr


def test_a_real_board_loses_nothing_unless_told(tmp_path: Path) -> None:
    said = told(tmp_path)
    assert not (tmp_path / "ran").exists(), said
    for option in ("--may-erase", "--hil-host", "--power"):
        assert f"give {option}" in said


def test_what_is_allowed_runs(tmp_path: Path) -> None:
    command = f"{sys.executable} -c pass {{}}"
    (tmp_path / "none").touch()
    said = told(tmp_path, "--may-erase", "--hil-host", "192.0.2.1", "--power", command)
    assert (tmp_path / "ran").read_text() == "xxxx", said


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("uhubctl -a on", "has no {}"),
        ("no-such-program {}", "no-such-program off"),
        (f"{sys.executable} -c 'import sys; sys.exit(\"stuck\")' {{}}", "stuck"),
    ],
)
def test_a_switch_that_does_not_switch_is_named(command: str, words: str) -> None:
    with pytest.raises(HostError) as refused:
        CommandPower(command, "/dev/none").off()
    assert words in refused.value.message
    assert refused.value.code == "hil.power"
