# SPDX-License-Identifier: MIT
"""Bundles for portable tests, made on the interpreter under test; a test states its deviation.

    data = message("state", state(SEQUENCE, 2), signers=["a1"])

A key is a name and a signature is a hash: see updating.py. Real signatures are in
test_bundle_signed.py.
"""

from trustanchor.compat import sha256
from trustanchor.limits import BUILD_AT

# Fields of a state, SPEC.md "State".
EPOCH, SEQUENCE, ISSUED, EXPIRES, AUDIENCE, AUTHORITY, BACKUP, REVERT = 1, 2, 3, 4, 5, 6, 7, 8
OVERRIDES, PROBES, PARTIAL, TRIAL, SERVICES, PIN_SETS, DENIED = 9, 10, 11, 12, 13, 14, 15
INTERMEDIATES, ANCHORS, OLD = 16, 17, 8

NOW = BUILD_AT + 100 * 86400
KNOWN = (NOW, 1)
UNKNOWN = (0, 0)

# P-256: the base point and its negative, as SubjectPublicKeyInfo.
_SPKI = bytes.fromhex(
    "3059301306072a8648ce3d020106082a8648ce3d03010703420004"
    "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
)
SPKI_1 = _SPKI + bytes.fromhex("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")
SPKI_2 = _SPKI + bytes.fromhex("b01cbd1c01e58065711814b583f061e9d431cca994cea1313449bf97c840ae0a")


def encode(value):
    """Deterministic CBOR of ints, bytes, str, True, lists and maps with small integer keys."""
    if value is True:
        return b"\xf5"
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, (bytes, bytearray)):
        return head(2, len(value)) + bytes(value)
    if isinstance(value, str):
        return head(3, len(value)) + value.encode()
    if isinstance(value, (list, tuple)):
        return head(4, len(value)) + b"".join(encode(one) for one in value)
    parts = [head(5, len(value))]
    for key in sorted(value):
        parts.append(encode(key))
        parts.append(encode(value[key]))
    return b"".join(parts)


def head(major, argument):
    first = major << 5
    if argument < 24:
        return bytes((first | argument,))
    for info, octets in ((24, 1), (25, 2), (26, 4)):
        if argument < 1 << (8 * octets):
            return bytes((first | info,)) + argument.to_bytes(octets, "big")
    return bytes((first | 27,)) + argument.to_bytes(8, "big")


def key(name, alg=-7):
    """The key record of the signer called name."""
    return [alg, name.encode()]


def kid(name, alg=-7):
    return sha256(encode(key(name, alg)))[:8]


def authority(*names, threshold=1):
    """An authority of one group."""
    return [[threshold, [key(name) for name in names]]]


def digest_of(one):
    return sha256(encode(one))


def pin(number, **fields):
    optional = ((1, "backup"), (2, "since"), (3, "until"))
    found = {field: fields[name] for field, name in optional if name in fields}
    found[0] = bytes((number,)) * 32
    return found


def state(*changes):
    """The fields of a state: one service in mode key, two pins, signer a1, backup signer b1.

    changes  field, value, field, value; a value of None removes the field
    """
    fields = {
        0: 1,
        EPOCH: 0,
        SEQUENCE: 1,
        ISSUED: NOW - 86400,
        AUTHORITY: authority("a1"),
        BACKUP: authority("b1"),
        PROBES: [{0: "web"}],
        SERVICES: [{0: "web", 1: ["web.example"], 2: 443, 4: 2, 5: "web"}],
        PIN_SETS: [{0: "web", 1: [pin(1), pin(2, backup=True)]}],
    }
    for i in range(0, len(changes), 2):
        if changes[i + 1] is None:
            fields.pop(changes[i], None)
        else:
            fields[changes[i]] = changes[i + 1]
    return fields


def link(epoch, sequence, old, new, backup=None):
    fields = {0: 1, EPOCH: epoch, SEQUENCE: sequence, AUTHORITY: new, OLD: old}
    if backup is not None:
        fields[BACKUP] = backup
    return fields


def anchor(name, spki=SPKI_1, **fields):
    """An anchor as name + key; fields by number: f3=2."""
    text = name.encode()
    attribute = b"\x06\x03\x55\x04\x03\x0c" + bytes((len(text),)) + text
    for tag in (0x30, 0x31, 0x30):
        attribute = bytes((tag, len(attribute))) + attribute
    found = {0: attribute, 1: spki}
    for field in fields:
        found[int(field[1:])] = fields[field]
    return found


def body_header(kind):
    return encode({3: "application/x.trustanchor-" + kind})


def signed_bytes(kind, payload, signer, alg=-7, aad=None):
    """The Sig_structure of RFC 9052 section 4.4."""
    aad = ("trustanchor/%s/1" % kind).encode() if aad is None else aad
    return encode(
        ["Signature", body_header(kind), encode({1: alg, 4: kid(signer, alg)}), aad, payload]
    )


def signature(kind, payload, signer, alg=-7, aad=None):
    """One entry of the signatures array, valid under fake_signatures()."""
    return [
        encode({1: alg, 4: kid(signer, alg)}),
        {},
        sha256(signer.encode(), signed_bytes(kind, payload, signer, alg, aad)),
    ]


class Kept:
    """Keeps what a hash would be given."""

    def __init__(self):
        self.data = bytearray()

    def update(self, piece):
        self.data.extend(piece)


def wrap(kind, payload, signatures):
    return b"\xd8\x62" + encode([body_header(kind), {}, payload, signatures])


def message(kind, fields, signers=("a1",)):
    payload = encode(fields)
    return wrap(kind, payload, [signature(kind, payload, signer) for signer in signers])
