# SPDX-License-Identifier: MIT
"""`trustanchor run PROGRAM.py`: a device's program on this machine's MicroPython.

The interpreter is the one of `make setup`, 32-bit with a heap like a board's; the package is
compiled as a board gets it. Nothing is simulated: sockets, files and the clock are this machine's.
"""

import argparse
import os
import subprocess
from pathlib import Path

from host_tools.build import deploy, runtime
from host_tools.cli.errors import HostError

_EXAMPLE = """\
examples:
  trustanchor init example.net --out my-board && trustanchor run my-board/main.py
  trustanchor run --heap 64K my-board/main.py
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "run",
        help="run a device's program here, on MicroPython",
        description="Run a program on the fetched 32-bit MicroPython with the device package, in "
        "a heap like a board's: the first try without a board. Its exit code is the program's.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("program", type=Path, metavar="PROGRAM.py", help="the program")
    parser.add_argument("words", nargs="*", metavar="WORD", help="its arguments")
    parser.add_argument("--heap", default="100K", help="heap size (default 100K)")


def run(arguments: argparse.Namespace) -> int:
    if not arguments.program.is_file():
        raise HostError(f"{arguments.program} is no file: name the program to run.", "host.io")
    interpreter = runtime.find(32)
    package = deploy.package_folder("mpy", "x86").parent
    command = interpreter.command(str(arguments.program), *arguments.words, heap=arguments.heap)
    path = os.pathsep.join((".frozen", str(package)))
    return subprocess.run(command, env={**os.environ, "MICROPYPATH": path}).returncode
