# SPDX-License-Identifier: MIT
"""Distinguished names: whether two of them are one (RFC 5280 section 7.1).

    same_name(leaf.issuer, anchor.name)
    name_key(name)                          # 8 bytes, for indexes

Depends on: compat, limits, der, errors.
Heap: 1.2 KB from a .mpy file; short copies of the names that are compared.
"""

from ..compat import const, sha256
from ..encoding.der import Reader
from ..errors import MalformedError
from ..kinds import OID, SEQUENCE, SET
from ..limits import NAME_ATTRIBUTES, NAME_VALUE_BYTES

# String types whose characters are compared, not their bytes.
_UTF8 = const(0x0C)
_FOLDED = b"\x0c\x13\x16"  # UTF8String, PrintableString, IA5String


def same_name(a: "bytes | memoryview", b: "bytes | memoryview") -> bool:
    """Return whether two Name elements are one name (RFC 5280 section 7.1)."""
    return a == b or parse_rdns(a) == parse_rdns(b)


def name_key(name: "bytes | memoryview") -> bytes:
    """Return 8 bytes that are equal for equal names, for indexes: a hit is then compared."""
    return sha256(*parse_rdns(name))[:8]


def parse_rdns(name: "bytes | memoryview") -> "list[bytes]":
    """Return a Name element as one canonical byte string for each RDN.

    Refuses with cert.name, cert.too_many_attributes.
    Two names are equal if and only if these are, and a directoryName subtree is a prefix of them.
    Case and insignificant space of ASCII are folded (RFC 4518 section 2.6.1), across
    PrintableString, UTF8String and IA5String; beyond ASCII bytes are compared, where RFC 5280
    wants Unicode folding (Go and webpki compare bytes everywhere), and so are other types.
    """
    whole = Reader(name)
    reader = whole.enter(SEQUENCE)
    whole.finish()
    rdns = []
    count = 0
    while reader.more():
        attributes = reader.enter(SET)
        parts = []
        while attributes.more():
            attribute = attributes.enter(SEQUENCE)
            count += 1
            if count > NAME_ATTRIBUTES:
                raise MalformedError("cert.too_many_attributes")
            kind = attribute.element(OID)
            tag, value = attribute.any()
            attribute.finish()
            if len(value) > NAME_VALUE_BYTES:
                raise MalformedError("cert.name", reader.pos)
            text = bytes(value)
            if tag in _FOLDED:
                tag = _UTF8
                text = b" ".join(text.lower().split())
            # Kind, length and tag first, so that no two lists of parts join to the same bytes.
            parts.append(bytes(kind) + len(text).to_bytes(2, "big") + bytes((tag,)) + text)
        if not parts:  # RFC 5280 section 4.1.2.4: SET SIZE (1..MAX)
            raise MalformedError("cert.name", reader.pos)
        # The order of a SET OF is that of its encodings, which folding may have changed.
        parts.sort()
        rdns.append(b"%d:" % len(parts) + b"".join(parts))
    return rdns
