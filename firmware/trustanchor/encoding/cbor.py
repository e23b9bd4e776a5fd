# SPDX-License-Identifier: MIT
"""Read deterministic CBOR (RFC 8949 section 4.2.1, narrowed by SPEC.md "Encoding") in pieces.

A Reader walks a source from left to right and never holds more of it than one string. Nothing is
guessed: what the encoding rules forbid is refused, so that one value has one encoding. The caller
knows which item must come next; nesting is bounded by the code that reads, and by a depth where
an unknown value is skipped.

    reader = Reader(BytesSource(data))
    for key in reader.fields():         # a map: increasing keys 0 to 23
        if key == 1:
            epoch = reader.uint(0, 10)
        else:
            reader.skip()
    reader.finish()                     # refuses trailing bytes

A source has `size` and `read(offset, length)`, which returns exactly length bytes.

Depends on: compat, errors, limits.
Heap: 3 KB from a .mpy file; a window of 64 bytes a Reader.
"""

from ..compat import const
from ..errors import MalformedError
from ..limits import SKIPPED_ITEMS

# Major types, RFC 8949 section 3.1.
_UNSIGNED = const(0)
_NEGATIVE = const(1)
_BYTES = const(2)
_TEXT = const(3)
_ARRAY = const(4)
_MAP = const(5)
_TAG = const(6)
_SIMPLE = const(7)

_TRUE = const(0xF5)
_MAX_KEY = const(23)  # the keys of one byte, RFC 8949 section 3
_MAX_DEPTH = const(8)  # a state nests five deep
_WINDOW = const(64)  # bytes read ahead for heads; a head has at most nine


class BytesSource:
    """A source over bytes in RAM; read() returns views.

    size  of the whole, where only its beginning has come
    """

    def __init__(self, data: "bytes | bytearray | memoryview", size: "int | None" = None):
        self._view = memoryview(data)
        self.size = len(self._view) if size is None else size

    def read(self, offset: int, length: int) -> "bytes | memoryview":
        if offset + length > len(self._view):
            raise MalformedError("cbor.truncated", len(self._view))
        return self._view[offset : offset + length]


class FileSource:
    """A source over an open binary file; read() returns copies."""

    def __init__(self, file, size: int):
        self._file = file
        self.size = size

    def read(self, offset: int, length: int) -> bytes:
        if offset + length > self.size:
            raise MalformedError("cbor.truncated", self.size)
        self._file.seek(offset)
        data = self._file.read(length)
        if len(data) != length:
            raise MalformedError("cbor.truncated", offset + len(data))
        return data


