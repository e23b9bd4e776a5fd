# SPDX-License-Identifier: MIT
"""The chains of tests/history.py, met by a simulated board over TLS: by us and by stock `tls`.

The board is the demo's. Stock `tls` has the clock of the machine and cannot be given another, so
all dates of a chain are moved until the day that was is today; for a wrong clock, until they are
as far from today as they were from what that clock showed. tests/host/test_history.py holds
judge() to the dates that were, and holds that moving changes nothing else.

The table of firmware/HISTORY.md is what was seen: `TRUSTANCHOR_WRITE=1` writes it again.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from host_tools.build import deploy
from host_tools.build.places import ROOT
from host_tools.demo import steps
from host_tools.demo.servers import TlsServer
from host_tools.sim.board import Board
from tests import history
from tests.history import Case, Past
from tests.host.test_history import judged

PAGE = ROOT / "firmware" / "HISTORY.md"
DEVICE = Path(__file__).with_name("history_device.py")
CASES = list(history.cases(Past()))
HEAP = "192K"  # of a board that has both ways and their programs at once


@dataclass(frozen=True)
class Seen:
    """What the three said of one case; stock: "ok", or why mbedTLS refused."""

    judge: str
    board: str
    stock: str


class Bench:
    def __init__(self, link: deploy.Board) -> None:
        self._link = link
        self.run("from history_device import meet, stock")

    def run(self, source: str) -> str:
        return bytes(self._link.transport.exec(source)).decode().strip()

    def see(self, number: int) -> Seen:
        case = CASES[number]
        now = int(time.time())
        ours = _moved(number, now - case.at)
        with TlsServer([one.der for one in ours.chain], ours.chain[0].key, "1.2") as server:
            asked: dict[str, Any] = {
                "host": "127.0.0.1",
                "port": server.port,
                "anchors": [[one.entity.der.hex(), one.policy] for one in ours.trusted],
                "pins": [pin.hex() for pin in ours.pins],
                "denied": ours.denied.hex(),
                "clock": now if case.clock is None else case.clock,
            }
            board = self.run(f"print(meet({asked!r}))")
        shown = case.at if case.clock is None else case.clock
        theirs = _moved(number, now - case.at + (case.at - shown))
        with TlsServer([one.der for one in theirs.chain], theirs.chain[0].key, "1.2") as server:
            roots = b"".join(one.entity.pem for one in theirs.trusted) + b"\0"
            asked = {"host": "127.0.0.1", "port": server.port, "roots": roots}
            stock = self.run(f"print(stock({asked!r}))")
        return Seen(judged(case), board, stock)


def _moved(number: int, shift: int) -> Case:
    return list(history.cases(Past(shift)))[number]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Seen]]:
    folder = tmp_path_factory.mktemp("board")
    with Board(folder / "flash.img", heap=HEAP, rtc=int(time.time())) as board:
        steps.install(board, folder)
        steps.mpremote(board.port, "cp", str(DEVICE), ":history_device.py")
        with deploy.Board.open(board.port) as link:
            bench = Bench(link)
            yield [bench.see(number) for number in range(len(CASES))]


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.name for case in CASES])
def test_the_board_says_what_judge_says(seen: list[Seen], number: int) -> None:
    assert seen[number].board == seen[number].judge == CASES[number].ours


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.name for case in CASES])
def test_stock_tls_with_the_same_roots(seen: list[Seen], number: int) -> None:
    assert (seen[number].stock == "ok") is CASES[number].stock, seen[number].stock


def test_the_published_table_is_what_was_seen(seen: list[Seen]) -> None:
    before, _, rest = PAGE.read_text().partition("<!-- table -->\n")
    _, mark, after = rest.partition("<!-- end of table -->")
    text = f"{before}<!-- table -->\n{_table(seen)}{mark}{after}"
    if os.environ.get("TRUSTANCHOR_WRITE"):
        PAGE.write_text(text)
    assert mark and PAGE.read_text() == text, "write it again with TRUSTANCHOR_WRITE=1"


def _table(seen: list[Seen]) -> str:
    lines = []
    event = ""
    for case, said in zip(CASES, seen, strict=True):
        if case.event != event:
            event = case.event
            lines += ["", f"### {event}", "", "| device, chain | judge | board | stock `tls` |"]
            lines.append("|---|---|---|---|")
        stock = "connects" if said.stock == "ok" else "refuses"
        lines.append(f"| {case.what} | {said.judge} | {said.board} | {stock} |")
    return "\n".join(lines[1:]) + "\n\n"
