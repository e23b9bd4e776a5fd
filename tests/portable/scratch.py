# SPDX-License-Identifier: MIT
"""A folder to write in, and made-up keys: what most tests of stored trust need."""

import binascii
import os

from trustanchor.compat import sha256

# Several interpreters run these tests at once in one working folder.
_MINE = "build/tmp/" + binascii.hexlify(os.urandom(6)).decode()


def empty_folder(name):
    """Return a folder that does not exist yet, for one test; the test before it lost its own."""
    _make("build")
    _make("build/tmp")
    _make(_MINE)
    for folder in os.listdir(_MINE):
        for one in os.listdir(_MINE + "/" + folder):
            os.remove(_MINE + "/" + folder + "/" + one)
        os.rmdir(_MINE + "/" + folder)
    return _MINE + "/" + name


def _make(path):
    try:
        os.mkdir(path)
    except OSError:
        pass


def key(name):
    """Return the SPKI SHA-256 of a made-up key."""
    return sha256(name.encode())
