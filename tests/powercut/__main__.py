# SPDX-License-Identifier: MIT
"""Run powercut.py on 32-bit MicroPython, scenarios side by side; what `make powercut` calls.

    python -m tests.powercut [--single] [scenario ...]
    python -m tests.powercut --replay scenario:nvs:operation.tear[:operation.tear]

Exit code 1 when an invariant broke or nothing was cut.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from host_tools import runtime

HERE = Path(__file__).resolve().parent
HEAP = "2M"  # flash images; the store itself also passes at 100K
TIMEOUT_S = 1200

# MicroPython's garbage collector closes the files a power cut left open, finds no power, and says
# so on stderr.
NOISE = "OSError: [Errno 5] EIO"


def main(arguments: list[str]) -> int:
    interpreter = runtime.find(32)

    def run(*words: str) -> tuple[int, str]:
        command = interpreter.command(str(HERE / "powercut.py"), *words, heap=HEAP)
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return 1, f"{' '.join(words)}: no end within {TIMEOUT_S} s"
        said = done.stderr.splitlines()
        errors = "\n".join(line for line in said if line.strip() != NOISE)
        return done.returncode, (done.stdout + errors).strip()

    if "--replay" in arguments:
        status, output = run(*arguments)
        print(output)
        return status
    options = [word for word in arguments if word.startswith("--")]
    names = [word for word in arguments if not word.startswith("--")]
    names = names or run("--list")[1].split()
    operations = cuts = failures = 0
    failed = False
    print("scenario       nvs     operations  erases    cuts  failed")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for status, output in pool.map(lambda name: run(*options, name), names):
            failed = failed or status != 0
            for line in output.splitlines()[1:]:
                words = line.split()
                if len(words) == 6 and words[1] == "operations,":
                    operations += int(words[0])
                    cuts += int(words[2])
                    failures += int(words[4])
                else:
                    print(line, flush=True)
    print(f"{operations} operations, {cuts} cuts, {failures} failures")
    return 1 if failed or not cuts else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
