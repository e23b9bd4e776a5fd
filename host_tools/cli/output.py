# SPDX-License-Identifier: MIT
"""How commands speak: tables for people, JSON for scripts, and nothing that moves the cursor.

Text from a certificate, a board or a server passes through `printable` before it reaches a
terminal, because whoever wrote it may be the attacker.
"""

import contextlib
import json
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

# Wide enough that a table piped into a file or a log keeps one line a row.
_PIPED_WIDTH = 140


def console(stderr: bool = False) -> Console:
    """A console that follows the terminal's width, or a fixed one where there is no terminal."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPED_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False, soft_wrap=False)


def print_json(value: Mapping[str, object] | Sequence[object]) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=True))


def printable(text: str, limit: int = 200) -> str:
    """Return text with control and direction characters escaped and at most limit characters."""
    # Cc, Cf: escape sequences and bidirectional overrides; Zl, Zp break lines; Cs cannot be
    # encoded.
    shown = "".join(
        char
        if unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
        else char.encode("unicode_escape").decode("ascii")
        for char in text[: limit + 1]
    )
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def table(title: str, *columns: str) -> Table:
    """An empty table in the one style all commands share."""
    made = Table(title=title or None, title_justify="left", header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


@contextlib.contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Yield progress(done, total): a bar on standard error, from the first call to the end."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=console(stderr=True), transient=True)
    task = bar.add_task(what, total=None)

    def progress(done: int, total: int) -> None:
        bar.start()  # not before: a passphrase may be asked for first
        bar.update(task, completed=done, total=total)

    try:
        yield progress
    finally:
        bar.stop()


def verdict_text(is_good: bool, text: str) -> Text:
    return Text(text, style="green" if is_good else "bold red")
