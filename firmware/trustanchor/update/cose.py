# SPDX-License-Identifier: MIT
"""COSE_Sign messages (RFC 9052 section 4) in the one profile of SPEC.md "Files".

A Message is read in place: it knows where the payload and each signature lie in the source and
holds neither. What was signed is rebuilt piece by piece from the received bytes, so that a
message may be larger than the heap.

    message = yield from reading(reader)
    for signature in message.signatures:
        signature.alg, signature.kid
        valid = yield from message.verifying(signature, public_key)

Depends on: cbor, compat, errors, limits, prefix; cose_signatures when one is verified.
Heap: 2 KB from a .mpy file; 0.2 KB a signature.
"""

from ..compat import const
from ..encoding.cbor import BytesSource, Reader
from ..errors import UpdateError
from ..limits import SIGNATURE_BYTES, SIGNATURES
from .prefix import TYPES, envelope, feed

# Header parameters, RFC 9052 section 3.1.
_ALG = const(1)
_KID = const(4)
KID_BYTES = 8

_ARRAY_OF_5 = b"\x85"
_CONTEXT = b"\x69Signature"


class Signature:
    """One signature of a message.

    protected   the signer's protected header as received
    alg, kid    its two parameters
    span        (start, end) of the signature in the source
    """

    def __init__(self, protected: bytes, alg: int, kid: bytes, span: "tuple[int, int]"):
        self.protected = protected
        self.alg = alg
        self.kid = kid
        self.span = span


class Message:
    """One COSE_Sign message.

    type        STATE, RESCUE or LINK
    payload     (start, end) in the source
    signatures  at least one, each by another kid
    end         offset of what follows the message

    Refuses with cose.* what the profile does not allow, with cbor.* what is not well formed.
    """

    def __init__(self, reader: Reader):
        self.source = reader.source
        self.type, self._protected, self.payload = envelope(reader)
        self.signatures: "list[Signature]" = []
        self.end = reader.pos

    def reading(self, reader: Reader):
        """Generator: read the signatures, where the envelope has left reader."""
        kids = set()
        for _ in range(reader.array(1, SIGNATURES)):
            signature = _signature(reader)
            if signature.kid in kids:
                raise UpdateError("cose.signature_repeated")
            kids.add(signature.kid)
            self.signatures.append(signature)
            yield
        self.end = reader.pos

    def verifying(self, signature: Signature, public_key):
        """Generator: return whether signature is valid under the public key of a key record."""
        from ..crypto import cose_signatures

        start, end = signature.span
        return (
            yield from cose_signatures.verifying(
                signature.alg,
                public_key,
                _Signed(self, signature.protected),
                self.source.read(start, end - start),
            )
        )

    def feed(self, total, sign_protected: bytes):
        """Return a generator that gives the Sig_structure of RFC 9052 section 4.4 to a hash."""
        start, end = self.payload
        total.update(_ARRAY_OF_5 + _CONTEXT)
        for field in (self._protected, sign_protected, _external_aad(self.type)):
            total.update(_bytes_head(len(field)))
            total.update(field)
        total.update(_bytes_head(end - start))
        return feed(total, self.source, self.payload[0], self.payload[1])


def reading(reader: Reader):
    """Generator: return the Message at reader, whole; it yields None after each signature."""
    message = Message(reader)
    yield from message.reading(reader)
    return message


class _Signed:
    """The Sig_structure of one signature, as a message that cose_signatures.py can hash."""

    def __init__(self, message: Message, sign_protected: bytes):
        self._message = message
        self._sign_protected = sign_protected

    def feed(self, total):
        return self._message.feed(total, self._sign_protected)


def _signature(reader: Reader) -> Signature:
    if reader.array(0, 24) != 3:
        raise UpdateError("cose.shape", reader.pos)
    protected = bytes(reader.octets(0, 64))
    header = Reader(BytesSource(protected))
    alg = 0
    kid = b""
    for key in header.fields():
        if key == _ALG:
            alg = header.negative(-64)
        elif key == _KID:
            kid = bytes(header.octets(KID_BYTES, KID_BYTES))
        else:
            raise UpdateError("cose.header", key)
    header.finish()
    if not alg or not kid:
        raise UpdateError("cose.header", _KID if alg else _ALG)
    if reader.map_size():
        raise UpdateError("cose.unprotected", reader.pos)
    return Signature(protected, alg, kid, reader.span(1, SIGNATURE_BYTES))


def _external_aad(kind: int) -> bytes:
    return b"trustanchor/" + TYPES[kind] + b"/1"


def _bytes_head(length: int) -> bytes:
    """Return the head of a byte string in the shortest form (RFC 8949 section 3)."""
    if length < 24:
        return bytes((0x40 | length,))
    if length < 0x100:
        return bytes((0x58, length))
    if length < 0x10000:
        return b"\x59" + length.to_bytes(2, "big")
    return b"\x5a" + length.to_bytes(4, "big")
