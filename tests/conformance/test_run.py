# SPDX-License-Identifier: MIT
"""The conformance runner itself: what it counts, what it complains about."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.certs import pki
from tests.conformance import run

ROOT = Path(__file__).resolve().parents[2]


def judged(name: str, expected: str, code: str, *features: str) -> run.Case:
    return run.Case(name, {}, [], expected, None, features, code)


def row(expected: str, actual: str) -> dict[str, str]:
    return {"expected": expected, "actual": actual}


def vectors(folder: Path, **deviation: object) -> Path:
    """A folder with one suite of one case: a leaf under its root, asked for by its name."""
    root = pki.authority("Root")
    leaf = pki.end_entity("device.example", issuer=root)
    case = {
        "id": "own::one",
        "exp": "SUCCESS",
        "t": None,
        "peer": ["DNS", "device.example"],
        "roots": [base64.b64encode(root.der).decode()],
        "leaf": base64.b64encode(leaf.der).decode(),
        "inter": [],
        **deviation,
    }
    (folder / "own.jsonl").write_text(json.dumps(case) + "\n")
    return folder


def started(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.conformance.run", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_a_case_agrees_when_accepted_or_refused_as_expected() -> None:
    assert judged("a", "SUCCESS", "ok").agrees
    assert judged("a", "FAILURE", "path.expired").agrees
    assert judged("a", "EITHER", "ok").agrees
    assert not judged("a", "SUCCESS", "path.expired").agrees
    assert not judged("a", "FAILURE", "ok").agrees


@pytest.mark.parametrize("expected", ["SUCCESS", "FAILURE", "EITHER"])
def test_what_is_no_coded_refusal_never_agrees(expected: str) -> None:
    assert not judged("a", expected, "crash MemoryError").agrees


def test_an_unexplained_disagreement_is_a_complaint() -> None:
    assert run.Differences({}).complaints([judged("a", "FAILURE", "ok")])
    known = run.Differences({"a": row("FAILURE", "ok")})
    assert not known.complaints([judged("a", "FAILURE", "ok")])


def test_a_row_that_no_longer_describes_what_happens_is_a_complaint() -> None:
    known = run.Differences({"a": row("FAILURE", "ok")})
    assert "stale" in known.complaints([judged("a", "FAILURE", "path.expired")])[0]
    known = run.Differences({"a": row("SUCCESS", "path.purpose")})
    assert known.complaints([judged("a", "SUCCESS", "path.expired")])
    assert not known.complaints([judged("b", "FAILURE", "path.expired")])


def test_a_feature_explains_its_cases_and_goes_stale_with_the_last_of_them() -> None:
    known = run.Differences({"pedantic": row("FAILURE", "ok")})
    differs = judged("a", "FAILURE", "ok", "pedantic")
    agrees = judged("b", "FAILURE", "path.expired", "pedantic")
    assert not known.complaints([differs, agrees])
    assert known.complaints([agrees])


def test_disagreements_are_counted_even_when_deliberate() -> None:
    known = run.Differences({"a": row("FAILURE", "ok")})
    found = [judged("a", "FAILURE", "ok"), judged("b", "SUCCESS", "name.mismatch")]
    result = run.score("own", "cpython", found, known)
    assert (result.agree, result.wrongly_accepted, result.wrongly_refused) == (0, ["a"], ["b"])
    assert result.deliberate == ["a"]


def test_every_row_of_the_list_has_a_reason() -> None:
    for name, entry in run.Differences.read().rows.items():
        assert len(entry["reason"]) > 20, name


@pytest.mark.parametrize("interpreter", ["cpython", "micropython32"])
def test_a_folder_is_run_and_scored(tmp_path: Path, interpreter: str) -> None:
    scores = tmp_path / "scores.json"
    folder = str(vectors(tmp_path))
    done = started(folder, "--interpreter", interpreter, "--json", str(scores))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "own 1 1 0 0 0" in done.stdout.splitlines()
    assert json.loads(scores.read_text())[0]["interpreter"] == interpreter


def test_a_wrong_acceptance_fails_the_run(tmp_path: Path) -> None:
    done = started(str(vectors(tmp_path, exp="FAILURE")))
    assert done.returncode == 1
    assert "own 1 0 1 0 0" in done.stdout.splitlines()
    assert "own::one: expected FAILURE, got ok" in done.stdout


def test_a_wrong_refusal_fails_the_run(tmp_path: Path) -> None:
    done = started(str(vectors(tmp_path, peer=["DNS", "other.example"])))
    assert done.returncode == 1
    assert "own 1 0 0 1 0" in done.stdout.splitlines()


@pytest.mark.parametrize("deviation", [{"feat": ["has-crl"]}, {"peer": ["RFC822", "a@b.example"]}])
def test_revocation_and_other_peers_are_out_of_scope(
    tmp_path: Path, deviation: dict[str, object]
) -> None:
    done = started(str(vectors(tmp_path, **deviation)))
    assert done.returncode == 0
    assert "own 1 0 0 0 1" in done.stdout.splitlines()


def test_without_vectors_the_runner_says_what_to_do() -> None:
    done = started("")
    assert done.returncode == 0
    assert done.stdout.startswith("SKIP conformance: no vectors")


def test_a_folder_without_suites_is_a_failure(tmp_path: Path) -> None:
    assert started(str(tmp_path)).returncode == 1
