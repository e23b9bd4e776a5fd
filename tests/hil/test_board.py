# SPDX-License-Identifier: MIT
"""The package on a board over the cable: the simulated one, or with --port a real one.

With --port these tests replace /lib/trustanchor on that board; nothing else of it is changed.
"""

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from host_tools.build import deploy
from host_tools.sim.board import Board

PORTABLE = Path(__file__).resolve().parents[1] / "portable"
# Small, without fixtures: what they need fits into a REPL session of any board.
HELPERS = ("check", "der_maker")
ON_BOARD = ("test_dates", "test_der", "test_names")
_RUN = """
import gc, sys
failed = passed = 0
for name in sorted(n for n in dir(module) if n.startswith("test_")):
    gc.collect()
    try:
        getattr(module, name)()
        passed += 1
    except Exception as error:
        failed += 1
        print("FAILED", name)
        sys.print_exception(error)
print(passed, "passed", failed, "failed")
"""


@pytest.fixture(scope="module")
def port(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The port named with --port, or that of a simulated board."""
    if named := request.config.getoption("--port"):
        yield named
        return
    with Board(tmp_path_factory.mktemp("hil") / "flash.img") as board:
        yield board.port


@pytest.fixture(scope="module")
def installed(port: str) -> str:
    with deploy.Board.open(port) as board:
        deploy.install(board)
    return port


def output(port: str, program: str) -> str:
    """Run a program on the board after a soft reset; returns what it printed."""
    with deploy.Board.open(port) as board:
        return board.transport.exec(textwrap.dedent(program)).decode().replace("\r\n", "\n")


def test_an_installed_package_is_not_written_again(installed: str) -> None:
    with deploy.Board.open(installed) as board:
        again = deploy.install(board)
    assert again.written == ()
    assert len(again.kept) > 20


def test_a_changed_file_is_noticed_and_replaced(installed: str) -> None:
    with deploy.Board.open(installed) as board:
        found = board.transport.fs_listdir(deploy.ON_BOARD)
        board.transport.fs_writefile(f"{deploy.ON_BOARD}/{found[0].name}", b"damaged")
        assert deploy.install(board).written == (f"{deploy.ON_BOARD}/{found[0].name}",)


def test_a_chain_that_is_none_is_refused_with_a_code(installed: str) -> None:
    said = output(
        installed,
        """
        from trustanchor import judge
        from trustanchor.state.literals import literal
        from trustanchor.state.local import LocalState
        from trustanchor.state.model import Asked
        state = literal([b"1" * 32, b"2" * 32])
        asked = Asked(state.services[0], "device.example", 443)
        print(judge([b"\\x30\\x03abc"], asked, (1800000000, True), state, LocalState()).code)
        """,
    )
    assert said.startswith(("der.", "cert."))


@pytest.mark.parametrize("name", ON_BOARD)
def test_portable_tests_pass_on_the_board(installed: str, name: str) -> None:
    files = [*HELPERS, name]
    with deploy.Board.open(installed) as board:
        for file in files:
            board.transport.fs_writefile(f"/{file}.py", (PORTABLE / f"{file}.py").read_bytes())
        try:
            said = board.transport.exec(f"import {name} as module\n{_RUN}").decode()
        finally:
            for file in files:
                board.transport.fs_rmfile(f"/{file}.py")
    words = said.split()
    assert words[-2:] == ["0", "failed"], said
    assert int(words[-4]) > 3
