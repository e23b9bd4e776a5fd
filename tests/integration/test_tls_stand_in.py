# SPDX-License-Identifier: MIT
"""CPython's stand-in for `tls` on sockets that would block: nothing is doubled, nothing lost."""

import asyncio
import itertools
import socket
import ssl
import threading
import time

import pytest
from cryptography.hazmat.primitives import serialization

from tests.certs import pki
from trustanchor.tls import _tls
from trustanchor.tls.tap import Tap

POLL, POLLIN, POLLOUT = 3, 1, 4  # MicroPython's stream protocol
VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
DATA = bytes(range(251)) * (4 * 1024 * 1024 // 251)


@pytest.fixture(params=VERSIONS, ids=("1.2", "1.3"))
def pair(request, tmp_path):
    """A client's non-blocking TLS, and the server's end of it after the handshake."""
    ca = pki.authority("Root")
    leaf = pki.end_entity("device.example", issuer=ca)
    key = leaf.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file = tmp_path / "server.pem"
    file.write_bytes(key + leaf.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = request.param
    context.load_cert_chain(file)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        ours = socket.create_connection(listening.getsockname())
        theirs = listening.accept()[0]
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    served: list[ssl.SSLSocket] = []
    thread = threading.Thread(
        target=lambda: served.append(context.wrap_socket(theirs, server_side=True))
    )
    thread.start()
    native = _tls.SSLContext(_tls.PROTOCOL_TLS_CLIENT)
    tap = Tap(_tls.Raw(ours), native)
    tap.release()
    client = native.wrap_socket(tap)
    assert client.write(b"") == 0  # blocking: the whole handshake
    thread.join(20)
    ours.setblocking(False)
    served[0].settimeout(20)
    yield client, served[0], tap
    client.close()
    served[0].close()


def take(server, arrived, size):
    while len(arrived) < size and (piece := server.recv(3000)):
        arrived.extend(piece)


def test_what_is_written_through_a_slow_peer_arrives_once(pair, monkeypatch):
    client, server, tap = pair
    write, turns = tap.write, itertools.count()
    tap.write = lambda data: write(data[:5000]) if next(turns) % 2 else None
    arrived = bytearray()
    thread = threading.Thread(target=take, args=(server, arrived, len(DATA)))
    monkeypatch.setattr(_tls, "_POLL_S", 0)
    stream = _tls.Stream(client)

    async def send():
        stream.write(DATA)
        asyncio.get_running_loop().call_later(0.2, thread.start)
        await stream.drain()

    asyncio.run(asyncio.wait_for(send(), 60))
    thread.join(20)  # drain() is over: without another call all of it has left
    assert bytes(arrived) == DATA
    server.settimeout(0.1)
    with pytest.raises(TimeoutError):
        server.recv(1)


def fill(client):
    """Write until nothing goes any more; return how much TLS has taken."""
    taken = 0
    while count := client.write(DATA[taken:]):
        taken += count
    return taken


def test_reads_while_our_own_output_is_stuck(pair):
    client, server, tap = pair
    write, tap.write = tap.write, lambda data: None
    taken = fill(client)
    assert client._unsent
    sent = DATA[:200_000]
    thread = threading.Thread(target=server.sendall, args=(sent,))
    thread.start()
    got = b""
    end = time.monotonic() + 20
    while len(got) < len(sent) and time.monotonic() < end:
        if (piece := client.read(1000)) is None:
            time.sleep(0.001)
        else:
            got += piece
    assert got == sent
    assert client._unsent and client.write(b"") is None
    thread.join(20)
    tap.write = write
    arrived = bytearray()
    thread = threading.Thread(target=take, args=(server, arrived, taken))
    thread.start()
    while client.write(b"") is None:
        thread.join(0.001)
    thread.join(20)
    assert bytes(arrived) == DATA[:taken]


def test_close_sends_what_waits_as_far_as_the_socket_takes_it(pair):
    client, server, tap = pair
    write, tap.write = tap.write, lambda data: None
    assert client.write(b"the last words") == 14
    tap.write = write
    client.close()
    assert server.recv(100) == b"the last words"


def test_polling_tells_whether_a_read_or_a_write_gets_on(pair):
    client, server, _ = pair
    while client.read(1) is None and client.ioctl(POLL, POLLIN):
        pass  # TLS 1.3 sends tickets after the handshake
    assert client.ioctl(POLL, POLLIN) == 0
    assert client.ioctl(POLL, POLLIN | POLLOUT) == POLLOUT
    server.sendall(bytes(3000))
    assert ready(client)
    assert client.read(1) == b"\0"
    assert client.ioctl(POLL, POLLIN) == POLLIN  # the socket is empty, TLS is not
    assert len(client.read(2999)) == 2999
    assert client.ioctl(POLL, POLLIN) == 0
    fill(client)
    assert client.ioctl(POLL, POLLOUT) == 0


def ready(client):
    """Poll until a read would get on; False when it does not within 20 seconds."""
    end = time.monotonic() + 20
    while not client.ioctl(POLL, POLLIN):
        if time.monotonic() > end:
            return False
        time.sleep(0.001)
    return True


def test_a_dead_stream_is_an_error_and_never_a_success(pair):
    client, _, tap = pair
    tap.drop()
    with pytest.raises(OSError):
        client.write(b"to nobody")
