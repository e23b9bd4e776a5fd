# SPDX-License-Identifier: MIT
"""A really signed bundle, damaged, is refused on the interpreter under test."""

# isort: skip_file
import lean  # noqa: F401 - first
import os

from check import refuses
from trustanchor import update
from trustanchor.cbor import BytesSource, FileSource
from trustanchor.compat import forget
from trustanchor.limits import BUILD_AT
from trustanchor.prefix import Prefix

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
    forget("admit", "bundle", "names", "rules")
    return update.accept(record, loaded, source, UNKNOWN, Device)[0]


def test_a_changed_signature_is_refused():
    source = bundle("first")
    refuses("cose.signature_invalid", lambda: accept(None, Changed(source, -1)))


def test_a_sample_of_flipped_bytes_is_refused():
    source = bundle("first")
    before = accept(None, source)
    for at in range(7, source.size, 61):
        try:
            accept(before, Changed(bundle("rescue"), at), [Prefix(source)])
        except Exception as error:
            if not getattr(error, "code", None):
                raise
        else:
            raise AssertionError("accepted with byte %d flipped" % at)


def test_a_sample_of_truncations_is_refused():
    source = bundle("first")
    whole = source.read(0, source.size)
    for length in range(0, len(whole), 97):
        refuses("cbor.truncated", lambda length=length: accept(None, BytesSource(whole[:length])))
