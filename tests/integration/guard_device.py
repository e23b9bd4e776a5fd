# SPDX-License-Identifier: MIT
"""A program that puts a guard in front of stock modules and asks a server by each of them.

    micropython -m guard_device PORT PIN PIN

Prints a line each: how, and what came of it.
"""

import sys

from trustanchor import Context, Refused, guard

HOST = "127.0.0.1"
REQUEST = b"GET /short HTTP/1.0\r\n\r\n"


def connected(port):
    import socket

    sock = socket.socket()
    sock.connect(socket.getaddrinfo(HOST, port)[0][-1])
    return sock


def told(sock):
    sock.write(REQUEST)
    answer = sock.read(15)
    sock.close()
    return answer[9:12].decode()


def by_ssl(port):
    import ssl

    return told(ssl.wrap_socket(connected(port), server_hostname=HOST))  # type: ignore[call-arg]


def by_context(port):
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_NONE
    return told(context.wrap_socket(connected(port), server_hostname=HOST))


def by_tls(port):
    import tls  # type: ignore[import-not-found]

    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_NONE
    context.load_verify_locations(b"any root")
    return told(context.wrap_socket(connected(port)))


def by_ussl(port):
    import ussl  # type: ignore[import-not-found]

    return told(ussl.wrap_socket(connected(port)))


def by_requests(port):
    import requests  # type: ignore[import-untyped]

    return str(requests.get("https://%s:%d/short" % (HOST, port)).status_code)


def by_asyncio(port):
    import asyncio

    async def asked():
        reader, writer = await asyncio.open_connection(HOST, port, ssl=True)
        writer.write(REQUEST)
        await writer.drain()
        answer = await reader.readexactly(12)
        writer.close()
        return answer[9:12].decode()

    return asyncio.run(asked())


def main(port, *pins):
    import tls

    # A module that has it already: this one.
    here = sys.modules[__name__]
    for held in (tls, tls.SSLContext):
        here.held = held  # type: ignore[attr-defined]
        try:
            guard(Context(pins=pins))
            print("early taken")
        except RuntimeError as error:
            print("early", __name__ in str(error))
        del here.held
    del held, tls
    guard(Context(pins=pins))
    for way in (by_ssl, by_context, by_tls, by_ussl, by_requests, by_asyncio):
        try:
            print(way.__name__, way(int(port)))
        except Refused as refusal:
            print(way.__name__, refusal.code)


main(*sys.argv[1:])
