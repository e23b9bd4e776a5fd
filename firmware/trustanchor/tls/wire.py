# SPDX-License-Identifier: MIT
"""The stream between socket and TLS: bounded steps, and what a peer says that TLS keeps to itself.

    wire = Wire(sock)
    tls = native_context.wrap_socket(wire, do_handshake_on_connect=False)

TLS reads a record's header and its body apart, each in as many pieces as the network makes of it,
so the kind of each record is seen on the way by. tap.py builds on this where more must be seen.

mbedTLS calls in here: nothing is raised, a negative number is an errno, None is "would block".

Depends on: nothing.
Heap: about 1.5 KB from a .mpy file.
"""

import io
import select

from ..compat import const

# Content types, RFC 8446 section 5.1.
_CHANGE_CIPHER_SPEC = const(20)
_ALERT = const(21)
_APPLICATION_DATA = const(23)

_HEADER_BYTES = const(5)
_MAJOR = b"\x03"  # of the version in every header, RFC 8446 section 5.1
_STEP_READS = const(64)  # TLS goes on by itself for as long as a server sends what it ignores

# MicroPython's stream protocol, py/stream.h; the flags are also poll()'s.
_IOCTL_POLL = const(3)
_IOCTL_CLOSE = const(4)
_POLLIN = const(1)
_POLLOUT = const(4)

_EIO = const(5)
_EINVAL = const(22)
_ECONNABORTED = const(103)

CERT_OPTIONAL = const(1)


class Wire(io.IOBase):
    """A stream under TLS.

    verify_mode   what TLS must be set to for its callback to be called
    kind          content type of the last record that has begun, 0 before the first
    records       how many have begun
    wants         POLLIN or POLLOUT when the socket made TLS wait, else 0
    reads         in this step; the driver sets it to 0
    code, detail  why the stream was refused, or None; without a code the server's last alert
    raised        an exception that could not be let through mbedTLS, or None
    """

    def __init__(self, sock):
        self.sock = sock
        self._poller = None
        self._polled = 0
        self.verify_mode = CERT_OPTIONAL
        self.kind = self.records = 0
        self._left = 0  # bytes of the record's body still to come
        self._begun = b""  # of the record that begins, as far as it has come
        self.wants = self.reads = 0
        self.code = self.detail = self.raised = None

    def readinto(self, buffer):
        if self.code is not None:
            return -_ECONNABORTED
        try:
            self.reads += 1
            count = self.sock.readinto(buffer) if self.reads < _STEP_READS else None
            if count is None:
                self.wants = _POLLIN
            elif count > 0:
                if self._left:
                    self._left -= count
                    if self.kind == _ALERT:
                        self.detail = buffer[count - 1]  # the description is the last of two bytes
                elif not self._begin(buffer[:count]):
                    return -_ECONNABORTED
            return count
        except OSError as error:
            return number_of(error)
        except BaseException as error:  # noqa: BLE001 - also Ctrl-C may not pass through mbedTLS
            return self.keep(error)

    def _begin(self, piece):
        """Take what has come of a record's header; False when no record begins so."""
        is_new = not self._begun
        header = self._begun + bytes(piece)
        if not _CHANGE_CIPHER_SPEC <= header[0] <= _APPLICATION_DATA or (
            header[1:2] not in (b"", _MAJOR)
        ):
            self.code = "tls.malformed" if self.kind else "tls.plain_text"
            self.detail = "record type"
            return False
        if is_new:
            self.records += 1
        if len(header) >= _HEADER_BYTES:
            self.kind = header[0]
            self._left = header[3] << 8 | header[4]
            header = b""
        self._begun = header
        return True

    def write(self, data):
        try:
            count = self.sock.write(data)
            if count is None:
                self.wants = _POLLOUT
            return count
        except OSError as error:
            return number_of(error)
        except BaseException as error:  # noqa: BLE001 - see readinto
            return self.keep(error)

    def ioctl(self, request, argument):
        if request == _IOCTL_CLOSE:
            # May run in a finaliser, while the heap is locked: no allocation on this branch.
            self.sock.close()
            return 0
        if request != _IOCTL_POLL:
            return -_EINVAL
        try:
            return self.poll(argument, 0)
        except OSError as error:
            return number_of(error)

    def poll(self, flags, timeout_ms):
        """Wait for the socket; return the flags that are set, 0 after timeout_ms."""
        if self._poller is None:
            self._poller = select.poll()
        if flags != self._polled:
            self._poller.register(self.sock, flags)
            self._polled = flags
        for _, events in self._poller.poll(timeout_ms):
            return events
        return 0

    def setblocking(self, flag):
        self.sock.setblocking(flag)

    def leave(self):
        """The handshake is complete: take this object out of the path of every byte."""
        self.readinto = self.sock.readinto  # type: ignore[method-assign]
        self.write = self.sock.write  # type: ignore[method-assign]

    def keep(self, error):
        """Remember what may not be raised through mbedTLS; return the number that stops it."""
        self.raised = error
        return -_ECONNABORTED


def number_of(error):
    """Return a socket's error as the negative number the stream protocol wants."""
    number = error.errno
    return -number if isinstance(number, int) and 0 < number < 256 else -_EIO


_STAYS = True  # compat.forget
