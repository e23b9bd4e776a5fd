# SPDX-License-Identifier: MIT
"""What a device remembers to be quick: verified paths and learned intermediates.

Losing it costs time and nothing else. Every entry has its own CRC and is checked at every read;
what stays in RAM is an index of the file and the few entries that wait to be written.

    memory = Cache("/trust/cache", now=unix_s, uptime_s=0)
    memory.remember((EVENT_PATH, key, valid_from, valid_until, value))
    memory.write_if_due(unix_s, uptime_s)       # at most once in CACHE_WRITE_S, restarts included

The tables of keys (tables.py) are a file of the same layout.

Depends on: compat, limits, local.
Heap: about 3 KB from a .mpy file; 14 bytes an entry, and entries waiting to be written.
"""

import os

from ..compat import const
from ..kinds import EVENT_INTERMEDIATES, EVENT_PATH
from ..limits import (
    CACHE_PENDING_BYTES,
    CACHE_WRITE_S,
    CACHED_PATH_BYTES,
    CACHED_PATHS,
    KEY_TABLES,
    LEARNED,
    LEARNED_BYTES,
)

# The layout of SPEC.md "Store layout": magic, time of writing, then entries of
# kind (1), length of the body (2), CRC-32 of all but itself (4), body.
_MAGIC = b"TAc1"
_HEADER = const(12)
_ENTRY = const(7)

_PATH = const(1)  # body: key (32), valid_from (8), valid_until (8), value
_INTERMEDIATE = const(2)  # body: DER
_TABLE = const(3)  # body: spki_sha256 (32), table

# Index row: kind (1), first 8 bytes of the body's key, offset of the entry (3), length (2).
_ROW = const(14)
_PIECE = const(256)  # bytes read at a time when the file is indexed
_MOST = (0, CACHED_PATHS, LEARNED, KEY_TABLES)


