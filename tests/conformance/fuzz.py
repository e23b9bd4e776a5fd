# SPDX-License-Identifier: MIT
"""Feed the device's readers what nobody meant them to read, with coverage as the guide.

    python -m tests.conformance.fuzz --seconds 60 [--target certificate] [--engine hypothesis]

Every module in fuzz_targets/ is a target: `seeds()` returns inputs to start from, `run(data)`
reads one. Only a TrustError may leave run(); anything else, a hang included, is a finding: it is
kept in build/fuzz/<target>/ and the exit code is 1. The engine is atheris (libFuzzer, coverage of
the package guides it) where it can be imported, else hypothesis, which guesses without a guide.
"""

import argparse
import hashlib
import importlib
import importlib.util
import random
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from tests.conformance import fuzz_mutation

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FOUND = ROOT / "build" / "fuzz"
MAX_BYTES = 20000  # above limits.CHAIN_BYTES, so that the limit is met
HANG_S = 20  # for one input


def target_names() -> list[str]:
    return sorted(f.stem for f in (HERE / "fuzz_targets").glob("*.py") if f.stem != "__init__")


def load(name: str) -> ModuleType:
    return importlib.import_module(f"tests.conformance.fuzz_targets.{name}")


def guarded(run: Callable[[bytes], object]) -> Callable[[bytes], None]:
    """run, with the one exception that may leave it taken."""
    from trustanchor.errors import TrustError

    def one(data: bytes) -> None:
        try:
            run(data)
        except TrustError:
            pass

    return one


def fuzz_with_atheris(name: str, seconds: int, seed: int) -> None:
    """Never returns: libFuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=["trustanchor"]):
        target = load(name)
        one = guarded(target.run)
    corpus = FOUND / name / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for data in target.seeds():
        (corpus / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)

    def change(data: bytes, max_size: int, number: int) -> bytes:
        if number & 1:
            return atheris.Mutate(data, max_size)
        return fuzz_mutation.mutate(data, random.Random(number))[:max_size]

    options = [
        f"-max_total_time={seconds}",
        f"-max_len={MAX_BYTES}",
        f"-timeout={HANG_S}",
        f"-seed={seed}",
        f"-artifact_prefix={FOUND / name}/",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], one, custom_mutator=change)
    atheris.Fuzz()


def fuzz_with_hypothesis(name: str, seconds: int, seed: int) -> None:
    import hypothesis
    from hypothesis import strategies

    target = load(name)
    one = guarded(target.run)
    seeds = target.seeds()
    until = time.monotonic() + seconds
    runs = 0
    inputs = strategies.one_of(
        strategies.binary(max_size=200),
        strategies.builds(
            lambda data, number: fuzz_mutation.mutate(data, random.Random(number)),
            strategies.sampled_from(seeds),
            strategies.integers(0, 2**32),
        ),
    )

    @hypothesis.settings(
        max_examples=200,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(inputs)
    def examine(data: bytes) -> None:
        nonlocal runs
        runs += 1
        try:
            one(data)
        except Exception:
            (FOUND / name).mkdir(parents=True, exist_ok=True)
            kept = FOUND / name / f"crash-{hashlib.sha256(data).hexdigest()[:16]}"
            kept.write_bytes(data)
            raise

    while time.monotonic() < until:
        hypothesis.seed(seed)(examine)()
        seed += 1
    print(f"DONE {runs} runs")


def report(name: str, engine: str, seconds: float, output: str, status: int) -> str:
    """One line about a finished target."""
    runs = re.findall(r"(?:#|DONE )(\d+)\s*(?:DONE|runs)", output)
    coverage = re.findall(r"cov: (\d+)", output)
    counted = f"{int(runs[-1]):,} inputs" if runs else "no input counted"
    if coverage:
        counted += f", {coverage[-1]} branches"
    state = "ok" if status == 0 and runs else "FOUND something"
    return f"fuzz {name}: {engine}, {seconds:.0f} s, {counted}: {state}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together")
    parser.add_argument("--target", action="append", choices=target_names())
    parser.add_argument("--engine", choices=("atheris", "hypothesis"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    engine = chosen.engine or ("atheris" if importlib.util.find_spec("atheris") else "hypothesis")
    targets = chosen.target or target_names()
    if chosen.child:
        fuzz = fuzz_with_atheris if engine == "atheris" else fuzz_with_hypothesis
        try:
            fuzz(targets[0], chosen.seconds, chosen.seed)
        except Exception:  # noqa: BLE001 - whatever it is, it is the finding
            traceback.print_exc()
            return 1
        return 0
    each = max(1, chosen.seconds // len(targets))
    failed = 0
    for name in targets:
        # A process each: libFuzzer ends its process, and what crashes one target spares the rest.
        command = [sys.executable, "-m", "tests.conformance.fuzz", "--child", "--target", name]
        command += ["--seconds", str(each), "--engine", engine, "--seed", str(chosen.seed)]
        start = time.monotonic()
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace")
        output = done.stdout + done.stderr
        line = report(name, engine, time.monotonic() - start, output, done.returncode)
        if not line.endswith(": ok"):
            failed += 1
            print(output[-8000:])
        print(line, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
