# SPDX-License-Identifier: MIT
"""The story `make demo` tells: steps on a simulated board against real TLS servers.

A step is a title, an expected outcome and something that happens in a World: usually the board
visits a server, but a step may as well cut the power or copy a file. `story()` lists them in
order; the table shows what the board said beside what it should have said.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from mpremote.transport import TransportError

from host_tools.build import deploy
from host_tools.build.places import ROOT
from host_tools.cli.errors import HostError
from host_tools.cli.reasons import REASONS
from host_tools.demo.servers import (
    ANSWER,
    ClosingServer,
    DrippingServer,
    HangingServer,
    Listener,
    PlainTextServer,
    Relay,
    TlsServer,
)
from host_tools.sim.board import Board

# commands/demo.py has made sure that this is a clone, where the tests' makers are.
sys.path.append(str(ROOT))
from tests.certs import pki
from tests.integration.keyless import KeylessServer

CHAPTER = "two pinned keys"
HOST = "127.0.0.1"
HEAP = "100K"  # -X heapsize: what a stock ESP32 has left beside Wi-Fi
# Seconds the board gives a handshake. A refusal by time-out takes this long.
HANDSHAKE_S = 3
# Seconds after which a step has hung, whatever the board says.
BOUND_S = 8.0
REQUEST = b"GET / HTTP/1.0\r\n\r\n"
_MPREMOTE_S = 60

# Runs on the board as visit.py. What it prints is one JSON object.
_VISIT = f'''\
import json
from trustanchor import Context, Refused

def visit(pins, port):
    said = {{"code": "ok"}}
    try:
        sock = Context(pins=pins, timeout_s={HANDSHAKE_S}).connect("{HOST}", port)
        sock.write({REQUEST!r})
        said["answer"] = sock.read({len(ANSWER)}).decode()
        said["pin"] = sock.verdict.pin
        sock.close()
    except Refused as refusal:
        said["code"] = refusal.code
    print(json.dumps(said))
'''


@dataclass(frozen=True)
class Outcome:
    """What a step came to. seconds is the board's and the simulator's time together."""

    code: str
    why: str
    seconds: float
    fault: str = ""  # set when something is wrong that the code does not show


@dataclass(frozen=True)
class Step:
    """title: what the server shows. tls: version, or empty where it does not get that far."""

    title: str
    tls: str
    expected: str
    run: Callable[["World"], Outcome]


@dataclass(frozen=True)
class Row:
    """A line of the table: what happened, what the board said and should have said."""

    chapter: str
    title: str
    tls: str
    expected: str
    code: str
    why: str
    seconds: float
    fault: str

    @property
    def is_as_expected(self) -> bool:
        return self.code == self.expected and not self.fault


class World:
    """A simulated board with the device package on it, and the keys of the story."""

    def __init__(self, board: Board, link: deploy.Board) -> None:
        self.board = board
        self._link = link
        self.root = pki.authority("Old Root")
        self.other_root = pki.authority("New Root")
        self.intermediate = pki.authority("Intermediate", issuer=self.root)
        other = pki.authority("Other Intermediate", issuer=self.other_root)
        self.primary = pki.end_entity(HOST, issuer=self.intermediate)
        self.renewed = pki.end_entity(HOST, issuer=other, key=self.primary.key)
        self.expired = pki.end_entity(
            HOST,
            issuer=self.intermediate,
            key=self.primary.key,
            not_before=pki.utc(int(time.time()) - 40 * 86400),
            days=30,
        )
        self.backup = pki.end_entity(HOST, issuer=other)
        self.stranger = pki.end_entity(HOST, issuer=self.intermediate)
        # What a thief of nothing can make: the right names, a genuine chain behind it, his key.
        self.forged = pki.end_entity(HOST, issuer=self.intermediate, signer=pki.make_key())
        self.chain = [self.intermediate.der, self.root.der]
        self.other_chain = [other.der, self.other_root.der]
        self.pins = [self.primary.pin.hex(), self.backup.pin.hex()]
        self._run("from visit import visit")

    def visit(self, port: int) -> tuple[dict[str, object], float]:
        """Let the board connect, ask and listen; returns what it said and the seconds it took."""
        start = time.monotonic()
        shown = self._run(f"visit({self.pins!r}, {port})")
        took = time.monotonic() - start
        try:
            said = json.loads(shown)
        except ValueError:
            raise HostError(f"The board said {shown[:200]!r}.", "demo.board") from None
        if not isinstance(said, dict):
            raise HostError(f"The board said {shown[:200]!r}.", "demo.board")
        return said, took

    def _run(self, source: str) -> str:
        return bytes(self._link.transport.exec(source)).decode("utf-8", "replace")


def visiting(
    title: str,
    expected: str,
    server: Callable[[World], AbstractContextManager[Listener]],
    tls: str = "",
    pin: int | None = None,
) -> Step:
    """A step in which the board visits a server; pin is the one that must have matched."""

    def run(world: World) -> Outcome:
        with server(world) as listening:
            said, seconds = world.visit(listening.port)
            listening.wait_until_served()
            code = str(said["code"])
            return Outcome(
                code, _why(code, said), seconds, fault_of(said, listening, seconds, pin)
            )

    return Step(title, tls, expected, run)


def _why(code: str, said: dict[str, object]) -> str:
    if code == "ok":
        return "The key is the " + ("primary pin." if said.get("pin") == 0 else "backup pin.")
    return REASONS[code][0] if code in REASONS else ""


def fault_of(said: dict[str, object], server: object, seconds: float, pin: int | None) -> str:
    """What contradicts the code, as a sentence; empty when nothing does."""
    got = b"".join(visit.application for visit in getattr(server, "visits", []))
    if seconds > BOUND_S:
        return f"It took {seconds:.1f} s."
    if said["code"] != "ok":
        return f"Refused, but {len(got)} bytes had left the board." if got else ""
    if said.get("answer") != ANSWER.decode() or got != REQUEST:
        return "Accepted, but question and answer did not arrive whole."
    if said.get("pin") != pin:
        return f"Accepted by pin {said.get('pin')}, not {pin}."
    return ""


def story() -> list[Step]:
    steps = []
    for tls in ("1.2", "1.3"):
        steps += _keys(tls)
    return steps + _broken()


def _keys(tls: str) -> list[Step]:
    """Who holds a pinned key is accepted, whatever is around the key; nobody else is."""
    return [
        visiting(
            "the primary key",
            "ok",
            lambda w: TlsServer([w.primary.der, *w.chain], w.primary.key, tls),
            tls,
            pin=0,
        ),
        visiting(
            "a renewed certificate from another CA, same key",
            "ok",
            lambda w: TlsServer([w.renewed.der, *w.other_chain], w.renewed.key, tls),
            tls,
            pin=0,
        ),
        visiting(
            "the same key in an expired certificate",
            "path.expired",
            lambda w: TlsServer([w.expired.der, *w.chain], w.expired.key, tls),
            tls,
        ),
        visiting(
            "the backup key",
            "ok",
            lambda w: TlsServer([w.backup.der, *w.other_chain], w.backup.key, tls),
            tls,
            pin=1,
        ),
        visiting(
            "a stranger's key, certified by the same CA",
            "pin.none_matched",
            lambda w: TlsServer([w.stranger.der, *w.chain], w.stranger.key, tls),
            tls,
        ),
        visiting(
            "a forged leaf in front of the genuine intermediates",
            "pin.none_matched",
            lambda w: TlsServer([w.forged.der, *w.chain], w.forged.key, tls),
            tls,
        ),
        visiting(
            "the primary certificate, without its key",
            "tls.proof",
            lambda w: KeylessServer([w.primary.der, *w.chain], w.stranger.key, tls),
            tls,
        ),
    ]


def _broken() -> list[Step]:
    """Servers that do not finish a handshake end in a code, within a bound."""
    return [
        visiting("plain text instead of TLS", "tls.plain_text", lambda w: PlainTextServer()),
        visiting("a handshake cut off after the first record", "tls.closed", _cut_off, "1.2"),
        visiting("a connection closed at once", "tls.closed", lambda w: ClosingServer()),
        visiting("silence", "tls.timeout", lambda w: HangingServer()),
        visiting("a byte now and then, for ever", "tls.timeout", _drip),
    ]


class _CutOff(Relay):
    """A genuine server behind a relay that cuts; enters and leaves both."""

    def __init__(self, server: TlsServer) -> None:
        super().__init__(server.port, cut_after=1)
        self._server = server
        self.visits = server.visits

    def __enter__(self) -> "_CutOff":
        self._server.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._server.__exit__(*error)


def _drip(world: World) -> Listener:
    # Slower than a time-out on silence alone would notice, and never enough to be malformed.
    return DrippingServer(interval_s=HANDSHAKE_S / 4)


def _cut_off(world: World) -> Listener:
    return _CutOff(TlsServer([world.primary.der, *world.chain], world.primary.key, "1.2"))


def install(board: Board, folder: Path) -> None:
    """Put the package and the visiting program on the board with the mpremote command alone."""
    with deploy.Board.open(board.port) as link:
        package = deploy.package_folder("mpy", link.architecture())
    program = folder / "visit.py"
    program.write_text(_VISIT)
    mpremote(board.port, "mkdir", ":lib", "+", "cp", "-r", str(package), ":lib/")
    mpremote(board.port, "cp", str(program), ":visit.py")


def mpremote(port: str, *arguments: str) -> str:
    command = [sys.executable, "-m", "mpremote", "connect", port, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_MPREMOTE_S)
    except subprocess.TimeoutExpired:
        raise HostError(f"mpremote {arguments[0]} did not end.", "demo.board") from None
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise HostError(f"mpremote {arguments[0]}: {last[-1]}", "demo.board")
    return done.stdout


def tell(folder: Path) -> Iterator[Row]:
    """Run the steps of story() in order on one board. A board that fails ends the story."""
    with Board(folder / "flash.img", heap=HEAP, rtc=int(time.time())) as board:
        install(board, folder)
        with deploy.Board.open(board.port) as link:
            world = World(board, link)
            for step in story():
                try:
                    done = step.run(world)
                except TransportError as error:
                    last = str(error).strip().splitlines() or ["no message"]
                    raise HostError(
                        f"{step.title}: the board failed: {last[-1]}", "demo.board"
                    ) from None
                yield Row(
                    CHAPTER,
                    step.title,
                    step.tls,
                    step.expected,
                    done.code,
                    done.why,
                    done.seconds,
                    done.fault,
                )
