# SPDX-License-Identifier: MIT
"""der.Reader: what is read whole is, byte for byte, what was there."""

from tests.conformance.fuzz_targets import fixtures
from trustanchor.encoding.der import Reader
from trustanchor.errors import TrustError
from trustanchor.kinds import BIT_STRING, INTEGER, OID
from trustanchor.x509.fields import boolean, named_bits

_BOOLEAN = 1


def seeds() -> list[bytes]:
    numbers = ("020101", "0101ff", "03020106", "0603551d11", "3003020105", "04820100" + "00" * 256)
    return fixtures("x509/*.der") + [bytes.fromhex(text) for text in numbers]


def run(data: bytes) -> None:
    walk(data, 0)


def walk(data: bytes, depth: int) -> None:
    reader = Reader(data)
    while reader.more():
        start, tag = reader.pos, reader.peek()
        element = bytes(reader.element(tag))
        assert element == data[start : reader.pos]
        contents = bytes(Reader(element).read(tag))
        assert element.endswith(contents)
        for read in readers(tag):
            try:
                value = read(Reader(element))
            except TrustError:
                continue
            if isinstance(value, int) and tag == INTEGER:
                assert value.to_bytes(len(contents), "big") == contents
        if tag & 0x20 and depth < 30:
            try:
                walk(contents, depth + 1)
            except TrustError:
                continue
    reader.finish()


def readers(tag: int):
    if tag == INTEGER:
        return (Reader.integer, Reader.unsigned)
    if tag == BIT_STRING:
        return (Reader.octets, named_bits)
    return {_BOOLEAN: (boolean,), OID: (Reader.oid,)}.get(tag, ())
