# SPDX-License-Identifier: MIT
"""A board and servers of this machine, over the network that the board is on."""

import pytest

from host_tools.hil.bench import Bench, BoardUnderTest, Figures

pytestmark = pytest.mark.needs_network

_CONNECT = """
import time
from trustanchor import Context, Refused
context = Context(pins={pins!r}, timeout_s=30)
for _ in range(2):
    begun = time.ticks_ms()
    try:
        sock = context.connect({host!r}, {port})
        sock.write(b"GET / HTTP/1.0\\r\\n\\r\\n")
        print("ok", len(sock.read(4)), time.ticks_diff(time.ticks_ms(), begun))
        sock.close()
    except Refused as refused:
        print(refused.code, 0, time.ticks_diff(time.ticks_ms(), begun))
"""
BACKUP = "11" * 32


@pytest.fixture(scope="module", autouse=True)
def installed(board: BoardUnderTest) -> None:
    board.install()


def told(board: BoardUnderTest, host: str, port: int, pins: list[str]) -> list[list[str]]:
    """[code, bytes of the answer, milliseconds] of two connections in a row."""
    text = board.run(_CONNECT.format(pins=pins, host=host, port=port), network=True)
    return [line.split() for line in text.splitlines()]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_the_pinned_server_is_accepted(
    version: str, board: BoardUnderTest, bench: Bench, figures: Figures
) -> None:
    with bench.server(version) as server:
        first, again = told(board, server.host, server.port, [server.pin.hex(), BACKUP])
        server.wait_until_served()
    if first[0] == "tls.alert" and version == "1.3" and not board.is_simulated:
        pytest.skip("this firmware has no TLS 1.3")
    assert (first[0], again[0]) == ("ok", "ok")
    assert int(first[1]) > 0
    figures.add(f"pinned connect, TLS {version}, first", int(first[2]), "ms")
    figures.add(f"pinned connect, TLS {version}, again", int(again[2]), "ms")


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_another_server_is_refused_and_hears_nothing(
    version: str, board: BoardUnderTest, bench: Bench
) -> None:
    with bench.server(version) as server:
        answers = told(board, server.host, server.port, ["22" * 32, BACKUP])
        server.wait_until_served()
        assert not any(visit.completed or visit.application for visit in server.visits)
    allowed = {"pin.none_matched"} | ({"tls.alert"} if not board.is_simulated else set())
    assert {answer[0] for answer in answers} <= allowed


def test_the_backup_key_is_accepted(board: BoardUnderTest, bench: Bench) -> None:
    with bench.server() as server:
        answers = told(board, server.host, server.port, [BACKUP, server.pin.hex()])
    assert [answer[0] for answer in answers] == ["ok", "ok"]
