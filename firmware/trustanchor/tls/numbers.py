# SPDX-License-Identifier: MIT
"""What mbedTLS answers with when a handshake fails, and the code that says it.

Loaded when one has failed, and let go of afterwards by whoever needs the room.

Depends on: compat, errors.
Heap: about 1 KB from a .mpy file, after a failure only.
"""

from ..compat import const
from ..errors import Refused

# include/mbedtls/ssl.h, ecp.h, rsa.h.
_CONN_EOF = const(-0x7280)
_FATAL_ALERT = const(-0x7780)
_HANDSHAKE_FAILURE = const(-0x6E00)
_PROTOCOL_VERSION = const(-0x6E80)
_UNEXPECTED = const(-0x7700)
_DECODE = const(-0x7300)
_INVALID_RECORD = const(-0x7200)
_ILLEGAL_PARAMETER = const(-0x6600)
_X509 = const(0x2080)  # the first and the last of include/mbedtls/x509.h
_X509_LAST = const(0x2980)
_X509_NO_MEMORY = const(0x2880)
_NOT_SIGNED = (-0x4E00, -0x4380, -0x4100)  # ECP: not valid; RSA: not valid; RSA: bad padding
_PEER_GONE = (_CONN_EOF, 32, 104)  # EPIPE, ECONNRESET: the same end, noticed by a write


def refusal(number, wire, has_chain, verdict):
    """Return the Refused for the number that TLS raised during a handshake.

    wire is the stream below TLS; has_chain is whether a chain has been shown, verdict what is
    thought of it so far, or None.
    """
    if wire.code:
        return Refused(wire.code, wire.detail)
    if number in _PEER_GONE:
        return Refused("tls.closed")
    if number == _FATAL_ALERT:
        return Refused("tls.alert", wire.detail)
    # TLS 1.3 has one number for all that is wrong, but after the chain comes only the proof.
    if number in _NOT_SIGNED or (number == _HANDSHAKE_FAILURE and has_chain):
        return Refused("tls.proof", number, verdict)
    if 0 < number < 256:
        return Refused("net.lost", number)
    high = -number & 0xFF80  # the low seven bits are the ASN.1 reader's
    if _X509 <= high <= _X509_LAST:
        code = "tls.no_memory" if high == _X509_NO_MEMORY else "tls.chain_unreadable"
        return Refused(code, number, verdict)
    if number == _ILLEGAL_PARAMETER and verdict is not None:
        # TLS 1.2: the one thing a server says after its chain is the signature of its key
        # exchange, and mbedTLS offers RSA-PSS for TLS 1.3 and does not take it in 1.2.
        return Refused("tls.proof_unsupported", number, verdict)
    if number == _PROTOCOL_VERSION:
        return Refused("tls.version", number)
    if wire.records and not has_chain:  # nobody but TLS has read what the server said
        if number in (_UNEXPECTED, _DECODE) and wire.records > 1:
            return Refused("tls.chain_hidden", number)  # something else in its place
        if number in (_UNEXPECTED, _DECODE, _INVALID_RECORD):
            return Refused("tls.malformed", number)
    return Refused("tls.failed", number, verdict)
