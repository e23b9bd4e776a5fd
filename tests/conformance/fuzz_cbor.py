# SPDX-License-Identifier: MIT
"""Change a bundle where it hurts: a value of it, with the lengths and counts around put right.

A byte flipped anywhere mostly breaks a length, and the reader never gets past it. Here a file is
taken apart once (Shape: where each value lies, in the payload and the protected headers too), and
a mutation is a few splices of its bytes. A key record that changed is given its new kid, so that
what it says is read as its owner's and not refused as a stranger's.
"""

import hashlib
import random
from dataclasses import dataclass

import cbor2

from tests.conformance import fuzz_mutation

_UINT, _BYTES, _TEXT, _ARRAY, _MAP, _TAG = 0, 2, 3, 4, 5, 6
_LONGEST = 6000

# What stands where something else is expected. The last line is not deterministic CBOR at all.
_VALUES: list[bytes] = [
    *(cbor2.dumps(n) for n in (0, 1, 2, 3, 4, 10, 16, 17, 23, 24, 100, 255, 256, 65535, 65536)),
    *(cbor2.dumps(n) for n in (-1, -7, -37, -46, -64, -65, 59, 60, 2**30 - 1, 2**30, 2**32 - 1)),
    *(cbor2.dumps(n) for n in (2**32, 2**63, 2**64 - 1, 253402300799, 253402300800, 31536001)),
    *(cbor2.dumps(text) for text in ("", "a", "*", "*.", "*.a", "a.", "192.0.2.1", "::1")),
    cbor2.dumps("b" * 33),
    *(cbor2.dumps(text) for text in ("*.example.net", "small", "revert", "\x7f", "\0", "x" * 254)),
    *(cbor2.dumps(octets) for octets in (b"", b"\0", b"\x30\0", b"\1" * 32, b"\2" * 64)),
    *map(cbor2.dumps, ([], {}, [[]], {0: 1}, [1, 2], {23: [0]}, True, [True])),
    *map(cbor2.dumps, (False, None, 1.5, cbor2.CBORTag(98, []), {24: 0}, {-1: 0})),
    *map(bytes.fromhex, ("1801", "190001", "5800", "5f41ff", "9fff", "bfff", "1c", "fc", "f8f5")),
    *map(bytes.fromhex, ("81" * 40, "9b7fffffffffffffff", "5bffffffffffffffff", "bb00000001")),
]  # fmt: skip


@dataclass(slots=True)
class Node:
    """One value: data[begin:end], its contents from body on."""

    begin: int
    body: int
    end: int
    major: int
    parent: int  # index of the array, map, tag or opened byte string around it; -1: none
    key: int = -1  # index of the key, where this is the value of a map
    opened: bool = False  # a byte string taken apart: a payload or a protected header


