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
    (scored,) = json.loads(scores.read_text())
    assert isinstance(scored.pop("seconds"), float)
    assert scored == {
        "suite": "own",
        "interpreter": interpreter,
        "cases": 1,
        "agree": 1,
        "wrongly_accepted": [],
        "wrongly_refused": [],
        "out_of_scope": [],
    }


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


@pytest.mark.parametrize("folder", ["", "no-such-folder"])
def test_without_vectors_the_runner_says_what_to_do(folder: str) -> None:
    done = started(folder)
    assert done.returncode == 0
    assert done.stdout.startswith(f"SKIP conformance: no {(folder and 'folder') or 'vectors'}")


def test_suites_are_chosen_in_one_word_or_several(tmp_path: Path) -> None:
    folder = vectors(tmp_path)
    for name in ("other", "third"):
        (folder / f"{name}.jsonl").write_bytes((folder / "own.jsonl").read_bytes())
    for words in (["--suites", "own third"], ["--suites", "own", "--suites", "third"]):
        done = started(str(folder), *words)
        assert done.returncode == 0
        assert [line.split()[0] for line in done.stdout.splitlines()[1:-1]] == ["own", "third"]
    done = started(str(folder), "--suites", "own thrid")
    assert done.returncode == 2
    assert done.stderr == f"conformance: {folder} has no suite thrid\n"


GOOD = '{"id": "a", "exp": "SUCCESS", "roots": [], "leaf": "", "inter": []}'


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "Expecting property name"),
        ("\xff", "codec"),
        ("[]", "list"),
        ("null", "NoneType"),
        (GOOD.replace('"exp"', '"expected"'), "'exp' is missing"),
        (GOOD.replace("SUCCESS", "PERHAPS"), "exp is 'PERHAPS'"),
        (GOOD.replace('"leaf": ""', '"leaf": "MII"'), "padding"),
        (GOOD.replace('"leaf": ""', '"leaf": "M\\u0000=="'), "base64"),
        (GOOD.replace('"leaf": ""', '"leaf": 7'), "int"),
    ],
)
def test_a_line_that_is_no_case_is_named_before_any_is_run(
    tmp_path: Path, line: str, complaint: str
) -> None:
    folder = vectors(tmp_path)
    with (folder / "own.jsonl").open("ab") as file:
        file.write(b"\n" + line.encode("latin-1") + b"\n")
    done = started(str(folder))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"conformance: {folder}/own.jsonl, line 3: ")
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"testGroups": [{}]}', "\xff"])
def test_a_file_of_signatures_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "wycheproof").mkdir()
    (tmp_path / "wycheproof" / "bad.json").write_bytes(text.encode("latin-1"))
    done = started(str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith(f"conformance: {tmp_path}/wycheproof/bad.json: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--interpreter", "micropython16"],
        ["--sample", "0"],
        ["--sample", "-1"],
        ["--json", "no-such-folder/scores.json"],
    ],
)
def test_arguments_that_cannot_be_are_an_error_before_the_run(
    tmp_path: Path, arguments: list[str]
) -> None:
    done = started(str(vectors(tmp_path)), *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


def test_a_file_in_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    done = started(str(vectors(tmp_path) / "own.jsonl"))
    assert done.returncode == 2
    assert "is no folder" in done.stderr


def test_a_folder_without_suites_is_a_failure(tmp_path: Path) -> None:
    assert started(str(tmp_path)).returncode == 1
