# SPDX-License-Identifier: MIT
"""`trustanchor sim`: simulated boards in the foreground, with a power switch on standard input."""

import argparse
import contextlib
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from host_tools.build import romfs
from host_tools.cli.errors import HostError
from host_tools.cli.output import printable
from host_tools.sim.board import Board
from host_tools.sim.chip import Chip
from host_tools.sim.rom_loader import CHIPS

_MOST_BOARDS = 64
_COMMANDS = "cut, on, reset, erase-nvs, quit"
_EXAMPLE = """\
commands on standard input, with the board's number when there are several (`cut 2`):
  cut        take the power away, whatever the board is doing
  on         give it back
  reset      press the reset button
  erase-nvs  erase the NVS partition
  quit       stop (so do Ctrl-C and SIGTERM)

example:
  trustanchor sim --image board.img --rtc now --link board.port
  mpremote connect board.port exec "print('hello')"
  trustanchor sim --chip esp32c3 --image chip.bin
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "sim",
        help="simulated boards that mpremote can talk to",
        description="Start simulated boards: MicroPython's own 32-bit interpreter with a capped "
        "heap and LittleFS on a flash image, behind a pseudo-terminal.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--image",
        type=Path,
        default=Path("board.img"),
        metavar="FILE",
        help="flash image, made when missing (default board.img); more boards add -2, -3",
    )
    parser.add_argument("--heap", default="100K", help="heap size (default 100K)")
    parser.add_argument(
        "--rtc",
        type=_moment,
        default=None,
        metavar="TIME",
        help="the clock at power on: now, Unix seconds, 2030-01-31T12:00:00Z, or unset (default)",
    )
    parser.add_argument("--boards", type=_count, default=1, metavar="N", help="how many (1)")
    parser.add_argument("--link", type=Path, metavar="PATH", help="a link kept on the port")
    parser.add_argument(
        "--chip",
        choices=sorted(CHIPS),
        help="a whole chip with its boot loader, for esptool and mpremote on one RFC 2217 port; "
        "--image is its flash",
    )
    parser.add_argument("--rom", type=Path, metavar="DIR", help="a folder to mount as ROMFS")


def run(arguments: argparse.Namespace) -> int:
    if arguments.chip:
        return _whole_chip(arguments)
    rom = romfs.build(arguments.rom, "x86") if arguments.rom else None
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        with contextlib.ExitStack() as stack:
            boards = []
            for number in range(1, arguments.boards + 1):
                board = Board(
                    _numbered(arguments.image, number),
                    heap=arguments.heap,
                    rtc=arguments.rtc,
                    link=_numbered(arguments.link, number) if arguments.link else None,
                    rom=rom,
                )
                boards.append(stack.enter_context(board))
                _introduce(number, board, arguments)
            print(f"Commands: {_COMMANDS}; Ctrl-C stops.", flush=True)
            for line in sys.stdin:
                if not _obey(line.split(), boards, arguments):
                    return 0
            while True:  # standard input is closed, as under a service manager: until a signal
                time.sleep(3600)
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGTERM, before)


def _whole_chip(arguments: argparse.Namespace) -> int:
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        with Chip(arguments.chip, arguments.image) as chip:
            print(
                f"{arguments.chip}: {chip.url}  (esptool --port {chip.url} flash-id)", flush=True
            )
            print("Commands: quit; Ctrl-C stops.", flush=True)
            for line in sys.stdin:
                if line.split() == ["quit"]:
                    return 0
            while True:
                time.sleep(3600)
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGTERM, before)


def _stop(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _introduce(number: int, board: Board, arguments: argparse.Namespace) -> None:
    name = _numbered(arguments.link, number) if arguments.link else board.port
    print(f"board {number}: {board.port}  (mpremote connect {name})", flush=True)


def _obey(words: list[str], boards: list[Board], arguments: argparse.Namespace) -> bool:
    """Do one line's command; False is the end."""
    if not words:
        return True
    if words == ["quit"]:
        return False
    number = words[1] if len(words) == 2 else "1"
    if len(words) > 2 or not number.isdecimal() or not 1 <= int(number) <= len(boards):
        print(f"sim: a command and a board from 1 to {len(boards)}.", file=sys.stderr)
        return True
    board = boards[int(number) - 1]
    try:
        match words[0]:
            case "cut":
                board.power_cut()
            case "on":
                board.power_on(rtc=arguments.rtc)
                _introduce(int(number), board, arguments)
            case "reset":
                board.reset()
            case "erase-nvs":
                board.erase_nvs()
            case _:
                print(f"sim: no {printable(words[0])!r}; {_COMMANDS}.", file=sys.stderr)
    except HostError as error:
        print(f"sim: {error.message}", file=sys.stderr)
    return True


def _numbered(path: Path, number: int) -> Path:
    return path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_BOARDS:
        raise argparse.ArgumentTypeError(f"{printable(text)!r} is not from 1 to {_MOST_BOARDS}")
    return int(text)


def _moment(text: str) -> int | None:
    """Unix seconds of what --rtc says."""
    if text == "unset":
        return None
    if text == "now":
        return int(time.time())
    try:
        if text.isdecimal():
            moment = datetime.fromtimestamp(int(text), UTC)
        else:
            moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(f"{printable(text)!r} is not a time") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if not 2000 <= moment.year <= 2099:
        raise argparse.ArgumentTypeError("a board's clock shows years from 2000 to 2099")
    return int(moment.timestamp())
