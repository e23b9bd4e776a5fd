# SPDX-License-Identifier: MIT
"""The fuzzer itself: every target on a fixed set of mutations, and that it finds what is there.

`make fuzz SECONDS=n` is the long run, guided by coverage.
"""

import random
import subprocess
import sys

import pytest

from tests.conformance import fuzz, fuzz_mutation
from tests.conformance.fuzz_targets import judge

INPUTS = 400  # mutations a target; the same ones on every run


@pytest.mark.parametrize("name", fuzz.target_names())
def test_only_trust_errors_leave_a_target(name: str) -> None:
    target = fuzz.load(name)
    one = fuzz.guarded(target.run)
    choose = random.Random(20250101)
    seeds = target.seeds()
    for number in range(INPUTS):
        one(fuzz_mutation.mutate(seeds[number % len(seeds)], choose))


def test_mutations_are_the_same_for_the_same_choices_and_differ_from_the_seed() -> None:
    seed = judge.named("leaf")
    changed = [fuzz_mutation.mutate(seed, random.Random(n)) for n in range(50)]
    assert changed == [fuzz_mutation.mutate(seed, random.Random(n)) for n in range(50)]
    assert len(set(changed)) > 40
    assert sum(one != seed for one in changed) > 40


def test_taking_der_apart_and_together_again_changes_nothing() -> None:
    chain = judge.seeds()[1]
    nodes = fuzz_mutation.parse(chain)
    assert nodes is not None
    assert b"".join(node.encode() for node in nodes) == chain


def test_the_judge_target_starts_from_a_chain_that_is_accepted() -> None:
    chain = judge.split(judge.seeds()[0])
    assert judge.verdict(chain).code == "ok"
    forged = [judge.named("leaf_forged"), chain[1]]
    assert judge.verdict(forged).code == "path.bad_signature"


@pytest.mark.skipif(not judge.REAL, reason="VECTORS names no folder with real.jsonl")
def test_the_judge_target_starts_from_real_chains_that_are_accepted() -> None:
    for case in judge.REAL:
        assert judge.verdict(case["chain"]).code == "ok", case["id"]


@pytest.mark.parametrize("engine", ["atheris", "hypothesis"])
def test_a_planted_fault_is_found_and_kept(
    engine: str, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine == "atheris":
        pytest.importorskip("atheris", reason="atheris is not installed here")
    plant = tmp_path / "plant.py"
    plant.write_text(
        "from pathlib import Path\n"
        "from tests.conformance import fuzz\n"
        "class Planted:\n"
        "    seeds = staticmethod(lambda: [b'\\x30\\x00'])\n"
        "    @staticmethod\n"
        "    def run(data):\n"
        "        if data[:1] == b'\\x31': raise KeyError('planted')\n"
        f"fuzz.FOUND = Path({str(tmp_path)!r})\n"
        "fuzz.load = lambda name: Planted\n"
        "raise SystemExit(fuzz.main(['--child', '--target', 'der', '--seconds', '20',\n"
        f"    '--engine', '{engine}']))\n"
    )
    done = subprocess.run(
        [sys.executable, str(plant)],
        cwd=fuzz.ROOT,
        env={"PYTHONPATH": f"{fuzz.ROOT}:{fuzz.ROOT / 'firmware'}", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert "planted" in done.stdout + done.stderr
    assert next(kept.read_bytes()[:1] for kept in (tmp_path / "der").glob("crash-*")) == b"1"


def test_a_line_of_the_report_says_what_was_done() -> None:
    output = "#12345\tDONE   cov: 99 ft: 1\nDone 12345 runs in 5 second(s)\n"
    line = "fuzz der: atheris, 5 s, 12,345 inputs, 99 branches: ok"
    assert fuzz.report("der", "atheris", 5.2, output, 0) == line
    assert fuzz.report("der", "atheris", 5.2, output, 77).endswith("FOUND something")
    assert fuzz.report("der", "atheris", 5.2, "", 0).endswith("FOUND something")
