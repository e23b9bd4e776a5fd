# SPDX-License-Identifier: MIT
"""What a Context makes of its arguments, before TLS says a word."""

from test_dial import NO_HOSTS

from check import equal, refuses
from trustanchor import client

PINS = [b"1" * 32, b"2" * 32]


class Sock:
    is_closed = False
    fileno = setblocking = None

    def close(self):
        self.is_closed = True


def wrapped(tls, **named):
    """Return (the server name that TLS sends, the host that is judged) for these arguments."""
    seen = []

    class Connection:
        def handshake(self):
            pass

    def start(native, sock, server_side, hostname, *rest):
        seen.append(hostname)
        return Connection()

    asked = tls._asked

    def note(host, port, state=None):
        seen.append(host)
        return asked(host, port, state)

    before = client.start
    client.start = start
    tls._asked = note
    try:
        tls.wrap_socket(Sock(), **named)
    finally:
        client.start = before
        tls._asked = asked
    return seen[1], seen[0]


def test_a_host_that_is_no_name_closes_the_socket_before_tls_sees_it():
    for check_name in (False, True):
        tls = client.Context(pins=PINS, check_name=check_name)
        for host in NO_HOSTS[1:]:
            sock = Sock()
            refuses("name.reference", tls.wrap_socket, sock, False, host)
            equal(sock.is_closed, True, host)


def test_the_server_name_has_no_trailing_dot_and_is_no_address():
    tls = client.Context(pins=PINS)
    for host, sent, judged in (
        ("broker.example.net", "broker.example.net", "broker.example.net"),
        ("Broker.example.net.", "broker.example.net", "broker.example.net"),
        ("192.0.2.1", None, "192.0.2.1"),
        ("[2001:DB8::1]", None, "2001:db8::1"),
        ("::1", None, "::1"),
        (None, None, None),
    ):
        equal(wrapped(tls, server_hostname=host), (sent, judged))
