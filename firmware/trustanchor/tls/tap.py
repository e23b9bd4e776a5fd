# SPDX-License-Identifier: MIT
"""The stream between socket and TLS: sees the chain, withholds until the verdict.

Rule: before release() nothing but ClientHello, alert and change_cipher_spec records leaves.

    tap = Tap(sock, native_context)
    tls = native_context.wrap_socket(tap, do_handshake_on_connect=False)
    ... drive tls until tap.chain is not None (TLS 1.2) or tap.is_gated (TLS 1.3) ...
    tap.release()

The version is read from the ServerHello, never guessed from the build. TLS 1.2: the Certificate
message is in clear and is recorded, then incoming records are withheld too, so that TLS does not
even parse the chain before it is judged. TLS 1.3: the chain is encrypted; the verify callback is
switched on in time to see it, and the client's flight, which comes after the server has proved
possession of its key, is withheld.

mbedTLS calls in here: nothing is raised, a negative number is an errno, None is "would block".

Depends on: compat, limits, wire.
Heap: about 2.5 KB from a .mpy file, and the Certificate message until it is judged.
"""

from ..compat import const, sha256
from ..limits import CHAIN_BYTES, CHAIN_CERTIFICATES, SERVER_HELLO_BYTES
from .wire import Wire, number_of

# Content types, RFC 8446 section 5.1.
_CHANGE_CIPHER_SPEC = const(20)
_ALERT = const(21)
_HANDSHAKE = const(22)
_APPLICATION_DATA = const(23)

# Handshake types, RFC 8446 section 4.
_SERVER_HELLO = const(2)
_CERTIFICATE = const(11)

_SUPPORTED_VERSIONS = const(43)  # extension, RFC 8446 section 4.2.1
_TLS_1_2 = const(0x0303)
_TLS_1_3 = const(0x0304)
_RECORD_BYTES = const(18432)  # 2^14 + 2048, RFC 5246 section 6.2.3
_STEP_READS = const(64)  # TLS goes on by itself for as long as a server sends what it ignores

_AWAIT_HELLO = const(0)  # outgoing records pass: they are ClientHellos
_AWAIT_CERTIFICATE = const(1)  # TLS 1.2
_RECORDED = const(2)  # TLS 1.2, the chain is there: nothing passes
_HIDDEN = const(3)  # TLS 1.3: incoming records pass
_RELEASED = const(4)
_REFUSED = const(5)

_CERT_NONE = const(0)
_CERT_OPTIONAL = const(1)

_BODY = const(0x100)  # in Tap._message: the message's header is read, its body is not

_IOCTL_CLOSE = const(4)  # MicroPython's stream protocol, py/stream.h
_POLLIN = const(1)
_POLLOUT = const(4)

_ECONNABORTED = const(103)

# Accepted connections, so that a change of trust can drop them. Slots, not a growing list: a
# finaliser empties its slot while the heap is locked and may not allocate.
_open_taps: "list[Tap | None]" = []


