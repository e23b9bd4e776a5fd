# SPDX-License-Identifier: MIT
"""Feed the device's readers what nobody meant them to read, with coverage as the guide.

    python -m tests.conformance.fuzz --seconds 60 [--target certificate] [--engine hypothesis]
    python -m tests.conformance.fuzz --inputs 10000000 --target bundle      # --engine plain

Every module in fuzz_targets/ is a target: `seeds()` returns inputs to start from, `run(data)`
reads one; it may bring its own `mutate`, `weights` of its seeds and `reached`, counts of how far
inputs got. Only a TrustError may leave run(); anything else, a hang included, is a finding: it is
kept in build/fuzz/<target>/ and the exit code is 1. The engine is atheris (libFuzzer, coverage of
the package guides it) where it can be imported, else hypothesis, which guesses without a guide.
For large numbers there is plain: no measured coverage, which takes two thirds of the time, but
inputs that were accepted, or refused with a code not seen before, are mutated further; it ends
with a table of what inputs ended in.
"""

import argparse
import gc
import hashlib
import importlib
import importlib.util
import random
import re
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from tests.conformance import fuzz_mutation

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FOUND = ROOT / "build" / "fuzz"
MAX_BYTES = 20000  # above limits.CHAIN_BYTES, so that the limit is met
HANG_S = 20  # for one input
KEPT = 500  # inputs that plain goes on from, besides the seeds


def target_names() -> list[str]:
    return sorted(f.stem for f in (HERE / "fuzz_targets").glob("*.py") if f.stem != "__init__")


def load(name: str) -> ModuleType:
    return importlib.import_module(f"tests.conformance.fuzz_targets.{name}")


def mutation_of(target: ModuleType) -> Callable[[bytes, random.Random], bytes]:
    return getattr(target, "mutate", fuzz_mutation.mutate)


def keep(name: str, data: bytes) -> None:
    (FOUND / name).mkdir(parents=True, exist_ok=True)
    (FOUND / name / f"crash-{hashlib.sha256(data).hexdigest()[:16]}").write_bytes(data)


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

    mutate = mutation_of(target)

    def change(data: bytes, max_size: int, number: int) -> bytes:
        if number & 1:
            return atheris.Mutate(data, max_size)
        return mutate(data, random.Random(number))[:max_size]

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
    mutate = mutation_of(target)
    seeds = target.seeds()
    until = time.monotonic() + seconds
    runs = 0
    inputs = strategies.one_of(
        strategies.binary(max_size=200),
        strategies.builds(
            lambda data, number: mutate(data, random.Random(number)),
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
            keep(name, data)
            raise

    while time.monotonic() < until:
        hypothesis.seed(seed)(examine)()
        seed += 1
    print(f"DONE {runs} runs")


def fuzz_plainly(name: str, seconds: int, inputs: int, seed: int) -> None:
    """Until seconds are over, or inputs were read where that is not 0."""
    from trustanchor.errors import TrustError

    target = load(name)
    run, mutate = target.run, mutation_of(target)
    choose = random.Random(seed)
    seeds = target.seeds()
    weights = target.weights() if hasattr(target, "weights") else [1] * len(seeds)
    reached: Counter[str] = target.reached if hasattr(target, "reached") else Counter()
    reached.clear()
    ends: Counter[str] = Counter()
    kept: list[bytes] = []
    largest = sorted(map(len, seeds))[len(seeds) // 2]  # to go on from; the small ones are quick
    read = 0
    said = start = time.monotonic()
    data = b""

    def hangs(*_: object) -> None:
        raise TimeoutError(f"{HANG_S} s for one input")

    signal.signal(signal.SIGALRM, hangs)
    gc.collect()
    gc.disable()  # what the seeds are made of is gone through often enough below
    try:
        while read < inputs if inputs else time.monotonic() < start + seconds:
            signal.alarm(HANG_S)
            chosen = choose.choices(seeds, weights, k=200)
            for number, data in enumerate(chosen):
                if kept and number & 1:
                    data = kept[int(choose.random() * len(kept))]
                data = mutate(data, choose)
                try:
                    run(data)
                    code = "accepted"
                except TrustError as refusal:
                    code = refusal.code
                ends[code] += 1
                if (code == "accepted" or ends[code] == 1) and len(data) <= largest:
                    if len(kept) < KEPT:
                        kept.append(data)
                    elif choose.random() < 0.05:
                        kept[int(choose.random() * KEPT)] = data
            read += len(chosen)
            gc.collect(1)
            if time.monotonic() > said + 60:
                said = time.monotonic()
                print(f"{said - start:.0f} s: {read:,} inputs, {len(ends)} ends", flush=True)
    except BaseException:
        keep(name, data)
        raise
    finally:
        signal.alarm(0)
        gc.enable()
    for title, counts in (("got as far as", reached), ("ended in", ends)):
        print(f"{title}:")
        for word, count in counts.most_common():
            print(f"  {count:>10,}  {word}")
    print(f"DONE {read} runs")


def report(name: str, engine: str, seconds: float, output: str, status: int) -> str:
    """One line about a finished target."""
    runs = re.findall(r"(?:#|DONE )(\d+)\s*(?:DONE|runs)", output)
    coverage = re.findall(r"cov: (\d+)", output)
    counted = f"{int(runs[-1]):,} inputs" if runs else "no input counted"
    if engine == "plain" and runs:
        counted += f" ({int(runs[-1]) / max(seconds, 0.001):,.0f} a second)"
    if coverage:
        counted += f", {coverage[-1]} branches"
    state = "ok" if status == 0 and runs else "FOUND something"
    return f"fuzz {name}: {engine}, {seconds:.0f} s, {counted}: {state}"


def followed(command: list[str], aloud: bool) -> tuple[str, int]:
    """Run command; return (output, exit code). aloud prints the output as it comes."""
    lines = []
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            lines.append(line)
            if aloud:
                print(line, end="", flush=True)
    return "".join(lines), running.returncode


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together")
    parser.add_argument("--inputs", type=int, default=0, help="instead of seconds; engine plain")
    parser.add_argument("--target", action="append", choices=target_names())
    parser.add_argument("--engine", choices=("atheris", "hypothesis", "plain"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    guided = "atheris" if importlib.util.find_spec("atheris") else "hypothesis"
    engine = chosen.engine or ("plain" if chosen.inputs else guided)
    if chosen.inputs and engine != "plain":
        parser.error("--inputs is for the engine plain")
    targets = chosen.target or target_names()
    if chosen.child:
        fuzz = fuzz_with_atheris if engine == "atheris" else fuzz_with_hypothesis
        try:
            if engine == "plain":
                fuzz_plainly(targets[0], chosen.seconds, chosen.inputs, chosen.seed)
            else:
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
        command += ["--inputs", str(chosen.inputs)]
        start = time.monotonic()
        output, status = followed(command, aloud=engine == "plain")
        line = report(name, engine, time.monotonic() - start, output, status)
        if not line.endswith(": ok"):
            failed += 1
            if engine != "plain":
                print(output[-8000:])
        print(line, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
