# SPDX-License-Identifier: MIT
"""Connections that only the right server gets.

    tls = Context(pins=[primary, backup])      # SPKI SHA-256: hex, base64 or 32 bytes
    sock = tls.connect("example.net", 443)     # raises Refused, an OSError with a .code
    sock.write(b"...")

    tls = Context(store=store, service="mqtt")        # a service of the stored trust state
    MQTTClient(..., ssl=tls)                          # umqtt.simple calls wrap_socket
    reader, writer = await tls.open_connection("mqtt.example.net", 8883)

A Context has the shape of ssl.SSLContext: whoever takes one takes this unchanged. The trust
state, retired pins and floors are those of its store at the moment of the verdict; if they change
before the handshake is complete the chain is judged again, if later the connection is dropped.
What the store learns from a connection is durable before its first application byte.

Depends on: compat, errors, handshake, limits, model, tap; clock, policy with the first verdict.
Heap: about 2 KB from a .mpy file.
"""

import time

from ..compat import IS_MICROPYTHON, forget, recover, tidy
from ..errors import PinError, Refused, StoreError, TrustError
from ..limits import HANDSHAKE_S
from ..state.model import Asked
from .handshake import start
from .tap import open_taps

# Not "try: import tls": a script of that name beside CPython's own would be found.
if IS_MICROPYTHON:
    import tls
else:
    from . import _tls as tls  # type: ignore[no-redef]


