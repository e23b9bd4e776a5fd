# SPDX-License-Identifier: MIT
"""What a Context makes of its arguments, before TLS says a word."""

from test_dial import NO_HOSTS

from check import equal, refuses
from trustanchor.state.literals import literal
from trustanchor.tls import client, handshake, judged, light
from trustanchor.tls.literal import LiteralStore
from trustanchor.verdict import policy

PINS = [b"1" * 32, b"2" * 32]


class Store(LiteralStore):
    """A store as far as a Context asks one."""

    class clock:
        now = None

    def __init__(self, state):
        super().__init__(state)
        self.on_change = []


class Sock:
    is_closed = False
    fileno = setblocking = None

    def close(self):
        self.is_closed = True


def wrapped(tls, **named):
    """Return (the server name that TLS sends, the host that is judged or None) for these."""
    seen = []

    class Connection:
        def handshake(self):
            pass

    def start(context, native, sock, server_side, name, host, port):
        seen.append(name)
        seen.append(host)
        return Connection()

    ways: "list" = [judged, light]
    before = [way.start for way in ways]
    for way in ways:
        way.start = start
    try:
        tls.wrap_socket(Sock(), **named)
    finally:
        for way, was in zip(ways, before):
            way.start = was
    return seen[0], seen[1]


def test_a_host_that_is_no_name_closes_the_socket_before_tls_sees_it():
    for check_name in (False, True):
        tls = client.Context(pins=PINS, check_name=check_name)
        for host in NO_HOSTS[1:]:
            sock = Sock()
            refuses("name.reference", tls.wrap_socket, sock, False, host)
            equal(sock.is_closed, True, host)


def test_the_server_name_has_no_trailing_dot_and_is_no_address():
    for tls in (client.Context(pins=PINS), client.Context(store=Store(literal(PINS)))):
        for host, sent, asked in (
            ("broker.example.net", "broker.example.net", "broker.example.net"),
            ("Broker.example.net.", "broker.example.net", "broker.example.net"),
            ("192.0.2.1", None, "192.0.2.1"),
            ("[2001:DB8::1]", None, "2001:db8::1"),
            ("::1", None, "::1"),
            (None, None, None),
        ):
            equal(wrapped(tls, server_hostname=host), (sent, asked))


def test_every_combination_of_arguments_is_honoured_or_refused():
    store = Store(literal(PINS))
    for named, is_honoured in (
        ({}, False),
        ({"service": "default"}, False),
        ({"check_name": True}, False),
        ({"pins": PINS}, True),
        ({"pins": PINS, "check_name": True}, True),
        ({"store": store}, True),
        ({"store": store, "service": "default"}, True),
        ({"store": store, "check_name": True}, False),
        ({"pins": PINS, "store": store}, False),
        ({"pins": PINS, "service": "default"}, False),
        ({"pins": PINS, "store": store, "service": "default"}, False),
        ({"anchors": PINS, "store": store}, False),
        ({"anchors": PINS, "service": "default"}, False),
    ):
        try:
            made = client.Context(**named)
        except TypeError:
            made = None
        equal(made is not None, is_honoured, named)
        if "store" in named and made:
            equal((made.store is store, made.service), (True, named.get("service")))


def judged_at(tls):
    """Return the `at` that a chain is judged at."""
    seen = []

    def start(native, sock, server_side, hostname, judging, *rest):
        before = policy.judging
        policy.judging = lambda chain, asked, at, state, local: seen.append(at)
        try:
            next(judging([]))
        except TypeError:  # the stand-in is no generator
            pass
        finally:
            policy.judging = before

    before = handshake.start
    handshake.start = start
    try:
        tls.wrap_socket(Sock(), do_handshake_on_connect=False)
    finally:
        handshake.start = before
    return seen[0]


def test_a_chain_is_judged_by_the_clock_of_its_store():
    store = Store(literal(PINS))
    store.clock = Store.clock()  # type: ignore[assignment]
    store.clock.now = lambda: (1, 2)  # type: ignore[assignment]
    equal(judged_at(client.Context(store=store)), (1, 2))
    equal(judged_at(client.Context(store=store, clock=lambda: (3, 1))), (3, 1))
    known = judged_at(client.Context(pins=PINS, check_name=True))
    equal(known[0] > 1, True)


def test_a_service_chosen_by_name_keeps_its_port():
    state = literal(PINS)
    tls = client.Context(store=Store(state), service="default")
    equal(judged.asked_of(tls, "a.example", 8454).port, 8454)
    state.services[0].port = 8443
    equal(judged.asked_of(tls, "a.example", 8443).port, 8443)
    # Who wraps a socket may not know.
    equal(judged.asked_of(tls, "a.example", None).port, 8443)
    for port in (8454, 0):
        sock = Sock()
        error = refuses("service.port", tls.wrap_socket, sock, False, "a.example", True, port)
        equal((error.detail, sock.is_closed), (port, True))


def joined(server_side):
    """Return the events that the store hears of when a handshake with a sighting is complete."""
    heard, kept = [], []

    class Listening(Store):
        def join(self, verdict, asked):
            heard.append(verdict.events)
            return False

    class Shaken:
        class verdict:
            contradicted = None
            events = ("sighting",)

    def start(native, sock, server_side, name, judging, completed, timeout_ms):
        kept.append(completed)

    before = handshake.start
    handshake.start = start
    try:
        tls = client.Context(store=Listening(literal(PINS)))
        judged.start(tls, None, None, server_side, None, "a.example", 443)
    finally:
        handshake.start = before
    equal(kept[0](Shaken), False)  # as join answers
    return heard


def test_a_client_that_connects_to_us_moves_no_servers_pins():
    equal(joined(False), [("sighting",)])
    equal(joined(True), [()])
