# SPDX-License-Identifier: MIT
"""One connection with a store at hand: trustanchor.connect() and trustanchor.open_connection().

Depends on: client.
Heap: about 0.4 KB from a .mpy file.
"""

from .client import Context


def connect(host, port=443, store=None, service=None):
    """Context(store=store, service=service).connect(host, port)."""
    return Context(store=store, service=service).connect(host, port)


async def open_connection(host, port=443, store=None, service=None):
    """connect() for asyncio."""
    return await Context(store=store, service=service).open_connection(host, port)
