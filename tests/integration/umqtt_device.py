# SPDX-License-Identifier: MIT
"""The program of a board that has umqtt.simple and umqtt.robust as they are published, and a
Context where they look for `ussl`: publish to oneself, and say what came of it.

    micropython -m umqtt_device PORT PIN PIN

Prints a line each: the library, and the payload that came back or the code of the refusal.
"""

import sys

from trustanchor import Context, Refused

HOST = "127.0.0.1"


def spoken(library, port):
    client = library.MQTTClient(
        "board", HOST, port=port, ssl=True, ssl_params={"server_hostname": HOST}
    )
    came = []
    client.set_callback(lambda topic, payload: came.append((topic, payload)))
    client.connect()
    client.subscribe(b"board/1")
    client.publish(b"board/1", b"hello")
    while not came:
        client.wait_msg()
    client.disconnect()
    return came[0][1].decode()


def main(port, *pins):
    sys.modules["ussl"] = Context(pins=pins)
    from umqtt import robust, simple  # type: ignore[import-untyped]

    for library in (simple, robust):
        try:
            print(library.__name__, spoken(library, int(port)))
        except Refused as refusal:
            print(library.__name__, refusal.code)


main(*sys.argv[1:])
