# SPDX-License-Identifier: MIT
"""Where a bundle ends in a stream that does not end with it.

    extent = Extent()
    while extent.goes_on(source):
        extent.follow(source.read(min(512, extent.wanted)))

Only for connections: what is a file is read to its end.

Depends on: compat, limits.
Heap: 1.5 KB from a .mpy file, only while a bundle comes over a connection.
"""

import select

from ..compat import const
from ..limits import BUNDLE_BYTES

_MORE_MS = const(200)  # what follows a whole message on a connection comes with it, or soon


class Extent:
    """Follows the heads of CBOR items (RFC 8949 section 3) and tells where an item ends.

    is_whole  the bytes so far are whole items
    wanted    how many bytes there are at least before the next head or the end
    """

    def __init__(self):
        self.is_whole = False
        self.wanted = 1
        self._items = 0  # still to come below the one that is open, itself included
        self._kind = -1  # of a head whose number is being read; -1: the next byte is a head
        self._number = 0
        self._left = 0  # bytes of that number, or of a string's content

    def goes_on(self, source) -> bool:
        """False at the end of a whole item behind which source has nothing, without a wait."""
        if not self.is_whole:
            return True
        try:
            poller = select.poll()
            poller.register(source, select.POLLIN)
            return bool(poller.poll(_MORE_MS))
        except (AttributeError, OSError, TypeError, ValueError):
            return True  # no stream that can be waited for: reading it tells

    def follow(self, piece):
        at = 0
        while at < len(piece):
            if self._kind < 0 and not self._left:
                at += 1
                self._begin(piece[at - 1])
            elif self._kind < 0:
                took = min(self._left, len(piece) - at)
                at += took
                self._left -= took
            else:
                self._number = self._number << 8 | piece[at]
                at += 1
                self._left -= 1
                if not self._left:
                    self._head(self._kind, self._number)
        self.wanted = self._left or 1
        self.is_whole = not self._items and not self._left and self._kind < 0

    def _begin(self, head):
        if not self._items:
            self._items = 1
        short = head & 31
        if short < 24:
            self._head(head >> 5, short)
        elif short < 28:
            self._kind = head >> 5
            self._number = 0
            self._left = 1 << (short - 24)
        else:
            self._endless()

    def _head(self, major, number):
        self._kind = -1
        self._left = 0
        if number > BUNDLE_BYTES and 2 <= major <= 5:
            self._endless()
        elif major in (2, 3):
            self._left = number
            self._items -= 1
        elif major in (4, 5):
            self._items += number * (major - 3) - 1
        elif major != 6:  # a tag has its item still to come
            self._items -= 1

    def _endless(self):
        """No bundle, as whoever reads it will say: all there is is taken."""
        self._kind = -1
        self._left = BUNDLE_BYTES
