# SPDX-License-Identifier: MIT
"""MicroPython's `tls` module, as far as handshake.py uses it, over CPython's `ssl`.

For host tools and tests; a device has the real one and never loads this file, so manifest.py and
package.json leave it out. OpenSSL runs on memory BIOs, and every byte goes through the stream it
was given: the same Tap withholds the same records.

Three differences. The verify callback is shown everything the server sent, in TLS 1.3 too
(SSL_get_peer_cert_chain; private `_sslobj.get_unverified_chain` before CPython 3.13), end entity
last. load_cert_chain takes file names, as `ssl` does. OpenSSL's cipher names differ, so
set_ciphers sets its own list.

Depends on: nothing of ours.
"""

import asyncio
import socket
import ssl

CERT_NONE = 0
CERT_OPTIONAL = 1
PROTOCOL_TLS_CLIENT = 0
PROTOCOL_TLS_SERVER = 1

_CHUNK = 4096
_RECORD_BYTES = 16384  # RFC 8446 section 5.1
_POLL_S = 0.005
_POLLIN = 1  # of MicroPython, py/stream.h
_CONN_EOF = -0x7280  # what mbedTLS answers for each
_FATAL_ALERT = -0x7780
_PROOF = -0x4E00
_FATAL_IN_CALLBACK = -0x3000
_OTHER = -0x6C00


def peer_port(sock: "socket.socket") -> "int | None":
    """The port a socket is connected to, or None; what MicroPython has no call for."""
    try:
        return int(sock.getpeername()[1])
    except (AttributeError, OSError, IndexError, ValueError):
        return None  # no socket, not connected, or no internet address


class Raw:
    """A CPython socket with the stream methods of MicroPython's."""

    def __init__(self, sock: socket.socket):
        self._sock = sock
        self.fileno = sock.fileno
        self.setblocking = sock.setblocking
        self.close = sock.close

    def readinto(self, buffer):
        try:
            return self._sock.recv_into(buffer)
        except BlockingIOError:
            return None

    def write(self, data):
        try:
            return self._sock.send(data)
        except BlockingIOError:
            return None


class SSLContext:
    def __init__(self, protocol: int):
        server = protocol == PROTOCOL_TLS_SERVER
        self._context = ssl.SSLContext(
            ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT
        )
        # Who was judged stays who is spoken to, as with MicroPython's mbedTLS.
        self._context.options |= ssl.OP_NO_RENEGOTIATION
        if not server:
            self._context.check_hostname = False
            self._context.verify_mode = ssl.CERT_NONE
        self.verify_mode = CERT_NONE
        self.verify_callback = None

    def set_ciphers(self, names):
        self._context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")

    def load_cert_chain(self, certificate, key):
        self._context.load_cert_chain(certificate, key)

    def wrap_socket(
        self, sock, server_side=False, server_hostname=None, do_handshake_on_connect=True
    ):
        if server_side:
            raise NotImplementedError("server side runs on MicroPython only")
        return SSLSocket(self, self._context, sock, server_hostname)