class Cache:
    """A file of entries, newest first, and those not yet in it."""

    def __init__(self, path: str, unix_s=0, uptime_s=0):
        self.path = path
        self.writes = 0
        self._pending: "list" = []  # (kind, body), oldest first
        self._index = bytearray()
        written_at = self._load()
        # A file of unknown age, or one from the future, may be as young as this boot.
        if written_at is None:
            self._due_at = uptime_s
        elif unix_s and 0 < written_at <= unix_s:
            self._due_at = uptime_s + max(0, CACHE_WRITE_S - (unix_s - written_at))
        else:
            self._due_at = uptime_s + CACHE_WRITE_S

    # Reading.

    def path_of(self, key: bytes):
        """Return (valid_from, valid_until, value) of a verified path, or None."""
        body = self._find(_PATH, key)
        if body is None or len(body) < 48:
            return None
        return (
            int.from_bytes(body[32:40], "big"),
            int.from_bytes(body[40:48], "big"),
            bytes(body[48:]),
        )

    # The learned certificates are a sequence, newest first: what path.py takes for a pool.

    def __len__(self):
        count = sum(1 for kind, _ in self._pending if kind == _INTERMEDIATE)
        for row in range(0, len(self._index), _ROW):
            count += self._index[row] == _INTERMEDIATE
        return count

    def __getitem__(self, index: int) -> bytes:
        """Return a certificate, DER; b"" when the file no longer holds it whole."""
        for kind, body in reversed(self._pending):
            if kind == _INTERMEDIATE:
                if index == 0:
                    return body
                index -= 1
        for row in range(0, len(self._index), _ROW):
            if self._index[row] == _INTERMEDIATE:
                if index == 0:
                    return self._read(row) or b""
                index -= 1
        return b""

    def __iter__(self):
        for index in range(len(self)):
            yield self[index]

    def _find(self, kind: int, key: bytes):
        for waiting, body in self._pending:
            if waiting == kind and body[: len(key)] == key:
                return body
        mark = bytes((kind,)) + key[:8]
        for row in range(0, len(self._index), _ROW):
            if self._index[row : row + 9] == mark:
                body = self._read(row)
                if body is not None and body[: len(key)] == key:
                    return body
        return None

    def _read(self, row: int):
        """Return the body behind an index row, or None when the file no longer holds it whole."""
        offset = int.from_bytes(self._index[row + 9 : row + 12], "big")
        length = int.from_bytes(self._index[row + 12 : row + 14], "big")
        try:
            with open(self.path, "rb") as file:
                file.seek(offset)
                entry = file.read(_ENTRY + length)
        except OSError:
            return None
        if not _is_whole(entry, length):
            return None
        return entry[_ENTRY:]

    def _load(self):
        """Index the file in one pass; return when it was written (0: unknown, None: no file)."""
        try:
            file = open(self.path, "rb")
        except OSError:
            return None
        with file:
            header = file.read(_HEADER)
            if len(header) < _HEADER or header[:4] != _MAGIC:
                return 0
            offset = _HEADER
            counts = [0, 0, 0, 0]
            while True:
                head = file.read(_ENTRY)
                if len(head) < _ENTRY:
                    break
                kind = head[0]
                length = int.from_bytes(head[1:3], "big")
                body = file.read(min(8, length))
                # After damage the length is not to be believed: what follows is forgotten.
                if not _PATH <= kind <= _TABLE or not _rest_is_whole(file, head, body, length):
                    break
                counts[kind] += 1
                if counts[kind] <= _MOST[kind]:
                    self._index += _row(kind, body, offset, length)
                offset += _ENTRY + length
        return int.from_bytes(header[4:], "big")

    # Writing.

    def remember(self, event) -> None:
        """Take EVENT_PATH and EVENT_INTERMEDIATES; what is too long is left."""
        if event[0] == EVENT_PATH:
            key, valid_from, valid_until, value = event[1:]
            if len(value) <= CACHED_PATH_BYTES and self._find(_PATH, key) is None:
                times = valid_from.to_bytes(8, "big") + valid_until.to_bytes(8, "big")
                self._add(_PATH, key + times + value)
        elif event[0] == EVENT_INTERMEDIATES:
            for der in event[1:]:
                if len(der) <= LEARNED_BYTES and not self._has_learned(der):
                    self._add(_INTERMEDIATE, bytes(der))

    def _has_learned(self, der) -> bool:
        if (_INTERMEDIATE, der) in self._pending:
            return True
        length = len(der)
        mark = bytes(der[:8])
        for row in range(0, len(self._index), _ROW):
            if (
                self._index[row] == _INTERMEDIATE
                and self._index[row + 1 : row + 9] == mark
                and int.from_bytes(self._index[row + 12 : row + 14], "big") == length
                and self._read(row) == der
            ):
                return True
        return False

    def _add(self, kind: int, body: bytes) -> None:
        waiting = len(body)
        for _, other in self._pending:
            waiting += len(other)
        if waiting <= CACHE_PENDING_BYTES:  # else it will be seen again
            self._pending.append((kind, body))

    def write_if_due(self, unix_s=0, uptime_s=0) -> bool:
        """Write what waits, unless the last write is too recent. May raise OSError.

        True when the file was written.
        """
        if not self._pending or uptime_s < self._due_at:
            return False
        # Set first: a write that fails half way has worn the flash as well.
        self._due_at = uptime_s + CACHE_WRITE_S
        self.writes += 1
        new = self.path + ".new"
        index = bytearray()
        counts = [0, 0, 0, 0]
        learned = 0
        offset = _HEADER
        with open(new, "wb") as file:
            file.write(_MAGIC + unix_s.to_bytes(8, "big"))
            for kind, body in self._newest_first():
                counts[kind] += 1
                if kind == _INTERMEDIATE:
                    learned += len(body)
                if counts[kind] > _MOST[kind] or learned > LEARNED_BYTES:
                    continue
                file.write(_sealed(kind, body))
                file.write(body)
                index += _row(kind, body, offset, len(body))
                offset += _ENTRY + len(body)
        os.rename(new, self.path)
        self._index = index
        self._pending = []
        return True

    def _newest_first(self):
        for kind, body in reversed(self._pending):
            yield kind, body
        for row in range(0, len(self._index), _ROW):
            body = self._read(row)
            if body is not None:
                yield self._index[row], body


def _row(kind: int, body: bytes, offset: int, length: int) -> bytes:
    """Return a row of the index."""
    mark = (body[:8] + bytes(8))[:8]
    return bytes((kind,)) + mark + offset.to_bytes(3, "big") + length.to_bytes(2, "big")


def _rest_is_whole(file, head: bytes, body: bytes, length: int) -> bool:
    """True when the entry's CRC holds; read in pieces, for a damaged length may be anything."""
    from binascii import crc32

    crc = crc32(body, crc32(head[:3]))
    length -= len(body)
    while length > 0 and body:
        body = file.read(min(_PIECE, length))
        length -= len(body)
        crc = crc32(body, crc)
    return length == 0 and crc == int.from_bytes(head[3:], "big")


def _sealed(kind: int, body: "bytes | memoryview") -> bytes:
    """Return the head of an entry."""
    from binascii import crc32

    head = bytes((kind,)) + len(body).to_bytes(2, "big")
    return head + crc32(body, crc32(head)).to_bytes(4, "big")


def _is_whole(entry: bytes, length: int) -> bool:
    # A view: a table is 1.5 KB, and read where the heap is fullest.
    return len(entry) == _ENTRY + length and entry[:_ENTRY] == _sealed(
        entry[0], memoryview(entry)[_ENTRY:]
    )
