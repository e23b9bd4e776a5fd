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

How a verdict is reached is in light.py for pins alone, and in judged.py for all else.

Depends on: compat, errors, limits; digests or judged; light; own_config where tls lacks something.
Heap: about 2 KB from a .mpy file.
"""

import time

from ..compat import IS_MICROPYTHON, collect_every, forget, recover
from ..errors import Refused, TrustError
from ..limits import HANDSHAKE_S

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
        self.pins: "tuple[bytes, ...]" = ()  # of a Context that has nothing else: light.py
        if pins or anchors:
            if store is not None or service is not None:
                # Neither retired pins, denied keys nor updates would count.
                raise TypeError("Pins and anchors are a state of their own: no store, no service.")
            # A device with a store never needs these.
            if IS_MICROPYTHON and pins and not anchors and not check_name:
                from ..state.digests import digests_of

                self.pins = digests_of(pins)
                del digests_of
                forget("digests")
            else:
                store = _literal(pins, anchors, check_name)
        elif store is None:
            raise TypeError("pins, anchors or a store")
        else:
            if check_name:
                raise TypeError("The services of a store say whether names are checked.")
            from .judged import watch

            watch(store)
        self.store = store
        self.service = service
        self.timeout_s = timeout_s
        self.now = clock or (_now if store is None or store.clock is None else store.clock.now)
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
            if self.pins and not server_side:
                forget("names")
                before = collect_every()  # what is loaded now stays, and lies close together
                try:
                    from .light import start
                finally:
                    collect_every(before)
            else:
                from .judged import asked_of, start

                if port is None and not IS_MICROPYTHON:  # whose sockets cannot tell
                    port = tls.peer_port(sock)  # type: ignore[attr-defined]
                asked_of(self, server_hostname, port)
                forget("names")
        except TrustError as refusal:
            sock.close()
            raise Refused(refusal.code, refusal.detail)
        except MemoryError:
            raise _no_memory(sock)
        try:
            native = self._context(server_side)
            raw = tls.Raw(sock) if hasattr(tls, "Raw") else sock
            connection = start(self, native, raw, server_side, name, server_hostname, port)
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
        native = self._context(server_side)
        try:
            native.load_cert_chain(certificate, key)
        except ValueError:  # what MicroPython says where mbedTLS was built without PEM
            from .own_config import der_of

            native.load_cert_chain(der_of(certificate), der_of(key))

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

    def literal_store(self):
        """Return the store of a Context without one: for what light.py does not do."""
        if self.store is None:
            self.store = _literal(self.pins, (), False)
        return self.store

    def _context(self, server_side):
        native = self._native.get(server_side)
        if native is None:
            native = tls.SSLContext(
                tls.PROTOCOL_TLS_SERVER if server_side else tls.PROTOCOL_TLS_CLIENT
            )
            native.verify_mode = tls.CERT_NONE  # type: ignore[attr-defined]
            if not hasattr(native, "verify_callback"):
                from .own_config import no_callback

                no_callback()
            if not server_side:
                from .suites import allow

                allow(native)
                forget("suites")
            self._native[server_side] = native
        return native


def _literal(pins, anchors, check_name):
    from ..state.literals import literal
    from .literal import LiteralStore

    store = LiteralStore(literal(pins, anchors, check_name=check_name))
    del literal
    forget("rules literals digests given derive")
    return store


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
