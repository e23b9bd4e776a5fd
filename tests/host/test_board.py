# SPDX-License-Identifier: MIT
"""`trustanchor board`: boards over serial on the simulated one; its loader: test_flashing.py."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from host_tools.boards import definitions, station
from host_tools.build import places
from host_tools.cli import main as cli
from host_tools.cli.errors import HostError
from host_tools.sim.board import Board
from tests.certs import pki

STATE = """
sequence = {sequence}
revert = "never"
[[authority]]
keys = ["alice.pub"]
[[backup]]
keys = ["vault.pub"]
[[service]]
name = "web"
hosts = ["web.example"]
mode = "key"
pins = "web"
[[pin_set]]
name = "web"
pins = [{{ key = "server.pem" }}, {{ key = "backup.pem", backup = true }}]
"""
PRODUCT = 'product = "{product}"\nfleet = "north"\nbundle = "1.bundle"\n'


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two signed states of one fleet, and two products."""
    folder = tmp_path_factory.mktemp("desk")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("TRUSTANCHOR_PASSPHRASE", "nine words of no meaning")
        for name in ("server", "backup"):
            Path(f"{name}.pem").write_bytes(pki.authority(name).pem)
        for name in ("alice", "vault"):
            assert cli.main(["keygen", "es256", name]) == 0
        for number, before in ((1, ["--first"]), (2, ["--current", "1.bundle"])):
            Path(f"{number}.toml").write_text(STATE.format(sequence=number))
            assert cli.main(["bundle", "build", f"{number}.toml", *before]) == 0
            words = ["bundle", "sign", f"{number}.draft", *before, "--key", "alice.pem"]
            assert cli.main([*words, "--yes-to", str(number)]) == 0
        for product in ("thermostat", "valve"):
            Path(f"{product}.toml").write_text(PRODUCT.format(product=product))
    return folder


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    with Board(tmp_path / "flash.img") as running:
        yield running


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    """The exit code and the first board's answer as JSON."""
    capsys.readouterr()
    status = cli.main(["board", *words, "--json"])
    return status, json.loads(capsys.readouterr().out)[0]


def test_a_new_board_says_that_it_has_nothing(board: Board, capsys) -> None:
    status, shown = run(capsys, "status", "--port", board.port)
    assert (status, shown["package"], shown["trust"]) == (0, None, None)
    status, shown = run(capsys, "test", "--port", board.port)
    assert (status, shown["code"]) == (1, "board.not_provisioned")


def test_a_board_is_provisioned_updated_and_tested(board: Board, desk: Path, capsys) -> None:
    product = str(desk / "thermostat.toml")
    assert run(capsys, "provision", product, "--port", board.port, "--yes")[0] == 0
    _, shown = run(capsys, "status", "--port", board.port)
    assert (shown["product"], shown["fleet"], shown["trust"]["sequence"]) == (
        "thermostat", "north", 1,
    )  # fmt: skip
    # The same again changes nothing and is no error.
    assert run(capsys, "provision", product, "--port", board.port, "--yes")[0] == 0
    assert run(capsys, "update", str(desk / "2.bundle"), "--port", board.port)[0] == 0
    _, shown = run(capsys, "status", "--port", board.port)
    assert shown["trust"]["sequence"] == 2
    status, shown = run(capsys, "test", "--port", board.port)
    assert (status, shown["code"]) == (0, "ok")


def test_a_board_of_another_product_is_refused(board: Board, desk: Path, capsys) -> None:
    assert (
        run(capsys, "provision", str(desk / "valve.toml"), "--port", board.port, "--yes")[0] == 0
    )
    status, shown = run(
        capsys, "provision", str(desk / "thermostat.toml"), "--port", board.port, "--yes"
    )
    assert status == 1
    assert shown["code"].startswith("board.")
    _, shown = run(capsys, "status", "--port", board.port)
    assert shown["product"] == "valve"


def test_a_bundle_the_board_refuses_changes_nothing(board: Board, desk: Path, capsys) -> None:
    product = str(desk / "thermostat.toml")
    assert run(capsys, "provision", product, "--port", board.port, "--yes")[0] == 0
    forged = bytearray((desk / "2.bundle").read_bytes())
    forged[-1] ^= 1
    (desk / "forged.bundle").write_bytes(forged)
    status, shown = run(capsys, "update", str(desk / "forged.bundle"), "--port", board.port)
    assert (status, shown["code"]) == (1, "cose.signature_invalid")
    _, shown = run(capsys, "status", "--port", board.port)
    assert shown["trust"]["sequence"] == 1


def test_a_port_without_a_board_is_refused(tmp_path: Path, capsys) -> None:
    status, shown = run(capsys, "status", "--port", str(tmp_path / "none"))
    assert (status, shown["code"]) == (1, "board.unreachable")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_ends_in_a_way_nobody_thought_of_is_not_done() -> None:
    def work(port: str, report: station.Report) -> dict[str, Any]:
        raise AssertionError("a mistake of ours")

    (outcome,) = station.work_on(["port"], work, "test", quiet=True)
    assert (outcome.is_done, outcome.code) == (False, "host.failed")


def test_every_board_of_the_repository_is_described_well() -> None:
    names = sorted(path.parent.name for path in places.BOARDS.glob("*/board.toml"))
    assert len(names) == 6
    for name in names:
        assert definitions.load(name)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('chip = "esp32"', 'chip = "esp8266"'),
        ("clock_mhz = 160", "clock_mhz = 161"),
        ('size = "4M"', 'size = "lots"'),
        ("[clock]\nepoch_year = 2000", ""),
        ("[clock]", "[clocks]"),
    ],
)
def test_a_description_that_is_wrong_names_file_and_key(
    tmp_path: Path, old: str, new: str
) -> None:
    folder = tmp_path / "esp32_generic"
    shutil.copytree(places.BOARDS / "esp32_generic", folder)
    text = (folder / "board.toml").read_text()
    assert old in text
    assert definitions.load("esp32_generic", tmp_path)
    (folder / "board.toml").write_text(text.replace(old, new))
    with pytest.raises(HostError, match=r"board\.toml"):
        definitions.load("esp32_generic", tmp_path)
