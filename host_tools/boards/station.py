# SPDX-License-Identifier: MIT
"""Several boards at once: a thread and a bar each, one outcome a board, one line of the log.

    outcomes = work_on(ports, lambda port, progress: {...}, "provision", log=Path("line.log"))
    all(outcome.is_done for outcome in outcomes)

What goes wrong with one board stays with that board.
"""

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from host_tools.cli.errors import HostError
from host_tools.cli.output import console, printable
from host_tools.cli.reasons import explain
from trustanchor.errors import TrustError

# Progress of one board: what is being done, how far, of how much.
Report = Callable[[str, int, int], None]
Work = Callable[[str, Report], dict[str, Any]]


class Failure(HostError):
    """A refusal that says of which board: value goes to the outcome, with its MAC in it."""

    def __init__(self, message: str, code: str | None, value: dict[str, Any]) -> None:
        super().__init__(message, code)
        self.value = value


@dataclass
class Outcome:
    """How it went with one board. value is what the work returned; code and message of a refusal.

    step   what was being done last
    mac    once it is known
    """

    port: str
    code: str = "host.failed"  # until it has gone well: nothing counts as done by default
    message: str = "It ended without an outcome."
    value: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    step: str = ""

    @property
    def is_done(self) -> bool:
        return self.code == "ok"

    @property
    def mac(self) -> str | None:
        return self.value.get("mac")

    def as_json(self) -> dict[str, object]:
        return {
            "port": self.port,
            "code": self.code,
            "message": self.message,
            "seconds": round(self.seconds, 1),
            **({} if self.is_done else {"step": self.step}),
            **self.value,
        }


def work_on(
    ports: list[str], work: Work, title: str, log: Path | None = None, quiet: bool = False
) -> list[Outcome]:
    """Do the work on every port at the same time; the outcomes are in the order of the ports.

    The log gets its line as each board ends, so that a stopped line loses none.
    """
    outcomes = [Outcome(port) for port in ports]
    if log is not None:
        _append(log, b"")  # a log that cannot be written is noticed before a board is touched
    with _bars(ports, quiet) as reports:
        threads = [
            threading.Thread(
                target=_work_on_one, args=(outcome, work, report, title, log), daemon=True
            )
            for outcome, report in zip(outcomes, reports, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.5)  # not for ever at once: Ctrl-C has to get through
    return outcomes


def _work_on_one(
    outcome: Outcome, work: Work, report: Report, title: str, log: Path | None
) -> None:
    begun = time.monotonic()

    def noted(step: str, done: int, total: int) -> None:
        outcome.step = step
        report(step, done, total)

    try:
        outcome.value = work(outcome.port, noted)
        outcome.code, outcome.message = "ok", ""
    except HostError as error:
        outcome.code, outcome.message = error.code or "host.failed", error.message
        outcome.value = error.value if isinstance(error, Failure) else {}
    except TrustError as error:
        outcome.code, outcome.message = error.code, explain(error.code)
    except OSError as error:
        outcome.code, outcome.message = "host.io", str(error.strerror or error)
    outcome.seconds = time.monotonic() - begun
    report("done" if outcome.is_done else outcome.code, 1, 1)
    if log is not None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        mac = outcome.mac
        row = {"time": now, "mac": mac, "command": title, **outcome.as_json()}
        _append(log, json.dumps(row, ensure_ascii=True).encode() + b"\n")


def _append(log: Path, line: bytes) -> None:
    # One write: lines of several stations in one file do not mix.
    number = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(number, line)
    finally:
        os.close(number)


@contextlib.contextmanager
def _bars(ports: list[str], quiet: bool) -> Iterator[list[Report]]:
    """Yield a report a port: bars on standard error where it is a terminal, else nothing."""
    out = console(stderr=True)
    if quiet or not out.is_terminal:
        yield [_say_nothing for _ in ports]
        return
    columns = (
        TextColumn("{task.fields[port]}"),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=out) as bars:
        tasks = [bars.add_task("", total=None, port=printable(port, 40)) for port in ports]

        def reporter(task: Any) -> Report:
            def report(step: str, done: int, total: int) -> None:
                bars.update(
                    task, description=printable(step, 40), completed=done, total=max(1, total)
                )

            return report

        yield [reporter(task) for task in tasks]


def _say_nothing(step: str, done: int, total: int) -> None:
    pass
