# SPDX-License-Identifier: MIT
"""Anchors as people have them: DER, PEM text, or the name of a file with either.

    anchors = anchors_of(["ca.pem"])          # a list of Anchor

A PEM text may hold several certificates. It is read as RFC 7468 section 3 allows for the careless
(white space, any line end), and whole: one block that cannot be read refuses all, because an
anchor that disappears without a word is looked for in the wrong place.

Depends on: anchors, derive, errors, limits.
Heap: 1.2 KB from a .mpy file, only while a state is made.
"""

from binascii import a2b_base64
from io import BytesIO

from ..errors import PinError
from ..limits import CERTIFICATE_BYTES
from .anchors import Anchor
from .derive import anchor_of

_BEGIN = b"-----BEGIN"
_END = b"-----END"
_LABEL = b" CERTIFICATE-----"


def anchors_of(given) -> "list[Anchor]":
    """Return the anchors of a list, or of one item alone, of Anchor, bytes and text.

    Refuses with anchor.pem, with der.* cert.* for bytes, and with anchor.* for a certificate that
    could not issue; OSError for a file that is not there.
    """
    if isinstance(given, (str, bytes, bytearray, memoryview)) or hasattr(given, "spki"):
        given = (given,)
    found: "list[Anchor]" = []
    for one in given:
        if hasattr(one, "spki"):
            found.append(one)
        elif isinstance(one, str) and "-----BEGIN" not in one:
            with open(one, "rb") as file:
                found += _read(file, file.read(1))
        elif isinstance(one, (str, bytes, bytearray, memoryview)):
            data = one.encode() if isinstance(one, str) else bytes(one)
            found += _read(BytesIO(data[1:]), data[:1])
        else:
            raise TypeError("an anchor is DER bytes, PEM text or the name of a file")
    return found


def _read(file, first: bytes):
    if first == b"\x30":  # a SEQUENCE; no line of text begins with a zero and means PEM
        return [anchor_of(first + file.read(CERTIFICATE_BYTES))]
    found: "list[Anchor]" = []
    body = None  # of the block that is open
    for line in _lines(file, first):
        if b"--" in line and _is_like_boundary(line.upper()):
            begins = line == _BEGIN + _LABEL
            if not (begins or line == _END + _LABEL) or begins is (body is not None):
                raise PinError("anchor.pem", len(found) + 1)
            if begins:
                body = b""
                continue
            try:
                found.append(anchor_of(a2b_base64(body or b"")))
            except ValueError:
                raise PinError("anchor.pem", len(found) + 1)
            body = None
        elif body is not None:
            body += line
            if len(body) > 2 * CERTIFICATE_BYTES:
                raise PinError("anchor.pem", len(found) + 1)
    if body is not None or not found:
        raise PinError("anchor.pem", len(found) + 1)
    return found


def _is_like_boundary(line: bytes) -> bool:
    # Whatever somebody may have meant as a boundary: passed over, its certificate would be lost.
    # Lines of dashes alone are how people rule their files.
    return b"BEGIN" in line or b"END" in line or (b"---" in line and line.strip(b"-") != b"")


def _lines(file, first):
    for line in file:
        for part in (first + line).split(b"\r"):  # also where that alone ends a line
            yield part.strip()
        first = b""
