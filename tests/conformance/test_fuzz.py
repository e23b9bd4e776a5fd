# SPDX-License-Identifier: MIT
"""The fuzzer itself: every target on a fixed set of mutations, and that it finds what is there.

`make fuzz SECONDS=n` is the long run, guided by coverage.
"""

import hashlib
import random
import subprocess
import sys

import pytest

from tests.conformance import fuzz, fuzz_cbor, fuzz_mutation
from tests.conformance.fuzz_targets import bundle, judge
from trustanchor.errors import TrustError

INPUTS = 400  # mutations a target; the same ones on every run


@pytest.mark.parametrize("name", fuzz.target_names())
def test_only_trust_errors_leave_a_target(name: str) -> None:
    target = fuzz.load(name)
    one = fuzz.guarded(target.run)
    mutate = fuzz.mutation_of(target)
    choose = random.Random(20250101)
    seeds = target.seeds()
    for number in range(INPUTS):
        one(mutate(seeds[number % len(seeds)], choose))


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


def test_every_seed_of_the_bundle_target_is_accepted_by_its_device() -> None:
    refused = []
    for seed in bundle.seeds():
        try:
            bundle.run(seed)
        except TrustError as refusal:
            refused.append(refusal.code)
    # A device with a state in trial or none before it never takes part of a link's way.
    assert set(refused) <= {"update.revert_rule"}, refused


def test_mutated_bundles_reach_every_step_of_an_update() -> None:
    bundle.reached.clear()
    one = fuzz.guarded(bundle.run)
    choose = random.Random(1)
    seeds = bundle.seeds()
    for number in range(2000):
        one(bundle.mutate(seeds[number % len(seeds)], choose))
    # A mutation that does not look at lengths gets a fortieth of its inputs past the first map.
    assert bundle.reached["beginning"] > 1000
    assert bundle.reached["signers"] > 500
    assert bundle.reached["accepted"] > 80


def test_the_genuine_door_takes_what_is_signed_and_nothing_else() -> None:
    for seed in bundle.seeds():
        bundle.reached.clear()
        fuzz.guarded(bundle.run)(b"\xff" + seed[1:])
        assert bundle.reached["accepted by the genuine door"] >= 1
    forged = bundle.SMALL[0].replace(b"a.example", b"b.example")
    unprovisioned = bundle.DEVICES[0]
    unprovisioned.accept(forged)  # the fake calls every signature valid
    with pytest.raises(TrustError) as refused:
        unprovisioned.accept(forged, genuine=True)
    assert refused.value.code == "cose.signature_invalid"


def test_a_bundle_taken_apart_has_all_its_values_and_the_kids_of_its_keys() -> None:
    shape = fuzz_cbor.Shape(bundle.SMALL[6])  # a state and two links, by two authorities
    texts = [shape.data[n.body : n.end] for n in shape.nodes if n.major == 3]
    assert texts.count(b"application/x.trustanchor-link") == 2
    assert b"a.example" in texts
    assert len(shape.signed) >= 5
    with pytest.raises(ValueError):
        fuzz_cbor.Shape(b"\x9f\xff")


def test_a_changed_key_record_gets_its_new_kid() -> None:
    shape = fuzz_cbor.Shape(bundle.SMALL[0])
    begin, end, kids = shape.signed[0]
    edits = [(end - 1, end, b"?")]
    shape._name_again(edits)
    data = fuzz_cbor._spliced(shape.data, 0, len(shape.data), edits)
    kid = hashlib.sha256(data[begin:end]).digest()[:8]
    assert all(data[shape.nodes[k].body : shape.nodes[k].end] == kid for k in kids)


@pytest.mark.skipif(not judge.REAL, reason="no real.jsonl: name its folder with VECTORS=dir")
def test_the_judge_target_starts_from_real_chains_that_are_accepted() -> None:
    for case in judge.REAL:
        assert judge.verdict(case["chain"]).code == "ok", case["id"]


@pytest.mark.parametrize("engine", ["atheris", "hypothesis", "plain"])
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
    assert ", 12,345 inputs (2,374 a second)" in fuzz.report("der", "plain", 5.2, output, 0)
    assert fuzz.report("der", "atheris", 5.2, output, 77).endswith("FOUND something")
    assert fuzz.report("der", "atheris", 5.2, "", 0).endswith("FOUND something")
