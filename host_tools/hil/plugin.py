# SPDX-License-Identifier: MIT
"""A pytest plugin for tests with a board on a cable, installed with the package.

    pytest --port /dev/ttyUSB0 --board esp32_generic_c3 --hil-host 192.0.2.7 --join wifi.py

    def test_my_product_connects(board, bench):
        with bench.server() as server:
            said = board.run(f"...{server.host}...", network=True)

Without --port the board is the simulated one: MicroPython for this machine behind a serial port of
its own, with flash, power and reset. So the same tests run in CI.

Fixtures (host_tools/hil/bench.py):

    board     BoardUnderTest, for the session
    bench     where the board finds servers of this machine: bench.server()
    power     off() and on(); a project with a relay of its own has a fixture of that name
    figures   what was measured; printed at the end, and written to --hil-report FILE

Markers: `erases` takes away what a board holds, and on a real one needs --may-erase;
`needs_network` needs --hil-host there; `needs_power` needs --power there. What is skipped says
which option it lacks.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from host_tools.boards import definitions
from host_tools.cli.errors import HostError
from host_tools.hil.bench import LOOPBACK, Bench, BoardUnderTest, Figures
from host_tools.hil.power import CommandPower, Power, SimulatedPower
from host_tools.sim.board import Board

_MARKERS = {
    "erases": ("takes away what the board holds", "--may-erase"),
    "needs_network": ("the board has to reach this machine", "--hil-host"),
    "needs_power": ("switches the board's supply", "--power"),
}
_FIGURES = pytest.StashKey[Figures]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("trustanchor", "hardware in the loop (trustanchor)")
    group.addoption(
        "--port",
        help="serial port of a real board; tests write to /lib/trustanchor and /hil on it. "
        "Without it the board is simulated",
    )
    group.addoption("--board", help="its name in boards/, as esp32_generic_c3")
    group.addoption("--hil-host", help="address of this machine, as the board sees it")
    group.addoption("--join", help="file with a MicroPython program that joins the network")
    group.addoption("--power", help="command that switches its supply, {} is `off` or `on`")
    group.addoption("--may-erase", action="store_true", help="run tests that erase the board")
    group.addoption("--hil-report", help="file for the figures, as JSON")


def pytest_configure(config: pytest.Config) -> None:
    for name, (what, option) in _MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {what}; on a real board with {option}")
    config.stash[_FIGURES] = Figures()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--port"):
        return  # the simulated board has all of it, and nothing to lose
    for item in items:
        for name, (what, option) in _MARKERS.items():
            if item.get_closest_marker(name) and not config.getoption(option):
                item.add_marker(pytest.mark.skip(reason=f"{what}: give {option}"))


def pytest_report_header(config: pytest.Config) -> str | None:
    port = config.getoption("--port")
    if not port:
        return None
    told = "may be erased" if config.getoption("--may-erase") else "is not erased"
    return f"trustanchor: board on {port}, which {told}"


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    figures = config.stash[_FIGURES]
    if figures.rows:
        terminalreporter.section("figures of the board")
        for line in figures.lines():
            terminalreporter.write_line(line)
    if named := config.getoption("--hil-report"):
        figures.save(Path(named))


def _usage(error: HostError) -> pytest.UsageError:
    return pytest.UsageError(error.message)


@pytest.fixture(scope="session")
def _simulated(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Board, Path] | None]:
    if request.config.getoption("--port"):
        yield None
        return
    folder = tmp_path_factory.mktemp("board")
    link = folder / "port"
    with Board(folder / "flash.img", link=link) as board:
        yield board, link


@pytest.fixture(scope="session")
def board(request: pytest.FixtureRequest, _simulated: tuple[Board, Path] | None) -> BoardUnderTest:
    """The board under test: --port, or the simulated one."""
    option = request.config.getoption
    try:
        named = option("--board") or (None if option("--port") else "sim")
        definition = definitions.load(named) if named else None
        join = Path(option("--join")).read_text() if option("--join") else ""
    except HostError as error:
        raise _usage(error) from None
    except OSError as error:
        raise pytest.UsageError(f"--join {error.filename}: {error.strerror}") from None
    port = option("--port") if _simulated is None else str(_simulated[1])
    return BoardUnderTest(port, definition, _simulated is not None, join)


@pytest.fixture(scope="session")
def bench(request: pytest.FixtureRequest) -> Bench:
    """The network's other end; a simulated board reaches this machine over loopback."""
    return Bench(request.config.getoption("--hil-host") or LOOPBACK)


@pytest.fixture
def power(
    request: pytest.FixtureRequest, board: BoardUnderTest, _simulated: tuple[Board, Path] | None
) -> Iterator[Power]:
    """The board's supply; it is on again when the test is over."""
    if _simulated is not None:
        supply: Power = SimulatedPower(_simulated[0])
    else:
        command = request.config.getoption("--power")
        if not command:
            pytest.skip("switches the board's supply: give --power")
        supply = CommandPower(command, board.port)
    try:
        yield supply
    finally:
        supply.on()


@pytest.fixture(scope="session")
def figures(request: pytest.FixtureRequest, board: BoardUnderTest) -> Figures:
    """Figures of this session, under the board's own name."""
    kept = request.config.stash[_FIGURES]
    if kept.board is None:
        kept.board = {**board.about().as_json(), "simulated": board.is_simulated}
    return kept
