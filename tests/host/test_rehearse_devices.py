# SPDX-License-Identifier: MIT
"""What a rehearsal calls safe no device refuses; what it calls stranding a device refuses.

`make rehearsal PLANS=200` does the same with more plans. Devices are tests/rehearsed.py.
"""

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from host_tools.rehearsal import evaluate, findings
from host_tools.rehearsal.plan import Plan
from tests import rehearsed
from tests.bench import rehearsal
from tests.model.world import remembered_signatures

PLANS = 16


@pytest.fixture(autouse=True, scope="module")
def signatures() -> Iterator[None]:
    with remembered_signatures():
        yield


@pytest.fixture(scope="module")
def plans() -> list[tuple[Plan, evaluate.Outcome]]:
    made = [rehearsed.signed_plan(seed) for seed in range(PLANS)]
    return [(one, evaluate.evaluate(one)) for one in made]


def test_no_device_refuses_anything_in_plans_that_are_called_safe(tmp_path: Path) -> None:
    safe, refused = rehearsal.safe_plans(3, tmp_path / "board")
    assert (safe, refused) == (3, [])


def test_every_stranding_is_reproduced_on_a_device(
    plans: list[tuple[Plan, evaluate.Outcome]], tmp_path: Path
) -> None:
    codes = set()
    for made, outcome in plans:
        for one in outcome.stretches:
            if not one.accepted and not one.is_update:
                for at in (one.begins, one.ends - 1):
                    said = rehearsed.refusal_of(made, one, tmp_path / "board", at)
                    assert said == one.code, one
                codes.add((one.code, bool(one.retired)))
    assert {("pin.none_matched", False), ("pin.retired", True)} <= codes, codes


def test_devices_that_live_through_plans_with_strandings_do_refuse(
    plans: list[tuple[Plan, evaluate.Outcome]], tmp_path: Path
) -> None:
    """Else the lives above would show nothing; and what they refuse was foretold."""
    chance = random.Random(1)
    seen = 0
    for made, outcome in plans:
        foretold = {one.code for one in findings.findings(made, outcome)}
        for _ in range(3):
            refused = rehearsed.lives(made, tmp_path / "board", chance)
            assert set(refused) <= foretold
            seen += bool(refused)
    assert seen > 5


def test_the_make_target_finds_its_modules() -> None:
    root = Path(__file__).resolve().parents[2]
    words = ["make", "--no-print-directory", "-n", "rehearsal", "PLANS=1"]
    # The tests themselves run under make, whose own options would add lines to what is printed.
    around = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    shown = subprocess.run(
        words, cwd=root, env=around, capture_output=True, text=True, check=True
    ).stdout
    (command,) = [one for one in shown.splitlines() if "-m tests.bench.rehearsal 1" in one]
    only_loaded = command.replace(
        "-m tests.bench.rehearsal 1", "-c 'import tests.bench.rehearsal'"
    )
    subprocess.run(["sh", "-c", only_loaded], cwd=root, check=True)
