# SPDX-License-Identifier: MIT
"""HTTPS between a pinned device and Python's own HTTP server: what is asked for arrives, and a
stranger is asked nothing. The interpreter has 100 KB.
"""

import http.server
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from host_tools.build import deploy, runtime
from host_tools.demo.servers import server_context
from tests.certs import pki

DEVICE = Path(__file__).with_name("http_device.py")
OTHER = "00" * 32
LONG = 40000
SAID = [
    "get 7",
    "post 3000",
    "chunked 2000",
    f"save {LONG}",
    "cut http.truncated",
    "elsewhere http.redirect",
    "asyncio moved",
]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        if self.path == "/chunked":
            self._head({"Transfer-Encoding": "chunked"})
            self.wfile.write(b"c8\r\n" + b"y" * 200 + b"\r\n")
            self.wfile.write(b"708\r\n" + b"z" * 1800 + b"\r\n0\r\n\r\n")
        elif self.path == "/cut":
            self._head({"Content-Length": str(LONG)})
            self.wfile.write(b"a" * 100)
        elif self.path == "/moved":
            self._head({"Location": "/there", "Content-Length": "0"}, 302)
        elif self.path == "/elsewhere":
            self._head({"Location": "https://other.invalid/", "Content-Length": "0"}, 302)
        else:
            bodies = {"/short": b'{"value": 7}', "/long": b"b" * LONG, "/there": b"moved"}
            self._whole(bodies[self.path])

    def do_POST(self) -> None:
        self._whole(self.rfile.read(int(self.headers["content-length"])))

    def _whole(self, body: bytes) -> None:
        self._head({"Content-Length": str(len(body))})
        self.wfile.write(body)

    def _head(self, headers: dict[str, str], status: int = 200) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.context = context
        self.asked: list[str] = []

    def finish_request(self, request, client_address) -> None:
        request.settimeout(20)
        try:
            with self.context.wrap_socket(request, server_side=True) as secure:
                Handler(secure, client_address, self)
                secure.unwrap()  # an end that is said, as web servers do
        except OSError:
            pass  # the device has left


@pytest.fixture(scope="module")
def leaf() -> pki.Entity:
    return pki.end_entity("web.example")


@pytest.fixture(params=["1.2", "1.3"])
def server(request: pytest.FixtureRequest, leaf: pki.Entity) -> Iterator[Server]:
    with Server(server_context([leaf.der], leaf.key, request.param)) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


GUARDED = Path(__file__).with_name("guard_device.py")
WAYS = ("ssl", "context", "tls", "ussl", "requests", "asyncio")


@pytest.mark.parametrize("is_pinned", [True, False])
def test_a_guard_judges_what_stock_modules_wrap(
    server: Server, leaf: pki.Entity, tmp_path: Path, is_pinned: bool
) -> None:
    """MicroPython's `requests` and `asyncio`, and `ssl`, `ussl`, `tls` as programs use them."""
    deploy.compile_newer(GUARDED, tmp_path)
    package = deploy.package_folder("mpy", "x86").parent
    pin = leaf.pin.hex() if is_pinned else "11" * 32
    done = subprocess.run(
        [*runtime.find(32).command("-m", heap="100K"), GUARDED.stem, str(server.server_port), pin,
         OTHER],
        env={**os.environ, "MICROPYPATH": f".frozen:{tmp_path}:{package}"},
        capture_output=True,
        text=True,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    code = "200" if is_pinned else "pin.none_matched"
    assert done.stdout.splitlines() == ["early True"] * 2 + [*(f"by_{way} {code}" for way in WAYS)]
    assert len(server.asked) == (len(WAYS) if is_pinned else 0)


def said_by_device(tmp_path: Path, heap: str, port: int, *pins: str) -> list[str]:
    package = deploy.package_folder("mpy", "x86").parent
    deploy.compile_newer(DEVICE, tmp_path)
    file = tmp_path / "saved"
    done = subprocess.run(
        [*runtime.find(32).command("-m", heap=heap), DEVICE.stem, str(port), str(file), *pins],
        env={**os.environ, "MICROPYPATH": f".frozen:{tmp_path}:{package}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_a_pinned_server_is_asked(server: Server, leaf: pki.Entity, tmp_path: Path) -> None:
    assert said_by_device(tmp_path, "100K", server.server_port, leaf.pin.hex(), OTHER) == SAID
    # What was cut afterwards has left the whole file alone.
    assert (tmp_path / "saved").read_bytes() == b"b" * LONG
    assert sorted(file.name for file in tmp_path.iterdir()) == ["http_device.mpy", "saved"]
    assert "/there" in server.asked


def test_a_stranger_is_asked_nothing(server: Server, tmp_path: Path) -> None:
    said = said_by_device(tmp_path, "100K", server.server_port, "11" * 32, OTHER)
    assert said == [line.split()[0] + " pin.none_matched" for line in SAID]
    assert server.asked == []
    assert list(tmp_path.iterdir()) == [tmp_path / "http_device.mpy"]
