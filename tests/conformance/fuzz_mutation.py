# SPDX-License-Identifier: MIT
"""Change DER where it hurts: elements are dropped, doubled, moved, and lengths stay consistent.

A byte flipped anywhere mostly breaks a length, and the reader never gets past it. Here the bytes
are taken apart into a tree first, so that what is changed is met by the rules behind the reader.
Bytes that are no DER are changed as bytes.
"""

import random
from dataclasses import dataclass, field

_CONSTRUCTED = 0x20
_BIT_STRING, _OCTET_STRING = 0x03, 0x04
_MAX_DEPTH = 24
_TAGS = bytes.fromhex("010203040506 0a0c1314161718 3031 8082858687 a0a1a2a3a4")
_VALUES = (b"", b"\0", b"\xff", b"\x80", b"\0\0", b"\xff\xff", b"\x7f" * 21, b"*", b".", b"\0a.b")


@dataclass
class Node:
    tag: int
    payload: bytes = b""
    children: "list[Node]" = field(default_factory=list)
    prefix: bytes = b""  # the unused-bits octet of a BIT STRING that holds DER

    def encode(self) -> bytes:
        body = self.payload
        if self.children:
            body = self.prefix + b"".join(child.encode() for child in self.children)
        return bytes([self.tag]) + _length(len(body)) + body


def _length(n: int) -> bytes:
    if n < 0x80:
        return bytes([n])
    octets = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def parse(data: bytes, depth: int = 0) -> list[Node] | None:
    """The elements data is made of, or None when it is no row of definite elements."""
    nodes = []
    at = 0
    while at < len(data):
        if at + 2 > len(data) or depth > _MAX_DEPTH:
            return None
        tag, length, start = data[at], data[at + 1], at + 2
        if length & 0x80:
            octets = length & 0x7F
            if not 1 <= octets <= 4:
                return None
            length = int.from_bytes(data[start : start + octets], "big")
            start += octets
        at = start + length
        if at > len(data):
            return None
        node = Node(tag, data[start:at])
        if tag & _CONSTRUCTED or tag == _OCTET_STRING:
            node.children = parse(node.payload, depth + 1) or []
        elif tag == _BIT_STRING and node.payload[:1] == b"\0":
            node.children = parse(node.payload[1:], depth + 1) or []
            node.prefix = b"\0"
        nodes.append(node)
    return nodes


def _places(siblings: list[Node]) -> list[tuple[list[Node], int]]:
    """Every node below siblings as (its row, its index)."""
    found = []
    for index, node in enumerate(siblings):
        found.append((siblings, index))
        found += _places(node.children)
    return found


def mutate(data: bytes, choose: random.Random, changes: int = 3) -> bytes:
    """Return data with one to `changes` changes; the same choose makes the same changes."""
    top = parse(data)
    if not top or choose.random() < 0.1:
        return mutate_bytes(data, choose)
    for _ in range(choose.randint(1, changes)):
        places = _places(top)
        if not places:
            break
        row, index = choose.choice(places)
        node = row[index]
        change = choose.randrange(8)
        if change == 0:
            del row[index]
        elif change == 1:
            row.insert(choose.randint(0, len(row)), node)
        elif change == 2:
            other = choose.randrange(len(row))
            row[index], row[other] = row[other], row[index]
        elif change == 3:
            source, at = choose.choice(places)
            # As bytes: a node below itself would have no end.
            row[index] = Node(source[at].tag, source[at].encode()[2:][:4096])
        elif change == 4:
            node.tag = choose.choice(_TAGS)
        elif change == 5:
            row[index] = Node(choose.choice(b"\x30\x31\x04\xa0"), node.encode())
        elif change == 6:
            row[index] = Node(node.tag, choose.choice(_VALUES))
        else:
            payload = node.encode()[1 + len(_length(len(node.payload))) :]
            row[index] = Node(node.tag, mutate_bytes(payload, choose))
    return b"".join(node.encode() for node in top)


def mutate_bytes(data: bytes, choose: random.Random) -> bytes:
    changed = bytearray(data or b"\0")
    at = choose.randrange(len(changed))
    change = choose.randrange(5)
    if change == 0:
        changed[at] ^= 1 << choose.randrange(8)
    elif change == 1:
        changed[at] = choose.randrange(256)
    elif change == 2:
        changed.insert(at, choose.randrange(256))
    elif change == 3:
        del changed[at]
    else:
        del changed[at:]
    return bytes(changed)
