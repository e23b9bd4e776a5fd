# SPDX-License-Identifier: MIT
"""Real and misbehaving TLS servers on loopback, for the demo and the tests.

    with TlsServer([leaf_der, intermediate_der], key, "1.2") as server:
        connect("127.0.0.1", server.port)
        server.visits[0].application        # what arrived

A server shows exactly the certificates it is given, in that order. A Relay stands in front of one
and cuts, splits, merges or slows what it says, and records what the client says.
"""

import contextlib
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

ANSWER = b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"
# Content types of TLS records, RFC 8446 section 5.1.
CHANGE_CIPHER_SPEC = 20
ALERT = 21
HANDSHAKE = 22
_PATIENCE_S = 20  # no connection outlives a test run

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Listener:
    """A port on address; serve() runs in a thread of its own for each connection."""

    address = "127.0.0.1"  # "" is every interface, for a board that is not this machine

    def __init__(self) -> None:
        self._socket = socket.create_server((self.address, 0), backlog=64)
        self.port: int = self._socket.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._socket.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(_PATIENCE_S)

    def wait_until_served(self, timeout_s: float = 2.0) -> None:
        """Wait until every connection is over, so that visits say all that arrived."""
        end = time.monotonic() + timeout_s
        while self._open and time.monotonic() < end:
            time.sleep(0.01)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            connection.settimeout(_PATIENCE_S)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.add(connection)
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection: socket.socket) -> None:
        try:
            with connection:
                self.serve(connection)
        except OSError:
            pass  # the client has gone
        finally:
            self._open.discard(connection)

    def serve(self, connection: socket.socket) -> None:
        raise NotImplementedError


@dataclass
class Visit:
    """One connection, seen from the server."""

    completed: bool = False
    application: bytes = b""
    client_certificate: bytes | None = None
    error: str = ""


class TlsServer(Listener):
    """OpenSSL in one TLS version.

    chain         DER certificates, shown as they are
    client_root   DER root of client certificates: one is asked for
    greeting      said before the client says anything
    answer        said after the client's first bytes
    group         the one group for the key exchange, in OpenSSL's words; one that a client
                  offers without a share makes TLS 1.3 retry
    """

    def __init__(
        self,
        chain: list[bytes],
        key: Any,
        version: str = "1.2",
        *,
        client_root: bytes | None = None,
        greeting: bytes = b"",
        answer: bytes = ANSWER,
        group: str | None = None,
    ) -> None:
        super().__init__()
        self.visits: list[Visit] = []
        self._greeting = greeting
        self._answer = answer
        self._context = server_context(chain, key, version)
        if group is not None:
            self._context.set_ecdh_curve(group)
        if client_root is not None:
            self._context.verify_mode = ssl.CERT_OPTIONAL
            self._context.load_verify_locations(cadata=client_root)

    def serve(self, connection: socket.socket) -> None:
        visit = Visit()
        self.visits.append(visit)
        try:
            with self._context.wrap_socket(connection, server_side=True) as secure:
                visit.completed = True
                visit.client_certificate = secure.getpeercert(True)
                secure.sendall(self._greeting)
                while piece := secure.recv(4096):
                    visit.application += piece
                    if len(visit.application) == len(piece):
                        secure.sendall(self._answer)
        except OSError as error:
            visit.error = str(error)


