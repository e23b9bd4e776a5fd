# SPDX-License-Identifier: MIT
"""Opening a TCP connection: who answers is handed over, all other sockets are closed at once."""

import asyncio
import select
from errno import ECONNREFUSED, EINPROGRESS

from check import equal, refuses, true
from trustanchor.compat import ticks_diff, ticks_ms
from trustanchor.errors import Refused
from trustanchor.tls import dial
from trustanchor.tls.streams import open_connection


class Network:
    """Stands in for the module socket: an address is what its host does."""

    SOCK_STREAM = 1

    def __init__(self, *addresses):
        self.addresses = addresses
        self.sockets = []
        self.asked = []

    def getaddrinfo(self, host, port, family, kind):
        self.asked.append(host)
        return [(2, 1, 6, "", address) for address in self.addresses]

    def socket(self, family, kind, protocol):
        self.sockets.append(Sock())
        return self.sockets[-1]


class Sock:
    is_closed = False
    address = None

    def setblocking(self, flag):
        true(not flag)

    def connect(self, address):
        self.address = address
        raise OSError(ECONNREFUSED if address == "refuses" else EINPROGRESS, "")

    def recv(self, size):
        raise OSError(ECONNREFUSED, "")

    def close(self):
        self.is_closed = True


class Poller:
    """Stands in for what select.poll() makes."""

    def register(self, sock, flags):
        self.sock = sock

    def poll(self, timeout_ms):
        flags = {"answers": select.POLLOUT, "refuses late": select.POLLOUT | select.POLLHUP}
        found = flags.get(self.sock.address)
        return [(self.sock, found)] if found else []


class Select:
    POLLOUT, POLLERR, POLLHUP = select.POLLOUT, select.POLLERR, select.POLLHUP
    poll = Poller


def dialled(work, *addresses):
    """Return what work does on that network, and the network."""
    network = Network(*addresses)
    before = dial.socket, dial.select
    dial.socket, dial.select = network, Select  # type: ignore[assignment]
    try:
        return work(), network
    finally:
        dial.socket, dial.select = before


def closed(network):
    return [sock.is_closed for sock in network.sockets]


def attempt(timeout_s=60):
    try:
        for sock in dial.dialling("example.net", 443, timeout_s):
            if sock is not None:
                return sock.address
    except Refused as refusal:
        return refusal.code


def test_the_first_address_that_answers_is_taken():
    for before in ((), ("refuses",), ("refuses late", "refuses")):
        said, network = dialled(attempt, *before, "answers", "refuses")
        equal(said, "answers")
        equal(closed(network), [True] * len(before) + [False])


def test_no_address_that_answers_is_a_refusal():
    for address in ("refuses", "refuses late"):
        said, network = dialled(attempt, address, address)
        equal(said, "net.unreachable")
        equal(closed(network), [True, True])


def test_silence_ends_in_time():
    for addresses in (("hangs",), ("hangs", "hangs"), ("refuses", "hangs")):
        said, network = dialled(lambda: attempt(timeout_s=0), *addresses)
        equal(said, "net.timeout")
        equal(closed(network), [True] * len(addresses))


def test_a_silent_address_leaves_the_others_their_share_of_the_time():
    for silent in (1, 3):
        started = ticks_ms()
        addresses = ["hangs"] * silent + ["answers"]
        said, network = dialled(lambda: attempt(timeout_s=0.2), *addresses)
        equal(said, "answers")
        equal(closed(network), [True] * silent + [False])
        true(ticks_diff(ticks_ms(), started) < 200)
    # What is left over is for the last, and no longer than the whole.
    started = ticks_ms()
    said, _ = dialled(lambda: attempt(timeout_s=0.2), "refuses", "hangs", "hangs")
    equal(said, "net.timeout")
    true(200 <= ticks_diff(ticks_ms(), started) < 400)
    equal(dialled(lambda: attempt(timeout_s=0.1), "hangs", "refuses")[0], "net.unreachable")


def test_who_gives_up_closes_the_socket():
    def given_up():
        dialling = dial.dialling("example.net", 443, 60)
        equal(next(dialling), None)
        dialling.close()

    _, network = dialled(given_up, "hangs")
    equal(closed(network), [True])


class Context:
    timeout_s = 60


async def _cancelled():
    task = asyncio.create_task(open_connection(Context(), "example.net", 443))
    await asyncio.sleep(0.02)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return "cancelled"


def test_a_cancelled_open_connection_closes_the_socket_it_dials():
    said, network = dialled(lambda: asyncio.run(_cancelled()), "hangs")
    equal((said, closed(network)), ("cancelled", [True]))


NO_HOSTS = (
    None,
    5,
    b"example.net",
    "",
    ".",
    "a..b",
    ".a",
    "x" * 64 + ".net",
    "x." * 128 + "x",
    "x" * 256,
    "x" * 300,
    "b\xfccher.example",
    "a b.example",
    "a\0.example",
    "[example.net]",
    "[",
    "[::1",
    "[192.0.2.1]",
)


def test_a_host_that_is_no_name_is_refused_before_anything_is_sent():
    def refused():
        for host in NO_HOSTS:
            refuses("name.reference", list, dial.dialling(host, 443, 1))

    _, network = dialled(refused, "answers")
    equal((network.asked, network.sockets), ([], []))


def test_an_ipv6_literal_may_be_in_brackets():
    hosts = ("[2001:db8::1]", "::1", "192.0.2.1", "example.net.", "x" * 63 + ".net")

    def connected():
        for host in hosts:
            list(dial.dialling(host, 443, 1))

    _, network = dialled(connected, "answers")
    equal(network.asked, ["2001:db8::1"] + list(hosts[1:]))
