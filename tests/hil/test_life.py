# SPDX-License-Identifier: MIT
"""A board's life: provisioned, updated, without power, tested. It loses what it held before."""

import json
from pathlib import Path
from typing import Any

import pytest

from host_tools.cli import main as cli
from host_tools.hil.bench import BoardUnderTest, Figures
from host_tools.hil.power import Power
from tests.host.test_board import desk

__all__ = ["desk"]  # two signed states of one fleet, and its products
pytestmark = pytest.mark.erases


def asked(capsys: pytest.CaptureFixture[str], port: str, *words: str) -> dict[str, Any]:
    """Run `trustanchor board ...` and return its one answer; it must have succeeded."""
    capsys.readouterr()
    status = cli.main(["board", *words, "--port", port, "--json"])
    answer = json.loads(capsys.readouterr().out)[0]
    assert status == 0, answer
    return dict(answer)


def test_a_board_is_provisioned_updated_and_keeps_it_without_power(
    board: BoardUnderTest, desk: Path, power: Power, capsys: pytest.CaptureFixture[str]
) -> None:
    product = ("provision", str(desk / "thermostat.toml"))
    asked(capsys, board.port, *product, "--erase-trust", "--yes")
    asked(capsys, board.port, "update", str(desk / "2.bundle"))
    power.off()
    power.on()
    shown = asked(capsys, board.port, "status")
    assert (shown["product"], shown["trust"]["sequence"]) == ("thermostat", 2)
    asked(capsys, board.port, *product, "--verify-only")


def test_power_that_goes_in_the_middle_costs_nothing_but_the_time(
    board: BoardUnderTest, desk: Path, power: Power, capsys: pytest.CaptureFixture[str]
) -> None:
    """The cable has a board that does not answer any more; the same command finishes."""
    product = ("provision", str(desk / "thermostat.toml"))
    asked(capsys, board.port, *product, "--erase-trust", "--yes")
    power.off()
    capsys.readouterr()
    update = ("update", str(desk / "2.bundle"))
    assert cli.main(["board", *update, "--port", board.port, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)[0]["code"] == "board.unreachable"
    power.on()
    assert asked(capsys, board.port, "status")["trust"]["sequence"] == 1
    asked(capsys, board.port, *update)
    assert asked(capsys, board.port, "status")["trust"]["sequence"] == 2


def test_the_self_test_passes_and_says_how_long_things_take(
    board: BoardUnderTest, figures: Figures, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = asked(capsys, board.port, "test")
    assert shown["code"] == "ok"
    for row in shown["tests"]:
        if row.get("ms") is not None:
            figures.add(row["name"], row["ms"], "ms")
        if row.get("heap_bytes") is not None:
            figures.add(f"{row['name']}, heap", row["heap_bytes"], "bytes")