class Context:
    """Decides which servers may be spoken to, and wraps sockets accordingly.

    pins, anchors   a literal state: at least two different pins, or anchors, or both. A pin alone
                    decides and is remembered by this object only; an anchor is DER bytes, PEM
                    text or the name of a file
    store           otherwise: a Store, loaded; pins or anchors beside it are a TypeError
    service         name of the service of that state, whose hosts and port then bind; None looks
                    it up by host and port
    timeout_s       from the wrapped socket to the end of the handshake
    check_name      of a literal state: whether mode key checks the host's name too
    clock           a function like clock.now; None: the store's clock, or the module's
    """

    def __init__(
        self,
        pins=(),
        anchors=(),
        service=None,
        store=None,
        timeout_s=HANDSHAKE_S,
        check_name=False,
        clock=None,
    ):
        if not isinstance(timeout_s, (int, float)):
            raise TypeError("timeout_s is a number of seconds")
        if pins or anchors:
            if store is not None or service is not None:
                # Neither retired pins, denied keys nor updates would count.
                raise TypeError("Pins and anchors are a state of their own: no store, no service.")
            # A device with a store never needs these.
            from ..state.literals import literal
            from .literal import LiteralStore

            store = LiteralStore(literal(pins, anchors, check_name=check_name))
            del literal
            forget("rules", "literals", "given", "derive")
        elif store is None:
            raise TypeError("pins, anchors or a store")
        else:
            if check_name:
                raise TypeError("The services of a store say whether names are checked.")
            _watch(store)
        self.store = store
        self.service = service
        self.timeout_s = timeout_s
        self._now = clock or (_now if store.clock is None else store.clock.now)
        self._native = {}

    def wrap_socket(
        self,
        sock,
        server_side=False,
        server_hostname=None,
        do_handshake_on_connect=True,
        port=None,
    ):
        """Return a Connection over a connected socket. Raises Refused.

        With do_handshake_on_connect the handshake is complete on return; without, the first read
        or write drives it, and on a non-blocking socket both return None until the verdict.
        Who does not say the port (umqtt.simple, asyncio) is refused with service.ambiguous where
        several services answer for the host by their ports: name the service in the Context.
        The socket is closed when the connection is refused. It does not block during the handshake
        and does afterwards: on ESP32 that ends a timeout of its own, so set that afterwards.
        """
        name = None  # RFC 6066 section 3: no trailing dot, and an address is no server name
        try:
            if server_hostname is not None:
                from ..x509.names import to_connect

                # Before TLS sees it: MicroPython's dies of a long one, and sends any.
                reference = to_connect(server_hostname)
                del to_connect
                server_hostname = reference.text
                if reference.dns is not None:
                    name = server_hostname
            if port is None and not IS_MICROPYTHON:  # whose sockets cannot tell
                port = tls.peer_port(sock)  # type: ignore[attr-defined]
            self._asked(server_hostname, port)
            forget("names")
        except TrustError as refusal:
            sock.close()
            raise Refused(refusal.code, refusal.detail)
        except MemoryError:
            raise _no_memory(sock)
        store = self.store

        def judging(chain):
            from ..verdict import policy

            at = self._now()
            asked = self._asked(server_hostname, port)
            verdict = yield from policy.judging(chain, asked, at, store.state, store.local)
            store.judged()
            if not verdict.accepted:
                try:
                    verdict.contradicted = yield from self._before_trial(chain, asked, at)
                except MemoryError:
                    recover()  # refused all the same; the next attempt may find more room
            return verdict

        def completed(connection):
            verdict = connection.verdict
            if server_side:
                verdict.events = ()  # a client's key moves no server's pins
            asked = self._asked(server_hostname, port)
            if verdict.contradicted is not None:
                store.disprove(verdict, verdict.contradicted, asked)
                forget("acceptance")  # it has decided
                return False
            if not store.join(verdict, asked):
                return False
            connection.enlist(store)
            return True

        try:
            connection = start(
                self._context(server_side),
                tls.Raw(sock) if hasattr(tls, "Raw") else sock,
                server_side,
                name,
                judging,
                completed,
                int(self.timeout_s * 1000),
            )
        except MemoryError:
            raise _no_memory(sock)
        except OSError as error:  # mbedTLS has no memory of its own, or no use for that name
            sock.close()
            raise Refused("tls.failed", error.errno)
        if do_handshake_on_connect:
            connection.handshake()
        return connection

    def load_cert_chain(self, certificate, key, server_side=False):
        """Load our own certificate and key (PEM or DER). A client's leaves after the verdict."""
        self._context(server_side).load_cert_chain(certificate, key)

    def connect(self, host, port=443):
        """Open a TCP connection and wrap it; blocks. Raises Refused."""
        try:
            from .dial import POLL_S, dialling

            for sock in dialling(host, port, self.timeout_s):
                if sock is None:
                    time.sleep(POLL_S)
        except MemoryError:
            raise _no_memory()
        del dialling
        forget("dial")
        return self.wrap_socket(sock, server_hostname=host, port=port)

    def open_connection(self, host, port=443):
        """connect() for asyncio, to be awaited: returns (reader, writer)."""
        from .streams import open_connection

        return open_connection(self, host, port)

    def _before_trial(self, chain, asked, at):
        """Generator: the Verdict of the state before a running trial, if it accepts what was asked
        of a probe; else None. Perhaps it is the trial that is wrong.
        """
        from ..verdict import policy

        tidy()  # two states are about to be in RAM
        before = self.store.previous(asked)
        if before is None:
            return None
        try:
            asked = self._asked(asked.host, asked.port, before)
        except TrustError:
            return None  # of a service that was not there before
        verdict = yield from policy.judging(chain, asked, at, before, self.store.local)
        if verdict.audited or (verdict.wanted and verdict.pin is None):
            return None  # accepted without its pins
        return verdict if verdict.accepted else None

    def _asked(self, host, port, state=None):
        store = self.store
        if store.state is None and store.refusal == "store.no_memory":
            store.load()  # it is on flash: there was no room for it when it changed
        state = state or store.state
        if state is None:
            raise StoreError(store.refusal)
        service = state.find_service(self.service, host, port)
        if port is not None and service.port not in (None, port):  # it was chosen by name
            raise PinError("service.port", port)
        # Who wraps a socket, as umqtt.simple does, says no port: it is the service's.
        return Asked(service, host, service.port if port is None else port)

    def _context(self, server_side):
        native = self._native.get(server_side)
        if native is None:
            native = tls.SSLContext(
                tls.PROTOCOL_TLS_SERVER if server_side else tls.PROTOCOL_TLS_CLIENT
            )
            native.verify_mode = tls.CERT_NONE  # type: ignore[attr-defined]
            if not server_side:
                from .suites import allow

                allow(native)
                forget("suites")
            self._native[server_side] = native
        return native


def drop_connections(store):
    """Close every connection that does not stand any more: its trust state is another one now, or
    its pin has been retired. A Store calls this through its on_change.
    """
    for tap in open_taps():
        if tap.store is store and not store.stands(tap.verdict):
            tap.drop()


_watched: "list" = []  # stores whose on_change is ours


def _watch(store):
    if store not in _watched:
        _watched.append(store)
        store.on_change.append(lambda: drop_connections(store))


def _no_memory(sock=None):
    """Close the socket, give code back; return the refusal for a full heap."""
    if sock is not None:
        sock.close()
    recover()
    return Refused("tls.no_memory")


def _now():
    from .. import clock

    return clock.now()


_STAYS = True  # compat.forget
