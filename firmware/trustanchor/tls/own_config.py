# SPDX-License-Identifier: MIT
"""What builds with MicroPython's own mbedTLS configuration lack, made up for: getpeercert and PEM.

ESP-IDF and Debian configure mbedTLS themselves; rp2, stm32, mimxrt and unix built from
MicroPython's sources do not. Those speak TLS 1.2 only, forget the peer's certificate after the
handshake, and before August 2026 read no PEM.

    peer = Peer(wire, connection_shown)     # before the handshake
    native.verify_callback = peer.shown
    peer.leaf()                             # None, then the end entity that proved its key

Two things have to be known without getpeercert:

    which leaf proved its key   mbedTLS shows it to verify_callback at depth 0, and in TLS 1.2 the
                                signature of the key exchange is checked with that certificate's
                                key before anything of ours follows
    when the handshake is over  TLS asks for the record after the server's Finished, the first
                                handshake record behind the ChangeCipherSpec (RFC 5246 section
                                7.4.9); a Finished that is wrong ends in an error instead

TLS 1.3 needs a certificate that is kept (mbedTLS cannot be built otherwise), so what looks like it
here ends in tls.chain_hidden.

Depends on: compat, wire.
Heap: about 1 KB from a .mpy file, on those builds only.
"""

from binascii import a2b_base64

from ..compat import const
from .wire import CERT_OPTIONAL

_CHANGE_CIPHER_SPEC = const(20)  # content types, RFC 5246 section 6.2.1
_HANDSHAKE = const(22)
_HEADER_BYTES = const(5)
_FATAL_IN_CALLBACK = const(-0x3000)  # MBEDTLS_ERR_X509_FATAL_ERROR


class Peer:
    """Sees the leaf that TLS uses and the end of the handshake, between a Wire and TLS.

    wire     a wire.Wire that TLS has not read from
    shown    the callback that judges what TLS shows. Where the wire sees the chain itself
             (verify_mode is off) it is not called, and TLS shows the leaf to this object only
    """

    def __init__(self, wire, shown):
        self._wire = wire
        self._shown = shown if wire.verify_mode == CERT_OPTIONAL else None
        wire.verify_mode = CERT_OPTIONAL
        self._inner = wire.readinto
        wire.readinto = self._readinto  # until wire.leave() puts the socket's there
        self._leaf = None
        self._header = bytearray(_HEADER_BYTES)
        self._have = self._left = 0  # bytes of the record's header, and still to come of its body
        self._is_secret = False  # the server has changed over to its keys
        self._is_last = self._is_over = False

    def leaf(self):
        """Return the DER of the end entity that proved its key; None before the handshake is
        complete.
        """
        return self._leaf if self._is_over else None

    def shown(self, view, depth):
        """verify_callback, as Connection's; keeps a copy of the certificate at depth 0."""
        try:
            if depth == 0:
                self._leaf = bytes(view)
            if self._shown is not None:
                return self._shown(view, depth)
            # No bytes: a certificate that mbedTLS could not parse.
            return 0 if len(view) or depth else _FATAL_IN_CALLBACK
        except BaseException as error:  # noqa: BLE001 - raising through mbedTLS leaks its chain
            self._wire.keep(error)
        return _FATAL_IN_CALLBACK

    def _readinto(self, buffer):
        # Called by mbedTLS: nothing here may raise, and nothing is allocated but a view.
        if self._is_last and self._left == 0 and self._have == 0:
            self._is_over = True
        count = self._inner(buffer)
        if count is not None and count > 0 and not self._is_over:
            try:
                self._follow(memoryview(buffer)[:count])
            except BaseException as error:  # noqa: BLE001 - as above
                return self._wire.keep(error)
        return count

    def _follow(self, data):
        at = 0
        while at < len(data):
            if self._left:
                part = min(len(data) - at, self._left)
                self._left -= part
                at += part
                continue
            self._header[self._have] = data[at]
            self._have += 1
            at += 1
            if self._have == _HEADER_BYTES:
                self._have = 0
                self._left = self._header[3] << 8 | self._header[4]
                if self._header[0] == _CHANGE_CIPHER_SPEC:
                    self._is_secret = True
                elif self._header[0] == _HANDSHAKE:
                    self._is_last = self._is_secret


def no_callback():
    """Say what a firmware lacks on which no verdict can be given."""
    raise NotImplementedError(
        "this firmware's tls.SSLContext has no verify_callback: MicroPython 1.25 or newer has it, "
        "where TLS is mbedTLS"
    )


def der_of(data):
    """Return the DER of the first PEM block in bytes or text, for a build that reads no PEM.

    An EC key may stand behind a block of its parameters (`openssl ecparam`): that one is passed
    over. ValueError where there is no block.
    """
    data = data.encode() if isinstance(data, str) else bytes(data)
    begin = data.find(b"-----BEGIN ")
    while begin >= 0:
        end = data.find(b"-----END ", begin)
        body = data.find(b"-----", begin + 11) + 5
        if end < body:
            break
        if data[begin + 11 : body - 5] != b"EC PARAMETERS":
            return a2b_base64(data[body:end])
        begin = data.find(b"-----BEGIN ", end)
    raise ValueError("no PEM block")


_STAYS = True  # compat.forget
