# SPDX-License-Identifier: MIT
"""Files of a board, told and taken over its REPL. Runs on the board (host_tools/boards/talk.py).

A part on the wire is a key byte and up to 128 bytes, each exclusive-or the key, which the host
chooses so that none of them is Ctrl-C: that one still ends this program at any moment, whatever
the line has lost. A "+" asks for the next part; two may be on their way, which is what the 260
bytes of an ESP32's input buffer hold while the flash is written.

Depends on: nothing.
Heap: 5 KB while a file comes.
"""

import binascii
import gc
import hashlib
import json
import os
import sys

_PART = 128
_PAGE = 2048
_FOLDER = 0x4000


def digest_of(path):
    total = hashlib.sha256()
    page = bytearray(_PAGE)
    with open(path, "rb") as file:
        while True:
            size = file.readinto(page)
            if not size:
                return binascii.hexlify(total.digest()).decode()
            total.update(memoryview(page)[:size])


def listing(roots):
    """Print [path, size, SHA-256] of every file of these files and folders, a line each."""
    waiting = list(roots)
    while waiting:
        path = waiting.pop()
        try:
            kind, size = os.stat(path)[0], os.stat(path)[6]
        except OSError:
            continue
        if kind & _FOLDER:
            waiting += [path + "/" + entry[0] for entry in os.ilistdir(path)]
        else:
            print(json.dumps([path, size, digest_of(path)]))
        gc.collect()


def take(path, size, digest):
    """Write what comes over the wire beside path, and in its place when its SHA-256 is right."""
    new = path + ".new"
    part = bytearray(_PART + 1)
    page = bytearray(_PAGE)
    used = 0
    left = size
    source = sys.stdin.buffer
    total = hashlib.sha256()
    sys.stdout.write("+" if left <= _PART else "++")
    asked = min(left, 2 * _PART)
    with open(new, "wb") as file:
        while left:
            count = min(left, _PART)
            view = memoryview(part)[: count + 1]
            source.readinto(view)
            key = part[0]
            if key:
                for index in range(1, count + 1):
                    part[index] ^= key
            if used + count > _PAGE:
                file.write(memoryview(page)[:used])
                used = 0
            page[used : used + count] = view[1:]
            used += count
            total.update(view[1:])
            left -= count
            if asked < size:
                asked += _PART
                sys.stdout.write("+")
        file.write(memoryview(page)[:used])
    # What the wire brought, and what the flash has.
    if binascii.hexlify(total.digest()).decode() != digest or digest_of(new) != digest:
        os.remove(new)
        raise ValueError("damaged on its way")
    os.rename(new, path)


def make_folders(paths):
    for path in paths:
        try:
            os.mkdir(path)
        except OSError as error:
            if error.errno != 17:  # EEXIST
                raise


def remove(paths):
    for path in paths:
        os.remove(path)


def room():
    """Print [size of a block, free blocks] of the file system at the root."""
    found = os.statvfs("/")
    print(json.dumps([found[0], found[3]]))


def prune(folder):
    """Remove a folder with all that is in it: an empty one would still be found as a package."""
    try:
        entries = list(os.ilistdir(folder))
    except OSError:
        return
    for entry in entries:
        path = folder + "/" + entry[0]
        if entry[1] & _FOLDER:
            prune(path)
        else:
            os.remove(path)
    os.rmdir(folder)
