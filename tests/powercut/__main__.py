# SPDX-License-Identifier: MIT
"""Run powercut.py on 32-bit MicroPython, scenarios side by side; what `make powercut` calls.

    python -m tests.powercut [--single] [scenario ...]
    python -m tests.powercut --replay scenario:nvs:operation.tear[:operation.tear]

Exit code 1 when an invariant broke, a scenario did not end or nothing was cut.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer

from host_tools.build import runtime

HERE = Path(__file__).resolve().parent
HEAP = "2M"  # flash images; the store itself also passes at 100K
TIMEOUT_S = 600  # for one scenario; the longest takes about a minute on an idle machine

# MicroPython's garbage collector closes the files a power cut left open, finds no power, and says
# so on stderr.
NOISE = "OSError: [Errno 5] EIO"


class Run:
    """One interpreter at work; lines() yields what it says while it says it."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self.status = 1

    def lines(self) -> Iterator[str]:
        interpreter = runtime.find(32)
        command = interpreter.command(str(HERE / "powercut.py"), *self.words, heap=HEAP)
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout is not None
            timer = Timer(TIMEOUT_S, process.kill)
            timer.start()
            try:
                for line in process.stdout:
                    if line.strip() not in (NOISE, ""):
                        yield line.rstrip()
                self.status = process.wait()
                if not timer.is_alive():
                    yield f"{' '.join(self.words)}: no end within {TIMEOUT_S} s"
            finally:
                timer.cancel()


def main(arguments: list[str]) -> int:
    if "--replay" in arguments:
        run = Run(*arguments)
        for line in run.lines():
            print(line)
        return run.status
    options = [word for word in arguments if word.startswith("--")]
    names = [word for word in arguments if not word.startswith("--")]
    names = names or " ".join(Run("--list").lines()).split()
    sums = [0, 0, 0, 0]  # operations, cuts, faults, failures
    print("scenario       nvs     operations  erases    cuts  faults  failed", flush=True)

    def explore(name: str) -> tuple[int, str]:
        """Print the rows of one scenario as they come; return its exit code and last line."""
        run = Run(*options, name)
        last = ""
        for number, line in enumerate(run.lines()):
            if last:
                print(last, flush=True)
            last = line if number else ""  # the first line is the heading
        return run.status, last

    failed = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for status, last in pool.map(explore, names):
            words = last.split()
            if len(words) == 8 and words[1] == "operations,":
                sums = [total + int(word) for total, word in zip(sums, words[::2], strict=True)]
            else:
                print(last, flush=True)
                failed += 1
            failed += status != 0
    print("{} operations, {} cuts, {} faults, {} failures".format(*sums))
    if failed:
        print("NOT COMPLETE, or an invariant broke: see above")
    return 1 if failed or sums[3] or not sums[1] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
