# SPDX-License-Identifier: MIT
"""`make versions`: the portable tests and connections on every MicroPython that can be had.

For each interpreter: which versions of TLS a connection of it can negotiate, how many portable
tests passed, and how many of the integration tests that take an interpreter of this size. What
cannot be had is named with the reason, and the run fails.

    python -m tests.versions [words of a name ...]
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from host_tools.build import runtime

ROOT = Path(__file__).resolve().parents[1]
HEAP = {32: "100K", 64: "200K"}
VARIABLE = {32: "MICROPYTHON32", 64: "MICROPYTHON"}
CONNECTIONS = ("test_connections.py", "test_hostile.py", "test_facts.py")
TIMEOUT_S = 1200

_ASK = """
import sys, tls
names = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT).get_ciphers()
is_new = any(name.startswith("TLS1-3") for name in names)
print("1.2 and 1.3" if is_new else "1.2")
"""


@dataclass(frozen=True)
class Subject:
    """One MicroPython, where it comes from, and which words of pytest's -k are its rows."""

    name: str
    find: Callable[[], runtime.Interpreter]
    rows: str


SUBJECTS = (
    Subject("Debian trixie, 32-bit", lambda: runtime.find(32), "32-bit"),
    Subject("Debian trixie, 64-bit", lambda: runtime.find(64), "64-bit"),
    Subject("Debian sid, 32-bit", lambda: runtime.of_suite("sid", 32), "32-bit"),
    Subject("Debian sid, 64-bit", lambda: runtime.of_suite("sid", 64), "64-bit"),
    Subject("package index, own mbedTLS, 64-bit", runtime.own_config, "mbedTLS"),
)


def main() -> int:
    chosen = [one for one in SUBJECTS if all(word in one.name for word in sys.argv[1:])]
    failures = 0
    print(f"{'MicroPython':<36}{'version':<9}{'TLS':<13}{'portable':<24}connections")
    for subject in chosen:
        try:
            interpreter = subject.find()
        except runtime.RuntimeMissing as error:
            print(f"{subject.name:<36}cannot be had: {error}")
            failures += 1
            continue
        portable, connections = _portable(interpreter), _connections(interpreter, subject.rows)
        failures += not (portable.endswith(" 0 failed") and connections.endswith(" 0 failed"))
        version = ".".join(str(part) for part in interpreter.version)
        asked = subprocess.run(
            interpreter.command("-c", _ASK), capture_output=True, text=True, check=True
        )
        said = asked.stdout.strip()
        print(f"{subject.name:<36}{version:<9}{said:<13}{portable:<24}{connections}", flush=True)
    return 1 if failures or not chosen else 0


def _portable(interpreter: runtime.Interpreter) -> str:
    bits = interpreter.bits
    command = [sys.executable, "tests/run_portable.py", "--bits", str(bits), "--heap", HEAP[bits]]
    return _counted(_output(command, interpreter))


def _connections(interpreter: runtime.Interpreter, rows: str) -> str:
    files = [f"tests/integration/{name}" for name in CONNECTIONS]
    return _counted(_output([sys.executable, "-m", "pytest", "-k", rows, *files], interpreter))


def _output(command: list[str], interpreter: runtime.Interpreter) -> str:
    done = subprocess.run(
        command,
        env={**os.environ, VARIABLE[interpreter.bits]: str(interpreter.path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    if done.returncode:
        print(done.stdout[-4000:], done.stderr[-2000:], file=sys.stderr)
    return done.stdout


def _counted(output: str) -> str:
    """The last "n passed" and "n failed" of a run."""
    passed = re.findall(r"(\d+) passed", output)
    failed = re.findall(r"(\d+) failed", output)
    return f"{passed[-1] if passed else 0} passed, {failed[-1] if failed else 0} failed"


if __name__ == "__main__":
    sys.exit(main())
