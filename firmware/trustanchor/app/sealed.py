# SPDX-License-Identifier: MIT
"""A document of the device into a file, piece by piece, and signed with the device's own key.

    write(agent.document, file)             # JSON
    write(agent.document, file, key)        # COSE_Sign1 (RFC 9052 section 4.2) over the same JSON

After a few updates a heap may have 30 KB left and not 4 KB in one piece, so that nothing here is
whole in it. What is signed names what it is for ("trustanchor/status/1"), so that the signature is
none over anything else; the key's use in TLS signs other bytes. SPEC.md "Signed status".

Depends on: own_key, where there is a key.
Heap: 1 KB from a .mpy file, and what own_key takes.
"""

import io
import json
from hashlib import sha256

_SIGN1 = b"\xd2\x84"  # tag 18, an array of four
_PROTECTED = b"\x43\xa1\x01\x26"  # {1: -7}: ES256
_NOTHING = b"\xa0"  # no unprotected header
_CONTEXT = b"\x84\x6aSignature1"
_FOR = b"\x54trustanchor/status/1"  # external_aad


class _Pieces(io.IOBase):
    """Where json.dump() writes: counts, and gives the pieces to a hash or a binary file."""

    def __init__(self, take=None):
        self.count = 0
        self._take = take

    def write(self, piece):
        if isinstance(piece, str):
            piece = piece.encode()
        self.count += len(piece)
        if self._take is not None:
            self._take(piece)
        return len(piece)


def write(document, file, key=None) -> None:
    """Write document(), a dict, as JSON into a binary file; signed where a key is given.

    key is a P-256 key, PEM or DER; refuses with sig.private_key before anything is written.
    """
    if key is None:
        json.dump(document(), _Pieces(file.write))
        return
    from ..crypto import own_key

    scalar = own_key.scalar_of(key)
    told = document()
    counted = _Pieces()
    json.dump(told, counted)
    length = _head(counted.count)
    total = sha256(_CONTEXT + _PROTECTED + _FOR)
    total.update(length)
    json.dump(told, _Pieces(total.update))
    signature = own_key.sign(scalar, total.digest())
    for part in (_SIGN1, _PROTECTED, _NOTHING, length):
        file.write(part)
    json.dump(told, _Pieces(file.write))
    file.write(b"\x58\x40")
    file.write(signature)


def _head(length: int) -> bytes:
    """The head of a byte string, in its shortest form (RFC 8949 section 4.2.1)."""
    if length < 24:
        return bytes((0x40 | length,))
    if length < 0x100:
        return bytes((0x58, length))
    if length < 0x10000:
        return b"\x59" + length.to_bytes(2, "big")
    return b"\x5a" + length.to_bytes(4, "big")
