# SPDX-License-Identifier: MIT
"""A board asked and told over its REPL: programs of boards/device/ run on it, JSON comes back.

    with open_board(port) as talk:
        found = about(talk)                       # who it is, what it runs, what it trusts
        talk.load("files")
        send(talk, "/main.py", content, progress)

mpremote's transport does the talking (build/deploy.py). A board may say anything: every answer is
checked against the types that were asked for and is bounded in bytes and time. Refusals:
board.unreachable, board.too_old, board.failed.
"""

import ast
import functools
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from mpremote.transport import TransportError, TransportExecError

from host_tools.build import deploy
from host_tools.cli.errors import HostError
from host_tools.cli.output import printable

_PROGRAMS = Path(__file__).with_name("device")
_PART_BYTES = 128
_CTRL_C = 3
# Seconds without a sign of life while a file is taken: erasing a block takes a tenth.
_PART_S = 10
_TRIES = 3
SETTINGS = "/device.json"
ROOT = "/trust"

Progress = Callable[[str, int, int], None]


def no_progress(what: str, done: int, total: int) -> None:
    pass


@functools.cache
def program(name: str) -> str:
    """The text of a program of boards/device/ without what only a reader needs."""
    tree = ast.parse((_PROGRAMS / f"{name}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(node, ast.Module | ast.FunctionDef):
            first = body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                body[:1] = [] if len(body) > 1 else [ast.Pass()]
    # One space an indentation level: every byte goes over the wire.
    return re.sub(
        r"^(?: {4})+", lambda match: " " * (len(match[0]) // 4), ast.unparse(tree), flags=re.M
    )


class Talk:
    """A board in its raw REPL, freshly soft-reset. Made by open_board()."""

    def __init__(self, board: deploy.Board) -> None:
        self.board = board
        self.port = board.port
        self.mac: str | None = None  # once about() has asked

    def load(self, name: str) -> None:
        """Define the functions of a program on the board, beside those that are there."""
        self.board.transport.exec(program(name))

    def fresh(self, name: str) -> None:
        """Soft-reset the board, so that its heap is whole, and load one program."""
        self.board.transport.exit_raw_repl()
        self.board.transport.enter_raw_repl(timeout_overall=deploy.ANSWER_S)
        self.load(name)

    def lines(self, call: str) -> list[Any]:
        """Call a function of a loaded program; return what it printed, a value a line."""
        answer = self.board.transport.exec(call)
        values = []
        for line in answer.decode("utf-8", "replace").splitlines():
            if line.strip():
                try:
                    values.append(json.loads(line))
                except (ValueError, RecursionError):
                    raise TransportError(
                        f"no answer to what it was asked: {line[:40]!r}"
                    ) from None
        return values

    def ask(self, call: str) -> Any:
        """The one value a function prints."""
        values = self.lines(call)
        if len(values) != 1:
            raise TransportError(f"{len(values)} answers to one question")
        return values[0]

    def tell(self, call: str) -> None:
        """Call a function that prints nothing."""
        self.board.transport.exec(call)


@contextmanager
def open_board(port: str) -> Iterator[Talk]:
    """Interrupt what runs there and hold the board's REPL; refusals as deploy.Board.open()."""
    with deploy.Board.open(port) as board:
        yield Talk(board)


@dataclass(frozen=True)
class About:
    """What a board says of itself; all of it is the board's word.

    mac           12 hexadecimal digits, lower case
    settings      what provisioning wrote to /device.json, or None
    package       version of the device package, or None
    trust         Store.status() and "code" (ok, or what refuses the record); None: no package
    """

    mac: str
    micropython: tuple[int, ...]
    architecture: str | None
    machine: str
    heap_free: int
    heap_used: int
    flash_free: int
    flash_size: int
    settings: dict[str, Any] | None
    package: str | None
    trust: dict[str, Any] | None

    @property
    def version(self) -> str:
        return ".".join(map(str, self.micropython))

    @property
    def product(self) -> str | None:
        return _text_of(self.settings, "product")

    @property
    def fleet(self) -> str | None:
        return _text_of(self.settings, "fleet")

    @property
    def device_id(self) -> str | None:
        return _text_of(self.settings, "device_id")

    @property
    def state(self) -> str:
        """One or two words for a table."""
        if self.trust is None:
            return "no package"
        code = self.trust["code"]
        if code == "ok":
            trial = " on trial" if self.trust["trial"] else ""
            return f"{self.trust['epoch']}/{self.trust['sequence']}{trial}"
        return code.removeprefix("store.")

    def as_json(self) -> dict[str, object]:
        return {
            "mac": self.mac,
            "machine": self.machine,
            "micropython": self.version,
            "architecture": self.architecture,
            "package": self.package,
            "product": self.product,
            "fleet": self.fleet,
            "device_id": self.device_id,
            "heap_free": self.heap_free,
            "flash_free": self.flash_free,
            "flash_size": self.flash_size,
            "trust": self.trust,
        }


def about(talk: Talk, root: str = ROOT) -> About:
    """Ask the board who it is. Refuses with board.too_old before MicroPython 1.25."""
    architecture = talk.board.architecture()
    talk.load("about")
    said = talk.ask(f"about({root!r})")
    found = _about(said, architecture)
    talk.mac = found.mac
    talk.fresh("files")  # the package that was loaded to ask it has its heap back
    return found


def _about(said: Any, architecture: str | None) -> About:
    checked = _fields(
        said,
        mac=str,
        micropython=list,
        machine=str,
        heap_free=int,
        heap_used=int,
        flash_free=int,
        flash_size=int,
    )
    version = checked["micropython"]
    if not (len(version) == 3 and all(type(one) is int and 0 <= one < 1000 for one in version)):
        raise TransportError("its version is none")
    if not re.fullmatch(r"[0-9a-f]{12}", checked["mac"]):
        raise TransportError("its MAC address is none")
    package = said.get("package")
    return About(
        mac=checked["mac"],
        micropython=tuple(version),
        architecture=architecture,
        machine=printable(checked["machine"], 60),
        heap_free=checked["heap_free"],
        heap_used=checked["heap_used"],
        flash_free=checked["flash_free"],
        flash_size=checked["flash_size"],
        settings=_settings(said.get("settings")),
        package=printable(package, 20) if isinstance(package, str) else None,
        trust=_trust(said.get("trust")),
    )


def _fields(said: Any, **types: type) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise TransportError("what it says of itself is no table")
    for name, kind in types.items():
        if type(said.get(name)) is not kind:
            raise TransportError(f"what it says of itself has no {name}")
    return {name: said[name] for name in types}


def _settings(text: Any) -> dict[str, Any] | None:
    if not isinstance(text, str):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}  # half written, or somebody else's: provisioning says so
    return found if isinstance(found, dict) else {}


def _trust(said: Any) -> dict[str, Any] | None:
    if said is None:
        return None
    code = _fields(said, code=str)["code"]
    if not re.fullmatch(r"[a-z_]{1,20}(\.[a-z_]{1,30})?", code):
        raise TransportError("its refusal is no code")
    if code not in ("ok", "store.lost") or "epoch" not in said:
        return {"code": code}
    numbers = _fields(said, epoch=int, sequence=int, floor=int, tries=int, retired=int, held=int)
    digests = _fields(said, active=str, fallback=str, trial=str)
    for digest in digests.values():
        if not re.fullmatch(r"([0-9a-f]{64})?", digest):
            raise TransportError("a digest it names is none")
    notes = _fields(said, notes=list)["notes"]
    shown = [printable(str(one[0] if isinstance(one, list) and one else one), 40) for one in notes]
    return {"code": code, **numbers, **digests, "notes": shown[:20]}


def _text_of(table: dict[str, Any] | None, key: str) -> str | None:
    value = (table or {}).get(key)
    return printable(value, 100) if isinstance(value, str) else None


# Files.


def listing(talk: Talk, *roots: str) -> dict[str, tuple[int, bytes]]:
    """{path: (size, SHA-256)} of every file below these files and folders of the board."""
    found = {}
    for row in talk.lines(f"listing({list(roots)!r})"):
        if not (
            isinstance(row, list)
            and [type(one) for one in row] == [str, int, str]
            and re.fullmatch(r"[0-9a-f]{64}", row[2])
        ):
            raise TransportError("a file it names is none")
        found[row[0]] = (row[1], bytes.fromhex(row[2]))
    return found


def send(talk: Talk, path: str, content: bytes, progress: Progress = no_progress) -> None:
    """Put a file on the board; it appears whole, its hash checked on the board, or not at all.

    A line that damages it is given two more chances.
    """
    for _ in range(_TRIES):
        try:
            _send(talk, path, content, progress)
        except TransportExecError as error:
            if "damaged on its way" not in error.error_output:
                raise
        else:
            return
    raise HostError(
        f"{printable(talk.port)}: {path} arrived damaged {_TRIES} times: use a shorter cable or a "
        "lower baud rate.",
        "board.failed",
    )


def _send(talk: Talk, path: str, content: bytes, progress: Progress) -> None:
    transport = talk.board.transport
    digest = sha256(content).hexdigest()
    transport.exec_raw_no_follow(f"take({path!r}, {len(content)}, {digest!r})")
    line = transport.serial
    sent = 0
    until = time.monotonic() + _PART_S
    while sent < len(content):
        byte = line.read(1)
        if byte == b"+":
            part = content[sent : sent + _PART_BYTES]
            line.write(_masked(part))
            sent += len(part)
            progress(path, sent, len(content))
            until = time.monotonic() + _PART_S
        elif byte == b"\x04":  # it ended: what follows is why
            error = transport.read_until(1, b"\x04", timeout=deploy.ANSWER_S)[:-1]
            raise TransportExecError(b"", error.decode(errors="replace"))
        elif byte or time.monotonic() > until:
            # Out of step: Ctrl-C ends the program on the board, whatever it waits for.
            line.write(bytes([_CTRL_C]))
            transport.follow(deploy.ANSWER_S)
            raise TransportExecError(b"", "damaged on its way")
    _, error = transport.follow(deploy.ANSWER_S)
    if error:
        raise TransportExecError(b"", error.decode(errors="replace"))


def _masked(part: bytes) -> bytes:
    """A part as it goes over the wire: without the byte that means Ctrl-C there."""
    key = next(
        key for key in range(256) if key != _CTRL_C and all(byte ^ key != _CTRL_C for byte in part)
    )
    return bytes([key]) + bytes(byte ^ key for byte in part)
