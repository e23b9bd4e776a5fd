# SPDX-License-Identifier: MIT
"""The program of a board that speaks MQTT 3.1.1: publish to oneself, over Context.connect and
over asyncio, and say what came of it.

    micropython -m mqtt_device PORT PIN PIN

Prints a line each: how, and the payload that came back or the code of the refusal. The packets
are written out (MQTT 3.1.1 sections 3.1, 3.3, 3.8): there is no library to depend on.
"""

import asyncio
import sys

from trustanchor import Context, Refused

TOPIC = b"board/1"
CONNECT = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x3c\x00\x05board"
SUBSCRIBE = b"\x82\x0c\x00\x01\x00\x07" + TOPIC + b"\x00"
PUBLISH = b"\x30\x0e\x00\x07" + TOPIC + b"hello"
ANSWERS = 4 + 5  # CONNACK, SUBACK


def blocking(tls, port):
    sock = tls.connect("127.0.0.1", port)
    sock.write(CONNECT)
    if sock.read(4) != b"\x20\x02\x00\x00":
        raise ValueError("CONNACK")
    sock.write(SUBSCRIBE)
    if sock.read(5) != b"\x90\x03\x00\x01\x00":
        raise ValueError("SUBACK")
    sock.write(PUBLISH)
    packet = sock.read(len(PUBLISH))
    sock.close()
    return packet


async def streaming(tls, port):
    reader, writer = await tls.open_connection("127.0.0.1", port)
    writer.write(CONNECT + SUBSCRIBE)
    await writer.drain()
    await reader.readexactly(ANSWERS)
    writer.write(PUBLISH)
    await writer.drain()
    packet = await reader.readexactly(len(PUBLISH))
    writer.close()
    await writer.wait_closed()
    return packet


def main(port, *pins):
    tls = Context(pins=pins)
    for how in ("blocking", "asyncio"):
        try:
            if how == "blocking":
                packet = blocking(tls, int(port))
            else:
                packet = asyncio.run(streaming(tls, int(port)))
            print(how, packet == PUBLISH and packet[-5:].decode())
        except Refused as refusal:
            print(how, refusal.code)


main(*sys.argv[1:])