class Reader:
    """A cursor over the items between two offsets of a source.

    pos  offset of the next unread byte in the source; the detail of a refusal
    """

    _count = -1  # items that may still be stepped over; below 0: any number

    def __init__(self, source, start: int = 0, end: "int | None" = None):
        self.source = source
        self.pos = start
        self.end = source.size if end is None else end
        self._window = b""
        self._base = start

    def more(self) -> bool:
        return self.pos < self.end

    def finish(self) -> None:
        """Refuse bytes after the last expected item (cbor.trailing)."""
        if self.pos != self.end:
            raise MalformedError("cbor.trailing", self.pos)

    def uint(self, low: int, high: int) -> int:
        """Return an unsigned integer from low to high (cbor.range)."""
        return self._number(_UNSIGNED, low, high)

    def negative(self, low: int) -> int:
        """Return a negative integer from low to -1 (cbor.range)."""
        return -1 - self._number(_NEGATIVE, 0, -1 - low)

    def true(self) -> bool:
        """Read the value true; false is written by leaving the field out (cbor.type)."""
        self._head(_SIMPLE)
        return True

    def octets(self, low: int, high: int) -> "bytes | memoryview":
        """Return a byte string of low to high bytes (cbor.range)."""
        return self._take(self._length(_BYTES, low, high))

    def span(self, low: int, high: int) -> "tuple[int, int]":
        """Step over a byte string of low to high bytes; return (start, end) of its contents."""
        length = self._length(_BYTES, low, high)
        start = self.pos
        self.pos += length
        return start, self.pos

    def text(self, low: int, high: int) -> str:
        """Return a text of low to high printable ASCII characters (cbor.range cbor.text)."""
        return str(self._printable(self._length(_TEXT, low, high)), "utf-8")

    def array(self, low: int, high: int) -> int:
        """Enter an array of low to high items; return their number (cbor.range)."""
        return self._number(_ARRAY, low, high)

    def tag(self, number: int) -> None:
        """Read exactly this tag (cbor.tag)."""
        begin = self.pos
        if self._head(_TAG) != number:
            raise MalformedError("cbor.tag", begin)

    def fields(self):
        """Enter a map; yield its keys. The value of each must be read before the next.

        Refuses keys that are not 0 to 23 (cbor.key), a key that came before (cbor.duplicate) and
        a key after a greater one (cbor.order).
        """
        count = self._number(_MAP, 0, _MAX_KEY + 1)
        before = -1
        for _ in range(count):
            begin = self.pos
            key = self._byte()
            if key > _MAX_KEY:
                raise MalformedError("cbor.key", begin)
            if key <= before:
                raise MalformedError("cbor.duplicate" if key == before else "cbor.order", begin)
            before = key
            yield key

    def map_size(self) -> int:
        """Enter a map; return the number of its fields. For maps that must be empty."""
        return self._head(_MAP)

    def skip(self, depth: int = _MAX_DEPTH) -> None:
        """Step over one value of any allowed type, at most depth deep (cbor.depth cbor.text).

        Within skip_within() it is at most SKIPPED_ITEMS items (cbor.range).
        """
        begin = self.pos
        if not self._count:
            raise MalformedError("cbor.range", begin)
        self._count -= 1
        major, argument = self._any_head()
        if major == _TAG:
            raise MalformedError("cbor.tag", begin)
        if major in (_BYTES, _TEXT):
            if argument > self.end - self.pos:
                raise MalformedError("cbor.truncated", self.end)
            if major == _BYTES:
                self.pos += argument
                return
            while argument:  # in pieces: what is stepped over may be larger than the heap
                piece = min(argument, _WINDOW)
                self._printable(piece)
                argument -= piece
        elif major in (_ARRAY, _MAP):
            if not depth:
                raise MalformedError("cbor.depth", begin)
            # Every item has a byte at least: a count beyond that ends before the loop begins.
            if argument > self.end - self.pos:
                raise MalformedError("cbor.truncated", self.end)
            if major == _ARRAY:
                for _ in range(argument):
                    self.skip(depth - 1)
            else:
                self.pos = begin
                for _ in self.fields():
                    self.skip(depth - 1)

    def skip_within(self, most: int) -> None:
        """Step over one value of at most that many bytes, and never read beyond them (cbor.range).

        What nobody signed yet must not take more work than what is allowed would.
        """
        begin = self.pos
        end = self.end
        self.end = min(end, begin + most)
        self._count = SKIPPED_ITEMS
        try:
            self.skip()
        except MalformedError as error:
            if error.code == "cbor.truncated" and self.end < end:
                raise MalformedError("cbor.range", begin)
            raise
        finally:
            self.end = end
            self._count = -1

    def _printable(self, count: int):
        contents = self._take(count)
        # Both are loops in C: a text may be as long as an authority.
        if contents and (min(contents) < 0x20 or max(contents) > 0x7E):
            raise MalformedError("cbor.text", self.pos)
        return contents

    def _byte(self) -> int:
        """Take one byte, mostly without making a slice of it."""
        at = self.pos - self._base
        if not 0 <= at < len(self._window):
            return self._take(1)[0]
        self.pos += 1
        return self._window[at]

    def _take(self, count: int):
        at = self.pos - self._base
        if at < 0 or at + count > len(self._window):
            left = self.end - self.pos
            if count > left:
                raise MalformedError("cbor.truncated", self.end)
            self._window = self.source.read(self.pos, min(left, max(count, _WINDOW)))
            self._base = self.pos
            at = 0
        self.pos += count
        return self._window[at : at + count]

    def _any_head(self) -> "tuple[int, int]":
        """Return (major type, argument) of the next item (cbor.length cbor.indefinite)."""
        begin = self.pos
        first = self._byte()
        major = first >> 5
        if major == _SIMPLE and first != _TRUE:
            raise MalformedError("cbor.simple", begin)
        argument = first & 0x1F
        if argument >= 24 and major != _SIMPLE:
            if argument > 27:
                # 28 to 30 are reserved, RFC 8949 section 3; 31 opens an indefinite length.
                raise MalformedError("cbor.indefinite" if argument == 31 else "cbor.length", begin)
            octets = 1 << (argument - 24)
            argument = int.from_bytes(self._take(octets), "big")
            # RFC 8949 section 4.2.1: the shortest form that fits is the only form.
            if argument < 24 or (octets > 1 and argument >> (4 * octets) == 0):
                raise MalformedError("cbor.length", begin)
        return major, argument

    def _head(self, wanted: int) -> int:
        begin = self.pos
        major, argument = self._any_head()
        if major != wanted:
            raise MalformedError("cbor.type", begin)
        return argument

    def _number(self, major: int, low: int, high: int) -> int:
        begin = self.pos
        argument = self._head(major)
        if not low <= argument <= high:
            raise MalformedError("cbor.range", begin)
        return argument

    def _length(self, major: int, low: int, high: int) -> int:
        length = self._number(major, low, high)
        if length > self.end - self.pos:
            raise MalformedError("cbor.truncated", self.end)
        return length
