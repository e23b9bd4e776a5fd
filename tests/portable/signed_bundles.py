# SPDX-License-Identifier: MIT
"""The really signed bundles of build/fixtures/bundle, and a device that decides on them."""

# isort: skip_file
import lean  # noqa: F401 - first
import os

from trustanchor.update import acceptance
from trustanchor.encoding.cbor import FileSource
from trustanchor.compat import forget
from trustanchor.limits import BUILD_AT

FOLDER = "build/fixtures/bundle/"
UNKNOWN = (BUILD_AT, 0)


class Device:
    product = None
    device_id = None


class Changed:
    """A source with one byte flipped."""

    def __init__(self, source, at):
        self.size = source.size
        self._source = source
        self._at = at % source.size

    def read(self, offset, length):
        data = bytearray(self._source.read(offset, length))
        if offset <= self._at < offset + length:
            data[self._at - offset] ^= 1
        return bytes(data)


def bundle(name):
    path = FOLDER + name
    return FileSource(open(path, "rb"), os.stat(path)[6])


def accept(record, source, loaded=()):
    # What the update before has left loaded; a board has .mpy files and room.
    forget("admit bundle names rules")
    return acceptance.accept(record, loaded, source, UNKNOWN, Device)[0]
