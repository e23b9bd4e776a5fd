# SPDX-License-Identifier: MIT
"""`trustanchor demo`: simulated boards tell the right servers from the wrong ones, for years."""

import argparse
import itertools
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.status import Status
from rich.text import Text

from host_tools.build.places import IS_CLONE
from host_tools.cli.errors import HostError
from host_tools.cli.output import console, print_json, table, verdict_text

if TYPE_CHECKING:
    from host_tools.demo.steps import Row

_EXAMPLE = """\
examples:
  trustanchor demo
  trustanchor demo --json | jq '.rows[] | select(.as_expected | not)'
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "demo",
        help="simulated boards against real TLS servers, as one table",
        description="Start simulated boards (the real 32-bit MicroPython, 100 KB heap), put the "
        "device package on them, and let them visit real TLS servers on loopback: a board with "
        "two pinned keys, then boards that live through cross-signs, a distrusted CA, a pin "
        "rotation, a theft and a rescue. Exit code 0 only if every row is as expected.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="for scripts")


def run(arguments: argparse.Namespace) -> int:
    if not IS_CLONE:
        raise HostError(
            "The demo makes its servers' certificates with code of the repository that is not in "
            "the installed package: run `make demo` in a clone.",
            "host.no_clone",
        )
    # Imported here, because `trustanchor --help` must not wait for it.
    from host_tools.demo import steps, story

    start = time.monotonic()
    rows: list[steps.Row] = []
    with tempfile.TemporaryDirectory() as scratch, Status("", console=console(True)) as status:
        status.update("installing the device package with mpremote")
        for row in itertools.chain(steps.tell(Path(scratch)), story.tell(Path(scratch))):
            rows.append(row)
            status.update(f"{len(rows)}: {row.title}")
    seconds = time.monotonic() - start
    is_good = all(row.is_as_expected for row in rows)
    if arguments.json:
        _print_json(rows, seconds, is_good)
    else:
        _print_table(rows, seconds, is_good)
    return 0 if is_good else 1


def _print_json(rows: "list[Row]", seconds: float, is_good: bool) -> None:
    shown = [
        {
            "chapter": row.chapter,
            "server_shows": row.title,
            "tls": row.tls,
            "expected": row.expected,
            "code": row.code,
            "why": row.why,
            "fault": row.fault,
            "seconds": round(row.seconds, 2),
            "as_expected": row.is_as_expected,
        }
        for row in rows
    ]
    print_json({"as_expected": is_good, "seconds": round(seconds, 1), "rows": shown})


def _print_table(rows: "list[Row]", seconds: float, is_good: bool) -> None:
    from host_tools.demo.steps import HANDSHAKE_S, HEAP

    shown = table("", "what happens", "TLS", "the board says", "because", "seconds", "as expected")
    chapter = None
    for row in rows:
        if row.chapter != chapter:
            chapter = row.chapter
            shown.add_section()
            shown.add_row(Text(chapter, style="bold"))
        shown.add_row(
            row.title,
            row.tls,
            verdict_text(row.code == "ok", "accepted" if row.code == "ok" else row.code),
            row.fault or row.why,
            f"{row.seconds:.1f}",
            verdict_text(True, "ok")
            if row.is_as_expected
            else verdict_text(False, f"expected {row.expected}"),
        )
    out = console()
    out.print(shown)
    wrong = sum(not row.is_as_expected for row in rows)
    out.print(
        f"{len(rows)} rows in {seconds:.0f} s. Boards: 32-bit MicroPython, -X heapsize={HEAP}; "
        "the package in files for the pinned keys, in a ROMFS image for the rest. No handshake "
        f"may take over {HANDSHAKE_S} s."
    )
    out.print("every verdict as expected." if is_good else f"{wrong} NOT as expected.")
