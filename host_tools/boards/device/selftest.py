# SPDX-License-Identifier: MIT
"""Known answers, store, clock and heap, asked one at a time. Runs on the board (boards/talk.py).

Each function prints one line of JSON: what came out, the milliseconds and the heap it took.

Depends on: the package.
"""

import binascii
import gc
import json
import os
import time

_SCRATCH = "/selftest.tmp"


def _told(work, *arguments):
    gc.collect()
    before = gc.mem_alloc()
    begun = time.ticks_ms()
    try:
        outcome = work(*arguments)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        outcome = getattr(error, "code", None) or repr(error)
    passed = time.ticks_diff(time.ticks_ms(), begun)
    used = gc.mem_alloc() - before
    print(json.dumps([outcome, passed, used]))


def _file(name):
    with open(name, "rb") as file:
        return file.read()


def check(kind, algorithm, key, message, signature, flip):
    """Verify a signature, whose bit flip (or -1) was turned over first."""
    from trustanchor.crypto import cose_signatures, signatures

    wrong = bytearray(binascii.unhexlify(signature))
    if flip >= 0:
        wrong[flip >> 3] ^= 1 << (flip & 7)
    signed = binascii.unhexlify(message)
    spki = binascii.unhexlify(key)
    if kind == "cose":
        _told(cose_signatures.verify, algorithm, spki, signed, bytes(wrong))
    else:
        _told(signatures.verify, binascii.unhexlify(algorithm), spki, signed, bytes(wrong))


def check_hash(bits, message):
    from trustanchor.crypto import sha2

    data = binascii.unhexlify(message)
    _told(lambda: binascii.hexlify(bytes(sha2.digest(bits, data))).decode())


def check_files():
    """Write, rename and read a block's worth, as the store does."""

    def work():
        content = os.urandom(5000)
        with open(_SCRATCH, "wb") as file:
            file.write(content)
        os.rename(_SCRATCH, _SCRATCH + "2")
        same = _file(_SCRATCH + "2") == content
        os.remove(_SCRATCH + "2")
        return same

    _told(work)


def check_nvs():
    """A blob in a namespace of its own comes back and goes away; None where there is no NVS."""

    def work():
        try:
            from esp32 import NVS
        except ImportError:
            return None
        nvs = NVS("selftest")
        wanted = os.urandom(200)
        nvs.set_blob("blob", wanted)
        nvs.commit()
        found = bytearray(200)
        nvs.get_blob("blob", found)
        nvs.erase_key("blob")
        nvs.commit()
        return found == wanted

    _told(work)


def check_store():
    """The file system the store needs, asked as a boot asks."""

    def work():
        from trustanchor.store.volume import check_filesystem

        check_filesystem("/trust")
        return True

    _told(work)


def check_clock():
    from trustanchor import clock

    _told(clock.now)


def check_random():
    _told(lambda: os.urandom(32) != os.urandom(32))


def sleep(ms):
    _told(time.sleep_ms, ms)


def heap():
    """The free heap and the largest piece of it."""
    gc.collect()
    free = gc.mem_free()
    size = free
    while size > 1024:
        try:
            bytearray(size)
            break
        except MemoryError:
            size -= size >> 4
    print(json.dumps([[free, size], 0, 0]))
