# SPDX-License-Identifier: MIT
"""What a board says of itself: one line of JSON. Runs on the board (host_tools/boards/talk.py).

Nothing is written: a store that is loaded counts a try of a trial, so its record is only read.

Depends on: nothing; the package, where it is installed.
"""

import binascii
import gc
import json
import os
import sys

_SETTINGS_BYTES = 2048


def settings():
    """The text of /device.json, or None."""
    try:
        with open("/device.json") as file:
            return file.read(_SETTINGS_BYTES)
    except OSError:
        return None


def version():
    """(version, folder) of the device package, or (None, None)."""
    try:
        import trustanchor

        return trustanchor.__version__, getattr(trustanchor, "__path__", None)
    except (ImportError, AttributeError, ValueError, SyntaxError):
        return None, None


def trust(root):
    """What the record on flash says, or the code that refuses it."""
    try:
        from trustanchor import Store, TrustError, clock
        from trustanchor.store.boot import read_record
    except (ImportError, AttributeError, ValueError, SyntaxError):
        return None
    store = Store(clock, root)
    try:
        store.record = read_record(store)
    except TrustError as error:
        return {"code": error.code}
    found = store.status()
    found["code"] = "ok"
    digest = store.record.trial or store.record.active
    try:
        source, _ = store.source(store.slot(digest))
        is_whole = source is not None and store.prefix(source).payload_digest == digest
    except TrustError:
        is_whole = False
    if not is_whole:
        found["code"] = "store.lost"
    return found


def about(root="/trust"):
    import machine

    gc.collect()
    free = gc.mem_free()
    system = os.uname()
    files = os.statvfs("/")
    found = {
        "mac": binascii.hexlify(machine.unique_id()).decode(),
        "micropython": sys.implementation.version[:3],
        "mpy": getattr(sys.implementation, "_mpy", 0),
        "machine": system[4],
        "heap_free": free,
        "heap_used": gc.mem_alloc(),
        "flash_free": files[0] * files[3],
        "flash_size": files[0] * files[2],
        "settings": settings(),
    }
    found["package"], found["package_folder"] = version()
    found["trust"] = trust(root)
    print(json.dumps(found))
