# SPDX-License-Identifier: MIT
"""Run tests/portable on real MicroPython: every file in a fresh interpreter, heap capped.

The package and the tests are compiled, as a board has its code: to compile a module in a heap of
100 KB takes more of it than to run it, and leaves it in pieces.

    python tests/run_portable.py --bits 32 --heap 100K [test_der ...]

Prints one line a file and the sum; exits 1 when a test failed or none ran.
"""

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from host_tools.build import deploy, runtime

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TIMEOUT_S = 300
ARCHITECTURE = {64: "x64", 32: "x86"}


def compiled_tests() -> Path:
    """A folder with every portable test compiled, line numbers kept."""
    folder = ROOT / "build" / "portable"
    folder.mkdir(parents=True, exist_ok=True)
    sources = {source.stem: source for source in (HERE / "portable").glob("*.py")}
    for stale in folder.glob("*.mpy"):
        if stale.stem not in sources:
            stale.unlink(missing_ok=True)
    for source in sources.values():
        deploy.compile_newer(source, folder)
    return folder


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--bits", type=int, choices=(32, 64), default=32)
    arguments.add_argument("--heap", default="100K")
    arguments.add_argument("names", nargs="*")
    chosen = arguments.parse_args()
    interpreter = runtime.find(chosen.bits)
    names = chosen.names or sorted(f.stem for f in (HERE / "portable").glob("test_*.py"))
    compiled = [
        deploy.package_folder("mpy", ARCHITECTURE[chosen.bits], HERE / "portable").parent,
        compiled_tests(),
    ]
    label = f"MicroPython {'.'.join(map(str, interpreter.version))} {chosen.bits}-bit"

    def run(name: str) -> tuple[str, int, str]:
        command = interpreter.command(
            "tests/portable/run.py",
            *(f"--compiled={folder}" for folder in compiled),
            name,
            heap=chosen.heap,
        )
        try:
            done = subprocess.run(
                command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S
            )
        except subprocess.TimeoutExpired:
            return name, 1, f"no end within {TIMEOUT_S} s"
        return name, done.returncode, (done.stdout + done.stderr).strip()

    passed = failed = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, status, output in pool.map(run, names):
            last = output.splitlines()[-1] if output else "no output"
            words = last.split()
            counted = len(words) == 4 and words[1] == "passed,"
            passed += int(words[0]) if counted else 0
            failed += int(words[2]) if counted else 1
            if status:
                print(output)
            print(f"{label} -X heapsize={chosen.heap}  {name}: {last}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