def server_context(chain: list[bytes], key: Any, version: str) -> ssl.SSLContext:
    """An OpenSSL server context for one version that shows exactly this chain."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = _VERSIONS[version]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "server.pem"
        file.touch(0o600)
        file.write_bytes(_key_pem(key) + b"".join(_pem(der) for der in chain))
        context.load_cert_chain(file)
    return context


def _key_pem(key: Any) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM)


class PlainTextServer(Listener):
    """Speaks no TLS: answers a ClientHello as a web server would."""

    def serve(self, connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


class HangingServer(Listener):
    """Accepts the connection and never says anything."""

    def serve(self, connection: socket.socket) -> None:
        while connection.recv(4096):
            pass


class DrippingServer(Listener):
    """Says one byte every interval_s: each arrives in time, the end never."""

    def __init__(self, data: bytes = b"", interval_s: float = 0.05) -> None:
        """By default a ServerHello of 1,792 bytes in a record of 16,384."""
        super().__init__()
        data = data or bytes.fromhex("1603034000 02000700 0303")
        self._data = data
        self._interval_s = interval_s

    def serve(self, connection: socket.socket) -> None:
        data = self._data
        while True:
            connection.sendall(data[:1])
            data = data[1:] or b"\x00"
            time.sleep(self._interval_s)


class ClosingServer(Listener):
    """Says some bytes after the ClientHello and closes."""

    def __init__(self, data: bytes = b"") -> None:
        super().__init__()
        self._data = data

    def serve(self, connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(self._data)


@dataclass
class Passage:
    """One connection through a Relay: the TLS records of either side as (type, length)."""

    from_client: list[tuple[int, int]] = field(default_factory=list)
    from_server: list[tuple[int, int]] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)


class Relay(Listener):
    """Stands between a client and a server and passes records on.

    reshape     turns one record of the server (header and body) into what is sent instead
    cut_after   closes both sides after this many records of the server
    """

    def __init__(
        self,
        server_port: int,
        reshape: Callable[[Iterator[bytes]], Iterator[bytes]] | None = None,
        cut_after: int | None = None,
    ) -> None:
        super().__init__()
        self.passages: list[Passage] = []
        self._server_port = server_port
        self._reshape = reshape or (lambda records: records)
        self._cut_after = cut_after

    def serve(self, connection: socket.socket) -> None:
        passage = Passage()
        self.passages.append(passage)
        try:
            self._pass(connection, passage)
        finally:
            passage.is_over.set()

    def _pass(self, connection: socket.socket, passage: Passage) -> None:
        with socket.create_connection(("127.0.0.1", self._server_port)) as server:
            server.settimeout(_PATIENCE_S)

            def forth() -> None:
                with contextlib.suppress(OSError):
                    for record in records_of(connection):
                        passage.from_client.append((record[0], len(record)))
                        server.sendall(record)
                with contextlib.suppress(OSError):
                    server.shutdown(socket.SHUT_WR)

            thread = threading.Thread(target=forth, daemon=True)
            thread.start()
            if self._cut_after != 0:
                for piece in self._reshape(self._counted(server, passage)):
                    connection.sendall(piece)
            connection.shutdown(socket.SHUT_RDWR)
            thread.join(_PATIENCE_S)

    def _counted(self, server: socket.socket, passage: Passage) -> Iterator[bytes]:
        for count, record in enumerate(records_of(server), 1):
            passage.from_server.append((record[0], len(record)))
            yield record
            if count == self._cut_after:
                return


def records_of(connection: socket.socket) -> Iterator[bytes]:
    """The TLS records that arrive, header included, until the end or an incomplete one."""
    while True:
        header = _exactly(connection, 5)
        if len(header) < 5:
            return
        body = _exactly(connection, int.from_bytes(header[3:5], "big"))
        yield header + body


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            break
        data += piece
    return data


def one_byte_segments(records: Iterator[bytes]) -> Iterator[bytes]:
    """Handshake records byte by byte, each in a TCP segment of its own."""
    for record in records:
        if record[0] != HANDSHAKE:
            yield record
            continue
        for i in range(len(record)):
            yield record[i : i + 1]


def small_records(records: Iterator[bytes], size: int = 100) -> Iterator[bytes]:
    """Handshake messages in clear spread over many records (RFC 5246 section 6.2.1)."""
    is_clear = True
    for record in records:
        is_clear = is_clear and record[0] == HANDSHAKE
        if not is_clear:
            yield record
            continue
        body = record[5:]
        for i in range(0, len(body), size):
            part = body[i : i + size]
            yield record[:3] + len(part).to_bytes(2, "big") + part


def one_record(records: Iterator[bytes]) -> Iterator[bytes]:
    """The server's first TLS 1.2 flight in a single record, as BoringSSL sends it."""
    flight = b""
    for record in records:
        flight += record[5:]
        if record[5] == 14:  # ServerHelloDone ends the flight
            yield record[:3] + len(flight).to_bytes(2, "big") + flight
            break
    yield from records
