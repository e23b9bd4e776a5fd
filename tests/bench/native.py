# SPDX-License-Identifier: MIT
"""Count the machine code in .mpy files, which no heap figure shows (py/persistentcode.c)."""

from pathlib import Path

_NATIVE_FEATURES = 0xFC  # bits of the header's feature byte that name an architecture
_PYTHON_BYTECODE, _PYTHON_NATIVE, _VIPER = 2, 3, 4  # kinds of raw code, less two: see _raw_code
_TYPE_STRING, _TYPE_BYTES, _TYPE_TUPLE = 5, 6, 10
_CONSTANTS_WITHOUT_DATA = (0, 1, 2, 3, 4)


class _Cursor:
    def __init__(self, content: bytes) -> None:
        self.content = content
        self.at = 0

    def byte(self) -> int:
        self.at += 1
        return self.content[self.at - 1]

    def number(self) -> int:
        value = 0
        while True:
            octet = self.byte()
            value = value << 7 | octet & 0x7F
            if not octet & 0x80:
                return value


def bytes_of(folder: Path) -> dict[str, int]:
    """Return {module: bytes of machine code} for the modules that have any."""
    found = {}
    for file in sorted(folder.rglob("*.mpy")):
        content = file.read_bytes()
        if content[2] & _NATIVE_FEATURES:
            found[file.stem] = _count(content)
    return found


def _count(content: bytes) -> int:
    cursor = _Cursor(content)
    cursor.at = 4
    names, constants = cursor.number(), cursor.number()
    for _ in range(names):
        length = cursor.number()
        if not length & 1:  # else an index into the interpreter's own names
            cursor.at += (length >> 1) + 1
    for _ in range(constants):
        _constant(cursor)
    return _raw_code(cursor)


def _constant(cursor: _Cursor) -> None:
    kind = cursor.byte()
    if kind in _CONSTANTS_WITHOUT_DATA:
        return
    length = cursor.number()
    if kind == _TYPE_TUPLE:
        for _ in range(length):
            _constant(cursor)
    else:
        # Strings and bytes end in a zero that the length does not count.
        cursor.at += length + (kind in (_TYPE_STRING, _TYPE_BYTES))


def _raw_code(cursor: _Cursor) -> int:
    head = cursor.number()
    kind, has_children, length = (head & 3) + _PYTHON_BYTECODE, head & 4, head >> 3
    cursor.at += length
    total = 0
    if kind != _PYTHON_BYTECODE:
        total = length
        if kind == _PYTHON_NATIVE:
            raise ValueError("native functions are not expected, only viper")
        flags = cursor.number()
        if flags & 0x20 or flags & 0x60:
            raise ValueError("relocations are not expected")
    if has_children:
        for _ in range(cursor.number()):
            total += _raw_code(cursor)
    return total