class Shape:
    """A file and where its values lie. Bytes that are no well-formed file have no shape."""

    def __init__(self, data: bytes):
        self.data = data
        self.nodes: list[Node] = []
        self.signed: list[tuple[int, int, list[int]]] = []  # key record, and the kids that name it
        at = 0
        while at < len(data):
            first = len(self.nodes)
            at = self._take(at, -1, "message")
            self._find_kids(first)
        self._opened = [index for index, node in enumerate(self.nodes) if node.opened]

    def _take(self, at: int, parent: int, what: str = "", key: int = -1) -> int:
        """Add the value at `at` and all below it; return its end."""
        data = self.data
        begin, first = at, data[at]
        major, argument = first >> 5, first & 31
        at += 1
        if argument > 27:
            raise ValueError(begin)
        if argument > 23:
            octets = 1 << (argument - 24)
            argument = int.from_bytes(data[at : at + octets], "big")
            at += octets
        index = len(self.nodes)
        node = Node(begin, at, at, major, parent, key)
        self.nodes.append(node)
        if major in (_BYTES, _TEXT):
            node.end = at + argument
            if node.end > len(data):
                raise ValueError(begin)
            if what in ("header", "payload"):
                node.opened = True
                if self._take(at, index) != node.end:
                    raise ValueError(begin)
        elif major == _TAG:
            node.end = self._take(at, index, what)
        elif major == _ARRAY:
            parts = {"message": "header,,payload,signers", "signature": "header,,"}.get(what, "")
            names = parts.split(",") if parts else []
            for number in range(argument):
                below = names[number] if number < len(names) else ""
                at = self._take(at, index, "signature" if what == "signers" else below)
            node.end = at
        elif major == _MAP:
            for _ in range(argument):
                key_index = len(self.nodes)
                at = self._take(at, index)
                at = self._take(at, index, "", key_index)
            node.end = at
        return node.end

    def _find_kids(self, first: int) -> None:
        """Note each key record of the last message that a kid in it names."""
        records: dict[bytes, list[int]] = {}
        kids: dict[bytes, list[int]] = {}
        for index in range(first, len(self.nodes)):
            node = self.nodes[index]
            body = self.data[node.body : node.end]
            if node.major == _ARRAY and self.data[node.begin] == 0x82 and body[:1] > b"\x1f":
                kid = hashlib.sha256(self.data[node.begin : node.end]).digest()[:8]
                records.setdefault(kid, []).append(index)
            elif node.major == _BYTES and len(body) == 8:
                kids.setdefault(body, []).append(index)
        for kid, where in records.items():
            for index in where:
                if kid in kids:
                    node = self.nodes[index]
                    self.signed.append((node.begin, node.end, kids[kid]))

    def mutate(self, choose: random.Random, others: "list[Shape]") -> bytes:
        """Return the file with one to three values changed; others lend theirs."""
        draw = choose.random
        if draw() < 0.04:
            return fuzz_mutation.mutate_bytes(self.data, choose)
        edits: list[tuple[int, int, bytes]] = []
        counts: dict[int, int] = {}
        nodes = self.nodes
        for _ in range(1 + int(draw() * draw() * 3)):
            index = int(draw() * len(nodes))
            node = nodes[index]
            edit = self._edit(node, choose, others, counts)
            if edit is not None and all(edit[1] <= s or e <= edit[0] for s, e, _ in edits):
                edits.append(edit)
        grown: dict[int, int] = {}
        for index, more in counts.items():
            node = nodes[index]
            count = _count(self.data, node) + more
            if count >= 0 and all(node.body <= s or e <= node.begin for s, e, _ in edits):
                edits.append((node.begin, node.body, _head(node.major, count)))
        if self.signed and draw() < 0.8:
            self._name_again(edits)
        for begin, end, new in edits:
            if len(new) == end - begin:
                continue
            for index in self._opened_around(begin, end):
                grown[index] = grown.get(index, 0) + len(new) - (end - begin)
        for index, more in grown.items():
            node = nodes[index]
            edits.append((node.begin, node.body, _head(_BYTES, node.end - node.body + more)))
        return _spliced(self.data, 0, len(self.data), edits)

    def _opened_around(self, begin: int, end: int) -> list[int]:
        return [
            index
            for index in self._opened
            if self.nodes[index].body <= begin and end <= self.nodes[index].end
        ]

    def _edit(
        self,
        node: Node,
        choose: random.Random,
        others: "list[Shape]",
        counts: dict[int, int],
    ) -> "tuple[int, int, bytes] | None":
        data, draw = self.data, choose.random
        begin, body, end = node.begin, node.body, node.end
        change = int(draw() * 12)
        if change < 3:  # as many values as before, one of them another
            if node.major == _UINT and change:
                n = max(0, _count(data, node) + (1, -1, 256, -86400)[int(draw() * 4)])
                return begin, end, _head(_UINT, n & (1 << 64) - 1)
            return begin, end, _VALUES[int(draw() * len(_VALUES))]
        if change < 6 and node.major in (_BYTES, _TEXT) and not node.opened:
            new = _changed(data[body:end], choose)
            return begin, end, _head(node.major, len(new)) + new
        if change < 8:  # what stands elsewhere, of the same type where there is one
            other = others[int(draw() * len(others))] if change == 6 else self
            for _ in range(8):
                lent = other.nodes[int(draw() * len(other.nodes))]
                if lent.major == node.major:
                    break
            return begin, end, other.data[lent.begin : lent.end][:_LONGEST]
        if change == 8:  # two places changed into one another, as far as one edit can
            at = body + int(draw() * (end - body)) if end > body else begin
            return at, at + 1, bytes((data[at] ^ 1 << int(draw() * 8),))
        if node.parent < 0 or self.nodes[node.parent].major not in (_ARRAY, _MAP):
            return (begin, begin, data[begin:end]) if change == 9 else (end, end, b"\0")
        around = self.nodes[node.parent]
        if around.major == _MAP:
            if node.key < 0:  # a key becomes another
                return begin, end, _head(_UINT, int(draw() * 26))
            begin = self.nodes[node.key].begin
        if change == 9:  # gone
            counts[node.parent] = counts.get(node.parent, 0) - 1
            return begin, end, b""
        copies = 1 if draw() < 0.9 else 20
        counts[node.parent] = counts.get(node.parent, 0) + copies
        if around.major == _MAP:
            first = data[begin] + 1
            new = b"".join(_head(_UINT, first + i) + data[node.begin : end] for i in range(copies))
            return end, end, new[:_LONGEST]
        return end, end, (data[begin:end] * copies)[:_LONGEST]

    def _name_again(self, edits: list[tuple[int, int, bytes]]) -> None:
        """Add what gives each changed key record its kid."""
        named = set()
        for begin, end, kids in self.signed:
            inside = [edit for edit in edits if begin <= edit[0] and edit[1] <= end]
            if not inside:
                continue
            kid = hashlib.sha256(_spliced(self.data, begin, end, inside)).digest()[:8]
            for index in kids:
                node = self.nodes[index]
                if index not in named and all(
                    node.end <= s or e <= node.begin for s, e, _ in edits
                ):
                    named.add(index)
                    edits.append((node.body, node.end, kid))


def _changed(contents: bytes, choose: random.Random) -> bytes:
    """The contents of a string, changed: as DER sometimes, else as bytes."""
    if len(contents) > 12 and contents[0] == 0x30 and choose.random() < 0.5:
        return fuzz_mutation.mutate(contents, choose)
    return fuzz_mutation.mutate_bytes(contents, choose)


def _count(data: bytes, node: Node) -> int:
    if node.body - node.begin == 1:
        return data[node.begin] & 31
    return int.from_bytes(data[node.begin + 1 : node.body], "big")


def _head(major: int, argument: int) -> bytes:
    first = major << 5
    if argument < 24:
        return bytes((first | argument,))
    for info, octets in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << (8 * octets):
            return bytes((first | info,)) + argument.to_bytes(octets, "big")
    raise ValueError(argument)


def _spliced(data: bytes, at: int, end: int, edits: list[tuple[int, int, bytes]]) -> bytes:
    parts = []
    for begin, after, new in sorted(edits):
        parts.append(data[at:begin])
        parts.append(new)
        at = after
    parts.append(data[at:end])
    return b"".join(parts)
