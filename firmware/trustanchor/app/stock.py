# SPDX-License-Identifier: MIT
"""One line at the top of a program, after which code that knows nothing of us is judged too.

    from trustanchor import Context, guard
    guard(Context(pins=[PRIMARY, BACKUP]))

    import requests                     # now: judged, or refused
    requests.get("https://example.net/")

The modules `ssl`, `ussl` and `tls` that are imported from here on are this one: their contexts and
wrap_socket() wrap by the Context, whatever certificates, roots or modes they are given. So do
`requests`, `umqtt`, `asyncio.open_connection(ssl=True)` and all that is built on them, because
they look there. What has the real modules in its hands already goes around, and is named at once.

Depends on: client.
Heap: 2 KB from a .mpy file.
"""

import sys

from ..compat import IS_MICROPYTHON

_NAMES = ("ssl", "ussl", "tls")


def guard(tls) -> None:
    """Put a Context where the interpreter's TLS was. On boards: CPython's libraries need theirs.

    Raises RuntimeError with the names of modules that have the real ones already: import them
    after this call.
    """
    if not IS_MICROPYTHON:
        raise RuntimeError("guard() is for MicroPython; on CPython give libraries the Context")
    genuine = [sys.modules[name] for name in _NAMES if name in sys.modules]
    genuine.append(_native())
    for one in tuple(genuine):
        # Taken by value, they go around as well.
        genuine += [
            getattr(one, word) for word in ("SSLContext", "wrap_socket") if hasattr(one, word)
        ]
    early = []
    for name in sys.modules:
        if not name.startswith("trustanchor") and name not in _NAMES:
            held = sys.modules[name].__dict__
            if any(held[word] is one for word in held for one in genuine):
                early.append(name)
    if early:
        raise RuntimeError("call guard() before importing " + ", ".join(sorted(early)))
    stand_in = _Ssl(tls)
    for name in _NAMES:
        sys.modules[name] = stand_in  # type: ignore[assignment]


def _native():
    import tls

    return tls


class _Ssl:
    """The face of `ssl` and of `tls`. What only weakens or repeats what the Context does is taken
    and has no effect: verify modes, roots, ciphers."""

    CERT_NONE = 0
    CERT_OPTIONAL = 1
    CERT_REQUIRED = 2
    PROTOCOL_TLS_CLIENT = 0
    PROTOCOL_TLS_SERVER = 1

    def __init__(self, tls):
        self._tls = tls

    def SSLContext(self, protocol=PROTOCOL_TLS_CLIENT):
        return _Wrapping(self._tls, protocol == self.PROTOCOL_TLS_SERVER)

    def create_default_context(self, *given, **named):
        return _Wrapping(self._tls, False)

    def wrap_socket(self, sock, server_side=False, key=None, cert=None, **named):
        made = _Wrapping(self._tls, server_side)
        if key is not None:
            made.load_cert_chain(cert, key)
        host = named.get("server_hostname")
        return made.wrap_socket(sock, server_side, host, named.get("do_handshake", True))


class _Wrapping:
    """What stands for an SSLContext: it wraps by the one Context there is."""

    verify_mode = 2
    check_hostname = True

    def __init__(self, tls, is_server):
        self._tls = tls
        self._is_server = is_server

    def wrap_socket(
        self, sock, server_side=False, server_hostname=None, do_handshake_on_connect=True, **named
    ):
        return self._tls.wrap_socket(
            sock, server_side or self._is_server, server_hostname, do_handshake_on_connect
        )

    def load_cert_chain(self, certificate, key):
        self._tls.load_cert_chain(certificate, key, self._is_server)

    def load_verify_locations(self, cadata=None, **named):
        pass  # whom to trust the Context says

    def set_ciphers(self, ciphers):
        pass

    def get_ciphers(self):
        return []
