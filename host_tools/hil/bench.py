# SPDX-License-Identifier: MIT
"""What a test has in its hands: the board under test, a server it can reach, and the figures.

with board.talk() as talk: ...             # the board's REPL; host_tools/boards/talk.py
print(board.run("print(1 + 1)"))            # a program on a freshly reset board
with Bench("192.0.2.7").server() as server:  # a TLS server with a key of its own
    server.host, server.port, server.pin
"""

import datetime
import json
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from host_tools.boards import talk as talking
from host_tools.boards.definitions import Definition
from host_tools.build import deploy
from host_tools.cli.errors import HostError
from host_tools.demo.servers import TlsServer
from host_tools.signing import keyfiles

LOOPBACK = "127.0.0.1"
_DAY = datetime.timedelta(days=1)


@dataclass
class BoardUnderTest:
    """A board on a cable.

    port            a serial port, stable over resets and power cuts
    definition      its entry in boards/, or None where nobody has named it
    is_simulated    whether it is the simulated one
    join            a MicroPython program that joins the network, for programs that need it
    """

    port: str
    definition: Definition | None
    is_simulated: bool
    join: str = ""

    @contextmanager
    def talk(self) -> Iterator[talking.Talk]:
        """Interrupt what runs there and hold the REPL."""
        with talking.open_board(self.port) as talk:
            yield talk

    def about(self) -> talking.About:
        """Who the board says it is."""
        with self.talk() as talk:
            return talking.about(talk)

    def install(self) -> deploy.Installed:
        """Make it hold the device package of this version."""
        with deploy.Board.open(self.port) as board:
            return deploy.install(board)

    def run(self, program: str, network: bool = False, silence_s: int = 60) -> str:
        """Run a program after a soft reset and return what it printed.

        silence_s is how long it may take. HostError board.failed, with the board's own
        traceback, where it ends in an exception.
        """
        with deploy.Board.open(self.port) as board:
            if network and self.join:
                board.transport.exec(self.join)
            answer, error = board.transport.run(textwrap.dedent(program), silence_s)
        if error:
            told = error.decode("utf-8", "replace").replace("\r\n", "\n")
            raise HostError(
                f"{self.port}: the program ended in an exception:\n{told}", "board.failed"
            )
        return answer.decode("utf-8", "replace").replace("\r\n", "\n")

    def reset(self) -> None:
        """Restart it as its reset button does; main.py runs afterwards."""
        with deploy.Board.open(self.port) as board:
            board.reset()


class Server(TlsServer):
    """A TLS server on this machine with a key and a certificate of its own.

    host, port   where the board finds it; pin: SPKI SHA-256 of its key; der: its certificate
    """

    def __init__(self, host: str, version: str) -> None:
        key = keyfiles.new_ec_key()
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hil.example")])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + 30 * _DAY)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("hil.example")]), False)
            .sign(key, hashes.SHA256())
        )
        self.der = certificate.public_bytes(serialization.Encoding.DER)
        self.pin = sha256(keyfiles.public_der(key)).digest()
        self.host = host
        self.address = (
            LOOPBACK if host == LOOPBACK else ""
        )  # every interface: the board is outside
        super().__init__([self.der], key, version)


@dataclass
class Bench:
    """The other end of the network. host is this machine as the board sees it."""

    host: str

    def server(self, version: str = "1.2") -> Server:
        """Return a server for a `with` statement; version of TLS, "1.2" or "1.3"."""
        return Server(self.host, version)


@dataclass
class Figures:
    """What was measured, with the board's identity, for a table or a file."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    board: dict[str, Any] | None = None

    def add(self, name: str, value: float, unit: str) -> None:
        """Record one figure: add("P-256 verify", 812, "ms")."""
        self.rows.append({"name": name, "value": value, "unit": unit})

    def lines(self) -> Iterator[str]:
        """A Markdown table, as it goes into a README."""
        about = self.board or {}
        version = about.get("micropython")
        yield f"| {about.get('machine', 'board')}, MicroPython {version} | |"
        yield "|---|---|"
        for row in self.rows:
            yield f"| {row['name']} | {row['value']:,} {row['unit']} |"

    def save(self, path: Path) -> None:
        path.write_text(json.dumps({"board": self.board, "figures": self.rows}, indent=1) + "\n")
