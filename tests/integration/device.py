# SPDX-License-Identifier: MIT
"""Connects as a device does and says what happened: one JSON line a case.

    MICROPYPATH=... micropython -X heapsize=100K -m device cases.txt

Run by the integration tests on MicroPython (32 and 64 bits) and on CPython; no pytest here. On
MicroPython it is compiled, as the package is, so that the heap holds what it holds on a board.
"""

import asyncio
import binascii
import gc
import json
import socket
import sys

import trustanchor

MICROPYTHON = sys.implementation.name == "micropython"
REQUEST = b"GET / HTTP/1.0\r\n\r\n"


def unhex(text):
    return binascii.unhexlify(text)


def read(name):
    with open(name, "rb") as file:
        return file.read()


def context(case):
    from trustanchor.state.anchors import Anchor

    anchors = [Anchor(unhex(name), unhex(spki)) for name, spki in case.get("anchors", ())]
    made = trustanchor.Context(
        pins=case["pins"],
        anchors=anchors,
        timeout_s=case.get("timeout_s", 10),
        check_name=case.get("check_name", False),
    )
    if case.get("way") == "tap":
        # As a store with these pins is judged; a Context of bare pins has a lighter way.
        made.literal_store()
        made.pins = ()
    if "client" in case:
        # MicroPython wants the bytes, CPython's ssl wants the names.
        names = case["client"]
        files = map(read, names) if MICROPYTHON else names
        made.load_cert_chain(*files, server_side=case.get("how") == "serving")
    return made


def raw(case):
    sock = socket.socket()
    sock.connect(socket.getaddrinfo("127.0.0.1", case["port"])[0][-1])
    return sock


def blocking(case):
    sock = context(case).connect(case.get("host", "127.0.0.1"), case["port"])
    sock.write(REQUEST)
    return sock, sock.read(5)


def wrapped(case):
    """As umqtt.simple does it: a connected socket and wrap_socket."""
    sock = context(case).wrap_socket(raw(case), server_hostname=case.get("host", "127.0.0.1"))
    sock.write(REQUEST, len(REQUEST))
    first = sock.read(1)
    rest = bytearray(4)
    sock.readinto(rest)
    return sock, first + bytes(rest)


def deferred(case):
    """The handshake begins with the first write."""
    sock = context(case).wrap_socket(
        raw(case), server_hostname="127.0.0.1", do_handshake_on_connect=False
    )
    if sock.getpeercert(True) is not None or sock.cipher() is not None:
        raise ValueError("a handshake has taken place")
    sock.write(REQUEST)
    return sock, sock.read(5)


def greeted(case):
    """The server speaks first."""
    sock = context(case).connect("127.0.0.1", case["port"])
    return sock, sock.readline()


def event_loop(case):
    """Our open_connection(); counts how often another task ran meanwhile."""
    return asyncio.run(_event_loop(case))


async def _event_loop(case):
    ticks = [0]

    async def tick():
        while True:
            ticks[0] += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    try:
        reader, writer = await context(case).open_connection("127.0.0.1", case["port"])
        writer.write(REQUEST)
        await writer.drain()
        data = await reader.readexactly(5)
    finally:
        ticking.cancel()
    if ticks[0] < 2:
        raise ValueError("the event loop stood still")
    return writer, data


def stock_event_loop(case):
    """asyncio.open_connection(ssl=Context): what existing programs do."""
    return asyncio.run(_stock_event_loop(case))


async def _stock_event_loop(case):
    reader, writer = await asyncio.open_connection("127.0.0.1", case["port"], ssl=context(case))
    writer.write(REQUEST)
    await writer.drain()
    return writer, await reader.readexactly(5)


def serving(case):
    """The other way round: this side is the TLS server and judges its client."""
    sock = context(case).wrap_socket(raw(case), server_side=True)
    sock.write(b"welcome")
    return sock, sock.read(5)


