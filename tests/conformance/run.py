# SPDX-License-Identifier: MIT
"""`make conformance VECTORS=dir`: independent test vectors against the verdict.

Every `*.jsonl` in the folder is a suite of path cases, every `wycheproof/*.json` a suite of
signatures; the form is described in the folder's own README. One line a suite:

    suite cases agree wrongly_accepted wrongly_refused out_of_scope

A disagreement that is a policy of ours stands in differences.toml with its reason and is still
counted. Exits 1 on one that does not stand there, and on a row that no longer describes what
happens. A case that needs revocation, or a peer that is neither DNS name nor address, is out of
scope.
"""

import argparse
import base64
import json
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from host_tools.build import deploy, runtime
from host_tools.cli.errors import HostError
from tests.conformance import cases

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DIFFERENCES = HERE / "differences.toml"
HEAP = {64: "200K", 32: "100K"}  # objects of a 64-bit MicroPython are twice as large
CASE_TIMEOUT_S = 120
# Cases to a process: its heap is cut up a little more by every case, as a board's would be by as
# many verdicts without a restart.
PER_PROCESS = 4
SIGNATURES_PER_PROCESS = 50
BITS = {"micropython": 64, "micropython32": 32}
ARCHITECTURE = {64: "x64", 32: "x86"}


@dataclass
class Case:
    """One vector: what goes to cases.decide, and what should come back."""

    id: str
    header: dict[str, Any]
    blobs: list[bytes]
    expected: str  # SUCCESS, FAILURE, or EITHER
    scope: str | None = None  # why it is out of scope
    features: tuple[str, ...] = ()
    code: str = ""
    ms: int = 0

    @property
    def actual(self) -> str:
        return "SUCCESS" if self.code == "ok" else "FAILURE"

    @property
    def agrees(self) -> bool:
        if self.code.startswith("crash"):
            return False
        return self.expected in (self.actual, "EITHER")


class BadVectors(HostError):
    """A file of vectors that cannot be read as one; says which, where and why."""


@dataclass
class Result:
    """The score of one suite."""

    suite: str
    interpreter: str
    cases: int
    agree: int
    wrongly_accepted: list[str] = field(default_factory=list)
    wrongly_refused: list[str] = field(default_factory=list)
    out_of_scope: list[str] = field(default_factory=list)
    deliberate: list[str] = field(default_factory=list)
    slowest: str = "none"
    seconds: float = 0.0

    def row(self) -> dict[str, Any]:
        """What the JSON file has of it."""
        apart = ("deliberate", "slowest")
        return {name: value for name, value in vars(self).items() if name not in apart}


# Reading suites


