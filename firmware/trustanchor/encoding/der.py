# SPDX-License-Identifier: MIT
"""Read DER without copying it.

A Reader walks one memoryview from left to right and hands out sub-views. Nothing is guessed:
what BER allows and DER forbids is refused (X.690 sections 10 and 11). There is no recursion:
callers enter only the fields they know, so nesting is bounded by the code that reads, and bytes
nested a thousand levels deep are skipped as one element or refused by their tag.

    outer = Reader(der_bytes)
    body = outer.enter(SEQUENCE)    # Reader over the contents
    version = body.unsigned()
    body.finish()                   # refuses trailing bytes
    outer.finish()

Depends on: compat, errors, kinds.
Heap: 2 KB from a .mpy file; one small object per nesting level; views, never copies.
"""

from ..compat import const
from ..errors import MalformedError
from ..kinds import BIT_STRING, INTEGER, OID

_HIGH_TAG_FORM = const(0x1F)  # low five bits all ones: multi-byte tag; X.509 has none
_LONG_LENGTH = const(0x80)
_MAX_LENGTH_OCTETS = const(2)  # 65,535 bytes; limits.CERTIFICATE_BYTES is far below


class Reader:
    """A cursor over the contents of one DER value.

    view  the bytes in scope
    pos   offset of the next unread byte, relative to view; the detail of a refusal
    """

    def __init__(self, view: "bytes | bytearray | memoryview"):
        self.view = memoryview(view)
        self.pos = 0

    def more(self) -> bool:
        """Return whether an element is left."""
        return self.pos < len(self.view)

    def peek(self) -> int:
        """Return the tag of the next element, or -1 at the end."""
        return self.view[self.pos] if self.pos < len(self.view) else -1

    def read(self, tag: int) -> memoryview:
        """Return the contents of the next element, which must carry tag.

        Refuses with der.tag, der.length or der.truncated.
        """
        found, start, end = self._header()
        if found != tag:
            raise MalformedError("der.tag", self.pos)
        self.pos = end
        return self.view[start:end]

    def element(self, tag: int) -> memoryview:
        """Return the next element whole, tag and length included; it must carry tag."""
        begin = self.pos
        found, _, end = self._header()
        if found != tag:
            raise MalformedError("der.tag", begin)
        self.pos = end
        return self.view[begin:end]

    def any(self) -> "tuple[int, memoryview]":
        """Return (tag, contents) of the next element, whatever its tag."""
        tag, start, end = self._header()
        self.pos = end
        return tag, self.view[start:end]

    def optional(self, tag: int) -> "memoryview | None":
        """Return the contents of the next element if it carries tag, else None and stay."""
        return self.read(tag) if self.peek() == tag else None

    def enter(self, tag: int) -> "Reader":
        return Reader(self.read(tag))

    def finish(self) -> None:
        """Refuse bytes after the last expected element (der.trailing)."""
        if self.pos != len(self.view):
            raise MalformedError("der.trailing", self.pos)

    def integer(self) -> memoryview:
        """Return the contents of an INTEGER, two's complement, shortest form (der.integer)."""
        contents = self.read(INTEGER)
        # X.690 section 8.3.2: the first nine bits are neither all zero nor all one.
        if not contents or (
            len(contents) > 1
            and (
                (contents[0] == 0 and contents[1] < 0x80)
                or (contents[0] == 0xFF and contents[1] >= 0x80)
            )
        ):
            raise MalformedError("der.integer", self.pos)
        return contents

    def unsigned(self) -> int:
        """Return an INTEGER that may not be negative (der.integer)."""
        contents = self.integer()
        if contents[0] >= 0x80:
            raise MalformedError("der.integer", self.pos)
        return int.from_bytes(contents, "big")

    def oid(self) -> memoryview:
        """Return the contents of a well-formed OBJECT IDENTIFIER (der.oid)."""
        contents = self.read(OID)
        # X.690 section 8.19.2: an arc ends in a byte below 80 and never starts with 80.
        start = True
        for octet in contents:
            if start and octet == 0x80:
                raise MalformedError("der.oid", self.pos)
            start = octet < 0x80
        if not contents or not start:
            raise MalformedError("der.oid", self.pos)
        return contents

    def octets(self) -> memoryview:
        """Return the bytes of a BIT STRING made of whole bytes: a key, a signature."""
        contents = self.read(BIT_STRING)
        if not contents or contents[0] != 0:
            raise MalformedError("der.bit_string", self.pos)
        return contents[1:]

    def _header(self) -> "tuple[int, int, int]":
        """Return (tag, start of the contents, end of the contents)."""
        view, pos, limit = self.view, self.pos, len(self.view)
        if pos + 2 > limit:
            raise MalformedError("der.truncated", pos)
        tag, length, start = view[pos], view[pos + 1], pos + 2
        if tag & _HIGH_TAG_FORM == _HIGH_TAG_FORM:
            raise MalformedError("der.tag", pos)
        if length & _LONG_LENGTH:
            octets = length & 0x7F
            if not 1 <= octets <= _MAX_LENGTH_OCTETS:
                raise MalformedError("der.length", pos)
            if start + octets > limit:
                raise MalformedError("der.truncated", pos)
            length = int.from_bytes(view[start : start + octets], "big")
            start += octets
            # X.690 section 10.1: the shortest form that fits is the only form.
            if length < _LONG_LENGTH or (octets == 2 and length < 0x100):
                raise MalformedError("der.length", pos)
        if start + length > limit:
            raise MalformedError("der.truncated", pos)
        return tag, start, start + length
