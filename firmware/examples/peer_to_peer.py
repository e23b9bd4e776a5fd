# SPDX-License-Identifier: MIT
"""Two boards that judge each other: the same program listens and calls, under legacy and new CA.

The state has a service "peers" (purpose "server", for the board that is called) and "callers"
(purpose "client", peer_name the pattern of device names), and the anchors of both CAs.
Provisioning puts the board's own certificate into /device (runbooks/production-line.md).
"""

import json
import socket

from trustanchor import Context, Refused, Store, clock

PORT = 8443

with open("/device.json") as file:
    DEVICE = json.load(file)
store = Store(clock, product=DEVICE["product"], device_id=DEVICE.get("device_id"))
store.load()


def own(context, is_server):
    with open("/device/client.der", "rb") as chain, open("/device/client.key", "rb") as key:
        context.load_cert_chain(chain.read(), key.read(), server_side=is_server)
    return context


def call(host, port=PORT):
    """Connect to another board; returns what it says."""
    sock = own(Context(store=store, service="peers"), False).connect(host, port)
    sock.write(b"hello\n")
    told = sock.readline()
    sock.close()
    return told


def answer(port=PORT, count=1):
    """Take calls; whoever is no device of the fleet hears nothing."""
    context = own(Context(store=store, service="callers"), True)
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(socket.getaddrinfo("0.0.0.0", port)[0][-1])
    listening.listen(2)
    for _ in range(count):
        caller = listening.accept()[0]
        try:
            sock = context.wrap_socket(caller, server_side=True)
            print("heard:", sock.readline())
            sock.write(b"welcome, " + DEVICE["device_id"].encode() + b"\n")
            sock.close()
        except Refused as refused:
            print("refused:", refused)
    listening.close()
