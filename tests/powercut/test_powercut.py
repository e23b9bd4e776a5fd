# SPDX-License-Identifier: MIT
"""Power cuts under pytest: every operation of two scenarios; `make powercut` does them all."""

import subprocess

import pytest

from host_tools.build import runtime
from tests.powercut.__main__ import HERE, main


@pytest.mark.parametrize("scenario", ["ratchet", "trial_start"])
def test_no_power_cut_loses_or_mixes_trust(scenario: str, capfd: pytest.CaptureFixture) -> None:
    assert main(["--single", scenario]) == 0
    assert " 0 failures" in capfd.readouterr().out


def test_a_point_replays(capfd: pytest.CaptureFixture) -> None:
    assert main(["--replay", "ratchet:none:5.1:0.2"]) == 0
    assert capfd.readouterr().out.strip() == "ratchet:none:5.1:0.2: passed"


def test_a_store_lives_in_two_bundles_and_16_kb() -> None:
    """With an NVS; a second folder instead costs 16 KB more (four blocks of littlefs)."""
    command = runtime.find(32).command(str(HERE / "space.py"), heap="2M")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    beside = [int(line.split()[-1]) for line in done.stdout.splitlines()[1:]]
    assert len(beside) == 4
    assert max(beside[:2]) <= 16
    assert max(beside[2:]) <= 32
