# SPDX-License-Identifier: MIT
"""Runs on a simulated board: one chain after another, met by a Context and by stock `tls`.

    meet(case)      # {"port", "host", "anchors": [[der, policy], ...], "pins", "denied", "clock"}
    stock(case)     # {"port", "host", "roots": PEM}

Both return a text: "ok", a code of ours, or what mbedTLS says.
"""

import socket
from binascii import unhexlify

REQUEST = b"GET / HTTP/1.0\r\n\r\n"


def meet(case):
    from trustanchor import Context, Refused, clock
    from trustanchor.state.derive import anchor_of

    if case["clock"] is not None:
        clock.set(case["clock"])
    roots = [anchor_of(unhexlify(der), **policy) for der, policy in case["anchors"]]
    tls = Context(pins=case["pins"], anchors=roots)
    tls.store.state.denied = unhexlify(case["denied"])
    try:
        sock = tls.connect(case["host"], case["port"])
    except Refused as refusal:
        return refusal.code
    return _answer(sock)


def stock(case):
    import tls  # type: ignore[import-not-found]

    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_REQUIRED
    context.load_verify_locations(case["roots"])
    sock = socket.socket()
    sock.connect(socket.getaddrinfo(case["host"], case["port"])[0][-1])
    try:
        return _answer(context.wrap_socket(sock, server_hostname=case["host"]))
    except (OSError, ValueError) as error:
        return str(error)
    finally:
        sock.close()


def _answer(sock):
    sock.write(REQUEST)
    answer = sock.read(5)
    sock.close()
    return "ok" if answer == b"HTTP/" else "no answer"
