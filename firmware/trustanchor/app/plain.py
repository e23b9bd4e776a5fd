# SPDX-License-Identifier: MIT
"""HTTP without TLS, for mirrors of signed bundles and for nothing else.

    answer = await http.fetch("GET", "http://mirror.example/fleet.bundle", Plain(30))

It has the face of a Context as far as http.py looks: no secret and no command may go this way.

Depends on: compat; nothing else.
Heap: 0.9 KB from a .mpy file.
"""

from ..compat import IS_MICROPYTHON

if not IS_MICROPYTHON:
    from ..tls._tls import Raw


class Plain:
    """Stands in for a Context: connections are not judged, and bring only what judges itself."""

    scheme = "http://"
    port = "80"
    pins = ("none",)  # like a literal state: no redirect to another host

    def __init__(self, timeout_s):
        self.timeout_s = timeout_s

    def wrap_socket(self, sock, server_hostname=None, port=None, do_handshake_on_connect=True):
        return _Connection(sock if IS_MICROPYTHON else Raw(sock))


class _Connection:
    def __init__(self, sock):
        self._sock = sock

    def setblocking(self, flag):
        self._sock.setblocking(flag)

    def step(self):
        return None

    def is_ready(self):
        return True

    def read(self, size):
        buffer = bytearray(size)
        count = self._sock.readinto(buffer)
        if count is None:
            return None
        if count < 0:
            raise OSError(-count)
        return bytes(buffer[:count])

    def write(self, data):
        return self._sock.write(data)

    def close(self):
        self._sock.close()