class SSLSocket:
    """OpenSSL between two memory BIOs and a stream; the methods of MicroPython's SSLSocket."""

    def __init__(self, owner, context, stream, server_hostname):
        self._owner = owner
        self._stream = stream
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname=server_hostname
        )
        self._unsent = b""
        self._is_shown = False
        self._is_complete = False
        self._is_finished = False  # complete, and our Finished has left

    def read(self, size=-1):
        if size < 0:
            pieces = []
            while piece := self.read(_CHUNK):
                pieces.append(piece)
            return b"".join(pieces) if pieces or piece is not None else None
        buffer = bytearray(size)
        count = self.readinto(buffer)
        return None if count is None else bytes(buffer[:count])

    def readinto(self, buffer):
        """Fill buffer; less than all of it at the end of the stream or when it would block."""
        done = 0
        while done < len(buffer):
            piece = self._attempt(self._object.read, len(buffer) - done)
            if not piece:
                return done if done or piece == b"" else None
            buffer[done : done + len(piece)] = piece
            done += len(piece)
        return done

    def readline(self):
        line = b""
        while not line.endswith(b"\n"):
            piece = self.read(1)
            if not piece:
                return line if line or piece == b"" else None
            line += piece
        return line

    def write(self, data, size=None):
        """Return how much TLS has taken. The last record of it may still have to leave: every
        later call sends on, and write(b"") is None until all of it is gone.
        """
        data = memoryview(data)
        if size is not None:
            data = data[:size]
        done = 0
        while True:
            count = self._attempt(self._object.write, data[done : done + _RECORD_BYTES], True)
            if count is None:
                return done or None
            if not count:
                return done
            done += count
            if done == len(data):
                self._flush()
                return done

    def setblocking(self, flag):
        self._stream.setblocking(flag)

    def ioctl(self, request, argument):
        """MicroPython's stream protocol, of which a connection asks for one thing: poll."""
        ready = self._object.pending() or self._incoming.pending
        return argument & _POLLIN if ready else self._stream.ioctl(request, argument)

    def getpeercert(self, binary_form):
        return self._object.getpeercert(True) if self._is_finished else None

    def cipher(self):
        return self._object.cipher()[:2]

    def close(self):
        try:
            if self._is_finished:
                self._flush()
        except OSError:
            self._unsent = b""  # nobody is there to take it
        self._stream.ioctl(4, 0)

    def _attempt(self, operation, argument, is_write=False):
        """Repeat operation, moving bytes, until it is done (its result) or would block (None).

        What an operation has done is never taken back because our own output does not leave:
        the output waits for the next call. A write begins when all before it has left, so no
        more than a record waits.
        """
        while True:
            is_flushed = not self._is_finished or self._flush()
            if is_write and not is_flushed:
                return None
            try:
                if not self._is_complete:
                    self._object.do_handshake()
                    self._is_complete = True
                if self._is_finished:
                    return operation(argument) if argument else 0
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLError as error:
                self._flush()  # the alert
                raise OSError(_number(error), str(error))
            self._show()
            if not self._flush() and not self._is_finished:
                return None
            if self._is_complete and not self._is_finished:
                self._is_finished = True
                continue
            buffer = bytearray(_CHUNK)
            count = self._stream.readinto(buffer)
            if count is None:
                return None
            if count < 0:
                raise OSError(-count, "stream")
            if count == 0:
                if self._is_complete:
                    return b""
                raise OSError(_CONN_EOF, "end of stream")
            self._incoming.write(memoryview(buffer)[:count])

    def _show(self):
        callback = self._owner.verify_callback
        if self._is_shown or callback is None or self._owner.verify_mode == CERT_NONE:
            return
        chain = self._object._sslobj.get_unverified_chain()
        if not chain:
            return
        self._is_shown = True
        ders = [one.public_bytes(2) for one in chain]  # _ssl.ENCODING_DER
        if sum(map(len, ders)) > _RECORD_BYTES:
            raise OSError(_OTHER, "too large for mbedTLS: a message is in one record")
        for depth in range(len(chain) - 1, -1, -1):
            der = ders[depth]
            if callback(memoryview(der), depth) < 0:
                raise OSError(_FATAL_IN_CALLBACK, "verify callback")

    def _flush(self):
        """Send what TLS wants to send; True when all of it is gone."""
        self._unsent += self._outgoing.read()
        while self._unsent:
            count = self._stream.write(self._unsent)
            if count is None:
                return False
            if count < 0:
                raise OSError(-count, "stream")
            self._unsent = self._unsent[count:]
        return True


def _number(error: ssl.SSLError) -> int:
    reason = error.reason or ""
    if "ALERT" in reason:
        return _FATAL_ALERT
    if "SIGNATURE" in reason:
        return _PROOF
    return _CONN_EOF if "EOF" in reason else _OTHER


class Stream:
    """The asyncio stream of MicroPython over a Connection: reader and writer in one."""

    def __init__(self, connection):
        self.s = connection
        self._out = b""

    async def read(self, size):
        while (data := self.s.read(size)) is None:
            await asyncio.sleep(_POLL_S)
        return data

    async def readexactly(self, size):
        data = b""
        while len(data) < size:
            piece = await self.read(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    async def readline(self):
        line = b""
        while not line.endswith(b"\n"):
            piece = await self.read(1)
            if not piece:
                break
            line += piece
        return line

    def write(self, data):
        self._out += data

    async def drain(self):
        while self._out:
            count = self.s.write(self._out)
            if count is None:
                await asyncio.sleep(_POLL_S)
            else:
                self._out = self._out[count:]
        while self.s.write(b"") is None:  # what TLS has taken has left too
            await asyncio.sleep(_POLL_S)

    def close(self):
        self.s.close()

    async def wait_closed(self):
        self.s.close()