class Tap(Wire):
    """A stream under TLS that knows when the chain has been seen and withholds until released.

    phase         see above
    chain         DER views of the Certificate message (TLS 1.2), or None
    is_gated      an outgoing record is being withheld
    verify_mode   as in Wire: off, where the callback would see what the tap sees
    verdict, store   what an accepted connection rests on
    """

    def __init__(self, sock, native):
        super().__init__(sock)  # records stay 0: what is wrong is said by name
        self._native = native
        self._header = bytearray(5)
        self._have = 0  # bytes of the record header
        self._type = 0
        self._buffer = bytearray(4)  # a message header or body being collected
        self._got = 0
        self._message = 0  # type of the last message begun, + _BODY
        self._slot = -1
        self.phase = _AWAIT_HELLO
        self.verify_mode = _CERT_NONE
        self.chain = None
        self.is_gated = False
        self.verdict = self.store = None

    def readinto(self, buffer):
        try:
            if self.phase == _RECORDED:
                return None
            if self.phase == _REFUSED:
                return -_ECONNABORTED
            self.reads += 1
            count = self.sock.readinto(buffer) if self.reads < _STEP_READS else None
            if count is None:
                self.wants = _POLLIN
            elif count > 0 and self.phase <= _AWAIT_CERTIFICATE:
                self._follow(memoryview(buffer)[:count])
                if self.phase == _REFUSED:
                    return -_ECONNABORTED
            return count
        except OSError as error:
            return number_of(error)
        except BaseException as error:  # noqa: BLE001 - also Ctrl-C may not pass through mbedTLS
            return self.keep(error)

    def write(self, data):
        try:
            if self.phase == _REFUSED:
                return -_ECONNABORTED
            if _AWAIT_HELLO < self.phase < _RELEASED:
                data = memoryview(data)[: _harmless(data)]
                if not data:
                    self.is_gated = True
                    return None
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
            if self._slot >= 0:
                _open_taps[self._slot] = None
                self._slot = -1
            self.sock.close()
            return 0
        return super().ioctl(request, argument)

    def release(self):
        """Let everything pass."""
        self.phase = _RELEASED
        self.is_gated = False
        self.chain = None

    def leave(self):
        super().leave()
        self._native = None

    def enlist(self, verdict, store):
        """Remember an accepted connection for drop_connections()."""
        self.verdict = verdict
        self.store = store
        for slot in range(len(_open_taps)):
            if _open_taps[slot] is None:
                break
        else:
            slot = len(_open_taps)
            _open_taps.append(None)
        _open_taps[slot] = self
        self._slot = slot

    def drop(self):
        """Close the socket under TLS.

        The next write raises OSError(ECONNABORTED), and so does a read as soon as what TLS has
        decrypted already is used up.
        """
        self.phase = _REFUSED
        self.readinto = self.write = _aborted  # type: ignore[method-assign]
        self.ioctl(_IOCTL_CLOSE, 0)

    def keep(self, error):
        self.phase = _REFUSED
        return super().keep(error)

    def refuse(self, code, detail=None):
        if self.code is None:
            self.code = code
            self.detail = detail
        self.phase = _REFUSED

    def _follow(self, data):
        """Follow the server's records up to the Certificate message, or to a TLS 1.3 hello."""
        at, end = 0, len(data)
        while at < end and self.phase <= _AWAIT_CERTIFICATE:
            if self._left == 0:
                self._header[self._have] = data[at]
                self._have += 1
                at += 1
                if self._have == 5:
                    self._have = 0
                    self._begin_record()
                continue
            part = data[at : min(end, at + self._left)]
            at += len(part)
            self._left -= len(part)
            if self._type == _ALERT:
                self.detail = part[len(part) - 1]  # the description is the last of two bytes
            elif self._type == _HANDSHAKE:
                self._collect(part)

    def _begin_record(self):
        header = self._header
        is_first = self._type == 0
        self._type = header[0]
        self._left = header[3] << 8 | header[4]
        if not _CHANGE_CIPHER_SPEC <= header[0] <= _APPLICATION_DATA or header[1] != 3:
            self.refuse("tls.plain_text" if is_first else "tls.malformed", "record type")
        elif not 0 < self._left <= _RECORD_BYTES:
            self.refuse("tls.malformed", "record length")
        elif header[0] not in (_HANDSHAKE, _ALERT):
            if self.phase == _AWAIT_CERTIFICATE:
                # ChangeCipherSpec in place of Certificate: a resumed session, which has no chain.
                self.refuse("tls.chain_hidden")
            elif self._message == 0 or header[0] != _CHANGE_CIPHER_SPEC:
                # After a HelloRetryRequest one ChangeCipherSpec is legal (RFC 8446 appendix D.4).
                self.refuse("tls.malformed", "record type")

    def _collect(self, part):
        """Take bytes of handshake messages; messages and records need not share boundaries."""
        at, end = 0, len(part)
        while at < end and self.phase <= _AWAIT_CERTIFICATE:
            take = min(len(self._buffer) - self._got, end - at)
            memoryview(self._buffer)[self._got : self._got + take] = part[at : at + take]
            self._got += take
            at += take
            if self._got < len(self._buffer):
                return
            self._got = 0
            if self._message < _BODY:
                self._begin_message()
            else:
                body = self._buffer
                self._message -= _BODY
                self._buffer = bytearray(4)
                if self._message == _SERVER_HELLO:
                    self._read_hello(body)
                else:
                    self._read_chain(memoryview(body))

    def _begin_message(self):
        header = self._buffer
        length = header[1] << 16 | header[2] << 8 | header[3]
        if self.phase == _AWAIT_HELLO:
            if header[0] != _SERVER_HELLO or not 38 <= length <= SERVER_HELLO_BYTES:
                self.refuse("tls.malformed", "ServerHello")
                return
        elif header[0] != _CERTIFICATE:
            self.refuse("tls.chain_hidden")
            return
        elif length > CHAIN_BYTES:
            self.refuse("tls.chain_too_large", length)
            return
        elif length < 3:
            self.refuse("tls.chain_hidden")
            return
        self._message = _BODY + header[0]
        self._buffer = bytearray(length)

    def _read_hello(self, hello):
        """RFC 8446 section 4.1.3. Sets the phase by what was negotiated, not by what could be."""
        end = len(hello)
        at = 35 + hello[34] + 3  # version, random, session id, cipher suite, compression
        version = hello[0] << 8 | hello[1]
        if at + 2 <= end:
            if at + 2 + (hello[at] << 8 | hello[at + 1]) != end:
                return self.refuse("tls.malformed", "ServerHello")
            at += 2
        elif at != end:
            return self.refuse("tls.malformed", "ServerHello")
        while at + 4 <= end:
            kind = hello[at] << 8 | hello[at + 1]
            length = hello[at + 2] << 8 | hello[at + 3]
            at += 4
            if kind == _SUPPORTED_VERSIONS and length == 2 and at + 2 <= end:
                version = hello[at] << 8 | hello[at + 1]
            at += length
        if version == _TLS_1_2:
            self.phase = _AWAIT_CERTIFICATE
        elif version != _TLS_1_3:
            self.refuse("tls.version", version)
        # A HelloRetryRequest is a ServerHello whose random is this digest; another hello follows.
        elif bytes(hello[2:34]) != sha256(b"HelloRetryRequest"):
            self.phase = _HIDDEN
            self._native.verify_mode = self.verify_mode = _CERT_OPTIONAL
        return None

    def _read_chain(self, message):
        """RFC 5246 section 7.4.2: a list of certificates, each behind three bytes of length."""
        end = len(message)
        if (message[0] << 16 | message[1] << 8 | message[2]) != end - 3:
            return self.refuse("tls.malformed", "Certificate")
        chain: "list[memoryview]" = []
        at = 3
        while at + 3 <= end:
            length = message[at] << 16 | message[at + 1] << 8 | message[at + 2]
            at += 3
            if length == 0 or at + length > end:
                return self.refuse("tls.malformed", "Certificate")
            if len(chain) == CHAIN_CERTIFICATES:
                return self.refuse("tls.chain_too_large", "certificates")
            chain.append(message[at : at + length])
            at += length
        if at != end:
            return self.refuse("tls.malformed", "Certificate")
        if not chain:
            return self.refuse("tls.chain_hidden")
        self.chain = chain
        self.phase = _RECORDED
        return None


def _harmless(data):
    """Return the length of the records at the front that may leave before the verdict.

    An alert lets the server say why; a change_cipher_spec carries nothing (one byte). What is left
    of one that has left in part is withheld like all else, until released: it comes when the
    server's flight is complete, or last.
    """
    at = 0
    while at + 5 <= len(data) and data[at] in (_ALERT, _CHANGE_CIPHER_SPEC):
        at += 5 + (data[at + 3] << 8 | data[at + 4])
    return min(at, len(data))


def _aborted(data):
    return -_ECONNABORTED


def open_taps():
    """Return the taps of accepted connections that are still open."""
    return [tap for tap in _open_taps if tap is not None]


_STAYS = True  # compat.forget
