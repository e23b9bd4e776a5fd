# SPDX-License-Identifier: MIT
"""Context.open_connection(): a judged connection as asyncio's reader and writer.

    reader, writer = await open_connection(context, "mqtt.example.net", 8883)

Depends on: compat, client, dial.
Heap: about 0.8 KB from a .mpy file, beside asyncio.
"""

import asyncio

from ..compat import IS_MICROPYTHON
from .dial import POLL_S, dialling


async def open_connection(context, host, port):
    """Return (reader, writer), one object. Raises Refused. Name resolution blocks."""
    dial = dialling(host, port, context.timeout_s)
    try:
        for sock in dial:
            if sock is None:
                await asyncio.sleep(POLL_S)
    finally:
        dial.close()  # cancelled: the socket is closed now, not whenever memory is collected
    connection = context.wrap_socket(
        sock, server_hostname=host, port=port, do_handshake_on_connect=False
    )
    connection.setblocking(False)
    try:
        while connection.step() is not None:
            await asyncio.sleep(0)
            while not connection.is_ready():
                await asyncio.sleep(POLL_S)
    except BaseException:  # also asyncio.CancelledError, which is no Exception
        connection.close()
        raise
    if IS_MICROPYTHON:
        # TLS itself where possible: the event loop polls it every millisecond.
        stream = asyncio.StreamReader(connection.innermost())
    else:
        from ._tls import Stream

        stream = Stream(connection)  # type: ignore[assignment]
    stream.verdict = connection.verdict  # type: ignore[attr-defined]
    return stream, stream