def path_cases(file: Path) -> list[Case]:
    found = []
    for number, line in enumerate(file.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            found.append(path_case(json.loads(line)))
        except KeyError as error:
            raise BadVectors(f"{file}, line {number}: {error} is missing") from None
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            raise BadVectors(f"{file}, line {number}: {error}") from None
    return found


def path_case(row: dict[str, Any]) -> Case:
    peer = row.get("peer")
    usages = row.get("eku") or ["serverAuth"]
    scope = None
    if "has-crl" in (row.get("feat") or []) or row.get("crls"):
        scope = "revocation"
    elif peer and peer[0] not in ("DNS", "IP"):
        scope = f"peer kind {peer[0]}"
    elif row.get("ku"):
        scope = "asks for a key usage"
    elif not {"serverAuth", "clientAuth"} & set(usages):
        scope = f"asks for {usages[0]}"
    at = row.get("t")
    header = {
        "roots": len(row["roots"]),
        "peer": peer[1] if peer else None,
        "at": int(time.time()) if at is None else at,
        "depth": row.get("depth"),
        "client": "serverAuth" not in usages,
    }
    texts = [*row["roots"], row["leaf"], *row["inter"]]
    blobs = [base64.b64decode("".join(text.split()), validate=True) for text in texts]
    features = tuple(row.get("feat") or ())
    expected = row["exp"]
    if expected not in ("SUCCESS", "FAILURE", "EITHER"):
        raise ValueError(f"exp is {expected!r}")
    return Case(row["id"], header, blobs, expected, scope, features)


_HASH_ARC = {"SHA-256": 1, "SHA-384": 2, "SHA-512": 3}


def _der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    length = bytes([len(body)]) if len(body) < 0x80 else b"\x82" + len(body).to_bytes(2, "big")
    return bytes([tag]) + length + body


def _hash(name: str) -> bytes:
    """AlgorithmIdentifier of a hash with NULL parameters, as RFC 4055 section 2.1 has it."""
    oid = bytes.fromhex("608648016503040200")[:-1] + bytes([_HASH_ARC[name]])
    return _der(0x30, _der(0x06, oid), _der(0x05))


def signature_scope(group: dict[str, Any]) -> str | None:
    """Why a group of signatures is none that a certificate of ours can carry, or None."""
    kinds = (
        "EcdsaVerify",
        "RsassaPkcs1Verify",
        "RsassaPssVerify",
        "RsassaPssWithParametersVerify",
    )
    curve = (group.get("publicKey") or {}).get("curve", "secp256r1")
    used = [group["sha"], group.get("mgfSha", "SHA-256")]
    if group["type"] not in kinds:
        return f"kind {group['type']}"
    if curve not in ("secp256r1", "secp384r1", "secp521r1"):
        return f"curve {curve}"
    return None if all(name in _HASH_ARC for name in used) else f"hashes {used}"


def signature_algorithm(group: dict[str, Any]) -> bytes:
    """DER AlgorithmIdentifier that an X.509 certificate would carry for this group."""
    arc = _HASH_ARC[group["sha"]]
    kind = group["type"]
    if kind == "EcdsaVerify":
        return _der(0x30, _der(0x06, bytes.fromhex("2a8648ce3d0403") + bytes([arc + 1])))
    rsa = bytes.fromhex("2a864886f70d0101")
    if kind == "RsassaPkcs1Verify":
        return _der(0x30, _der(0x06, rsa + bytes([arc + 10])), _der(0x05))
    mask = _der(0x30, _der(0x06, rsa + b"\x08"), _hash(group["mgfSha"]))
    parameters = _der(
        0x30,
        _der(0xA0, _hash(group["sha"])),
        _der(0xA1, mask),
        _der(0xA2, _der(0x02, bytes([int(group["sLen"])]))),
    )
    return _der(0x30, _der(0x06, rsa + b"\x0a"), parameters)


def signature_cases(file: Path) -> list[Case]:
    found: list[Case] = []
    try:
        for group in json.loads(file.read_bytes())["testGroups"]:
            found += group_cases(file.stem, group)
    except KeyError as error:
        raise BadVectors(f"{file}: {error} is missing") from None
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        raise BadVectors(f"{file}: {error}") from None
    return found


def group_cases(suite: str, group: dict[str, Any]) -> Iterator[Case]:
    scope = signature_scope(group)
    algorithm = b"" if scope else signature_algorithm(group)
    key = bytes.fromhex(group["publicKeyDer"])
    expected = {"valid": "SUCCESS", "invalid": "FAILURE", "acceptable": "EITHER"}
    for test in group["tests"]:
        blobs = [algorithm, key, bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"])]
        name = f"{suite}::{test['tcId']}"
        yield Case(name, {"signature": True}, blobs, expected[test["result"]], scope)


def suites(folder: Path, sample: int, chosen: list[str]) -> Iterator[tuple[str, list[Case]]]:
    """Name and cases of every chosen suite; sample > 1 keeps every sample-th signature."""
    paths = sorted(folder.glob("*.jsonl"))
    signatures = sorted((folder / "wycheproof").glob("*.json"))
    unknown = set(chosen) - {file.stem for file in paths + signatures}
    if signatures:
        unknown.discard("wycheproof")
    if unknown:
        raise BadVectors(f"{folder} has no suite {', '.join(sorted(unknown))}")
    for file in paths:
        if not chosen or file.stem in chosen:
            yield file.stem, path_cases(file)
    for file in signatures:
        if not chosen or file.stem in chosen or "wycheproof" in chosen:
            yield file.stem, signature_cases(file)[::sample]


# Running them


def run_here(todo: list[Case]) -> None:
    for case in todo:
        start = time.perf_counter()
        try:
            case.code = cases.decide(case.header, case.blobs)
        except Exception as error:  # noqa: BLE001 - any other exception is what is looked for
            case.code = f"crash {type(error).__name__}"
        case.ms = round(1000 * (time.perf_counter() - start))


def run_on(interpreter: runtime.Interpreter, todo: list[Case]) -> None:
    """Many cases to a process; one that dies or hangs is a disagreement, the rest go on."""
    done = 0
    count = SIGNATURES_PER_PROCESS if "signature" in todo[0].header else PER_PROCESS
    package = deploy.package_folder("mpy", ARCHITECTURE[interpreter.bits]).parent
    with tempfile.NamedTemporaryFile(suffix=".cases") as file:
        for case in todo:
            header = {**case.header, "bytes": [len(blob) for blob in case.blobs]}
            file.write(json.dumps(header).encode() + b"\n" + b"".join(case.blobs))
        file.flush()
        command = interpreter.command(
            str(HERE / "cases.py"), str(package), file.name, heap=HEAP[interpreter.bits]
        )
        while done < len(todo):
            timeout = CASE_TIMEOUT_S + 2 * count
            goal = min(done + count, len(todo))
            try:
                process = subprocess.run(
                    [*command, str(done), str(count)],
                    cwd=ROOT,
                    capture_output=True,
                    text=True,
                    timeout=timeout,
                )
                last = (process.stderr.strip().splitlines() or [f"exit {process.returncode}"])[-1]
                output, died = process.stdout, f"crash {last}"
            except subprocess.TimeoutExpired as error:
                output, died = (error.stdout or b"").decode(), "crash timeout"
            for line in output.splitlines():
                number, spent, code = line.split(" ", 2)
                todo[int(number)].ms, todo[int(number)].code = int(spent), code
                done = int(number) + 1
            if done < goal:
                todo[done].code = died
                done += 1


# Scoring


@dataclass(frozen=True)
class Differences:
    """The rows of differences.toml: by the id of a case, or by a feature the suite gives it."""

    rows: dict[str, dict[str, str]]

    @classmethod
    def read(cls) -> "Differences":
        rows = tomllib.loads(DIFFERENCES.read_text()).get("difference", [])
        return cls({row.get("id") or row["feature"]: row for row in rows})

    def names(self, case: Case) -> list[str]:
        return [name for name in (case.id, *case.features) if name in self.rows]

    def explain(self, case: Case) -> bool:
        """True when a row says that this case ends as it did."""
        outcome = (case.expected, case.code)
        rows = [self.rows[name] for name in self.names(case)]
        return any((row["expected"], row["actual"]) == outcome for row in rows)

    def complaints(self, judged: list[Case]) -> list[str]:
        """One line for each unexplained disagreement and for each row these cases belie."""
        lines = []
        used, stale = set(), {}
        for case in judged:
            if not case.agrees and self.explain(case):
                used.update(self.names(case))
                continue
            if not case.agrees:
                lines.append(f"  {case.id}: expected {case.expected}, got {case.code}")
            for name in self.names(case):
                stale[name] = case.code
        for name in stale.keys() - used:
            lines.append(f"  {name}: stale in {DIFFERENCES.name}, now {stale[name]}")
        return lines


def score(suite: str, interpreter: str, found: list[Case], known: Differences) -> Result:
    judged = [case for case in found if case.scope is None]
    spent = sorted(case.ms for case in judged)
    result = Result(suite, interpreter, len(found), sum(case.agrees for case in judged))
    result.out_of_scope = [case.id for case in found if case.scope]
    for case in judged:
        if case.agrees:
            continue
        wrong = result.wrongly_refused if case.expected == "SUCCESS" else result.wrongly_accepted
        wrong.append(case.id)
        if known.explain(case):
            result.deliberate.append(case.id)
    if spent:
        slowest = max(judged, key=lambda case: case.ms)
        result.slowest = f"{slowest.id} {slowest.ms} ms, median {spent[len(spent) // 2]} ms"
    return result


def several(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a number from 1")
    return int(text)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("vectors", nargs="?", default="", help="folder of the vectors")
    parser.add_argument("--interpreter", default="cpython", choices=["cpython", *BITS])
    parser.add_argument(
        "--suites",
        action="append",
        default=[],
        help="only these, separated by spaces; wycheproof is all of that folder",
    )
    parser.add_argument("--sample", type=several, default=1, help="every n-th signature only")
    parser.add_argument("--json", type=Path, help="write the scores here")
    parser.add_argument("--show", action="store_true", help="print every case with its code")
    chosen = parser.parse_args()
    folder = Path(chosen.vectors)
    if not chosen.vectors or not folder.exists():
        which = f"no folder {folder}" if chosen.vectors else "no vectors"
        print(f"SKIP conformance: {which}; name their folder with VECTORS=dir")
        return 0
    try:
        if not folder.is_dir():
            raise BadVectors(f"{folder} is no folder")
        if chosen.json and not chosen.json.parent.is_dir():
            raise BadVectors(f"{chosen.json.parent} is no folder to write {chosen.json.name} in")
        interpreter = None
        if chosen.interpreter != "cpython":
            interpreter = runtime.find(BITS[chosen.interpreter])
        # All are read before the first is run.
        found = list(suites(folder, chosen.sample, " ".join(chosen.suites).split()))
        return run(chosen, found, interpreter)
    except (HostError, OSError) as error:
        print(f"conformance: {error}", file=sys.stderr)
        return 2


def run(
    chosen: argparse.Namespace,
    suites_found: list[tuple[str, list[Case]]],
    interpreter: runtime.Interpreter | None,
) -> int:
    known = Differences.read()
    results = []
    wrong: list[str] = []
    print("suite cases agree wrongly_accepted wrongly_refused out_of_scope")
    for name, found in suites_found:
        start = time.monotonic()
        todo = [case for case in found if case.scope is None]
        if interpreter is None:
            run_here(todo)
        elif todo:
            run_on(interpreter, todo)
        result = score(name, chosen.interpreter, found, known)
        result.seconds = round(time.monotonic() - start, 2)
        results.append(result)
        print(
            name,
            result.cases,
            result.agree,
            len(result.wrongly_accepted),
            len(result.wrongly_refused),
            len(result.out_of_scope),
            flush=True,
        )
        if chosen.show:
            for case in todo:
                print(f"  {case.id} {case.expected} {case.code} {case.ms} ms")
            print(f"  slowest: {result.slowest}")
        lines = known.complaints(todo)
        if lines:
            print("\n".join(lines), flush=True)
        wrong += lines
    if chosen.json:
        rows = [result.row() for result in results]
        chosen.json.write_text(json.dumps(rows, indent=1) + "\n")
    deliberate = sum(len(result.deliberate) for result in results)
    print(f"{deliberate} deliberate differences, {len(wrong)} unexplained or stale")
    if not results:
        print(f"conformance: no suite found in {chosen.vectors}", file=sys.stderr)
    return 1 if wrong or not results else 0


if __name__ == "__main__":
    sys.exit(main())