def looped(case):
    """The same connection many times with one Context; returns growth: heap bytes, process KB."""
    tls = context(case)
    for i in range(case["count"]):
        try:
            sock = tls.connect("127.0.0.1", case["port"])
            if not case.get("forgets"):
                sock.close()
            sock = None
        except trustanchor.Refused as refusal:
            if refusal.code != case.get("refused"):
                raise
            refusal = None
        if i == 20:
            before = memory()
    after = memory()
    return None, ("%d %d" % (after[0] - before[0], after[1] - before[1])).encode()


def memory():
    gc.collect()
    allocated = gc.mem_alloc()  # type: ignore[attr-defined]
    return allocated, int(read("/proc/self/statm").split()[1]) * 4


def read_until_it_raises(connection):
    rest = 0
    try:
        while rest <= 16384:
            piece = connection.read(16)
            if not piece:
                raise ValueError("a dropped connection ends as if the server had closed it")
            rest += len(piece)
        raise ValueError("more than a record was read from a dropped connection")
    except OSError:
        connection.close()


def dropped(case):
    """A connection whose trust is gone raises; one opened after the change does not.

    What TLS has decrypted by then is still read: a record at most, and no write goes out.
    """
    tls = context(case)
    half_read = tls.connect("127.0.0.1", case["port"])
    half_read.write(REQUEST)
    if half_read.read(5) != b"HTTP/":
        raise ValueError("no answer")
    old = tls.connect("127.0.0.1", case["port"])
    tls.store.state.payload_digest = b"\x01" * 32
    new = tls.connect("127.0.0.1", case["port"])
    trustanchor.drop_connections(tls.store)
    new.write(REQUEST)
    if new.read(5) != b"HTTP/":
        raise ValueError("the new connection is gone")
    read_until_it_raises(half_read)
    try:
        old.write(REQUEST)
        old.read(5)
    except OSError as error:
        new.close()
        old.close()
        return None, str(error.errno).encode()
    raise ValueError("the old connection still works")


def changed_meanwhile(case):
    """The trust state changes after the verdict and before completion."""
    tls = context(case)
    sock = tls.wrap_socket(raw(case), server_hostname="127.0.0.1", do_handshake_on_connect=False)
    sock.setblocking(False)
    while sock.verdict is None:
        sock.wait(sock.step())
    tls.store.state.payload_digest = b"\x01" * 32
    if case["denies"]:
        tls.store.state.denied = unhex(case["denies"])
    sock.handshake()
    if sock.verdict.state_digest != b"\x01" * 32:
        raise ValueError("the verdict is of the old state")
    return sock, b""


def joined(case):
    """The store hears of the verdict before the first application byte."""
    tls = context(case)
    heard = []

    def join(verdict, asked):
        heard.append((verdict.pin, asked.service.name))
        return True

    tls.store.join = join
    sock = tls.wrap_socket(raw(case), server_hostname="127.0.0.1", do_handshake_on_connect=False)
    if heard:
        raise ValueError("too early")
    sock.setblocking(False)
    while sock.write(REQUEST) is None:
        sock.wait(sock._wants)
    return sock, repr(heard).encode()


def run(case):
    answer = {"name": case["name"]}
    try:
        sock, data = globals()[case.get("how", "blocking")](case)
        answer["data"] = data.decode()
        if hasattr(sock, "verdict"):
            answer["pin"] = sock.verdict.pin
        if sock is not None:
            sock.close()
        answer["code"] = "ok"
    except trustanchor.Refused as refusal:
        answer["code"] = refusal.code
        answer["detail"] = repr(refusal.detail)
        if refusal.verdict is not None and refusal.verdict.served is not None:
            answer["served"] = binascii.hexlify(refusal.verdict.served).decode()
    except Exception as error:  # noqa: BLE001 - a row fails, the others go on
        answer["code"] = "raised " + repr(error)
    return answer


with open(sys.argv[1]) as cases:
    for line in cases:
        gc.collect()
        print(json.dumps(run(json.loads(line))))
