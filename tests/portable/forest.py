# SPDX-License-Identifier: MIT
"""Certificates that sign one another without cryptography, and a trust state above them.

A key is a number; a signature is valid when it carries the signer's number. So a test states who
signed what, and the door to cryptography is a fake that reads it:

    chain = [end_entity(signer=2), authority("Inter", "Root", 2, signer=9)]
    equal(code(chain), "ok")                  # the anchor is Root with key 9
"""

import gc

from der_maker import (
    AKI,
    BASIC,
    CRITICAL,
    SAN,
    SKI,
    SPKI,
    certificate,
    dns,
    extension,
    name,
    san_of,
    tlv,
)
from trustanchor.crypto import signatures
from trustanchor.errors import TrustError
from trustanchor.kinds import SERVER_AUTH
from trustanchor.state.anchors import Anchor, AnchorList
from trustanchor.state.local import LocalState
from trustanchor.state.model import TrustState
from trustanchor.verdict import path
from trustanchor.x509.certificate import Certificate

HOST = "device.example"
NOW = 1750000000  # der_maker's certificates are valid in 2025 to 2034
OTHER_ALGORITHM = bytes.fromhex("300906072a8648ce3d0401")  # ecdsa-with-SHA1


def key(number):
    """The SubjectPublicKeyInfo of key number."""
    return SPKI[:-2] + number.to_bytes(2, "big")


def signed(signer):
    return tlv(0x03, b"\x00" + signer.to_bytes(2, "big"))


def basic(path_len=None):
    limit = b"" if path_len is None else bytes((0x02, 0x01, path_len))
    return extension(BASIC, tlv(0x30, b"\x01\x01\xff", limit), CRITICAL)


def key_id(subject=None, issuer=None):
    """Subject and authority key identifiers, one byte each."""
    found = []
    if subject is not None:
        found.append(extension(SKI, tlv(0x04, bytes((subject,)))))
    if issuer is not None:
        found.append(extension(AKI, tlv(0x30, tlv(0x80, bytes((issuer,))))))
    return found


def authority(subject, issuer, number, signer, path_len=None, more=(), **fields):
    """A CA certificate for key number, signed with key signer."""
    return certificate(
        subject=name(subject.encode()),
        issuer=name(issuer.encode()),
        spki=key(number),
        signature=signed(signer),
        extensions=[basic(path_len)] + list(more),
        **fields,
    )


def end_entity(issuer="Inter", signer=2, number=1, host=HOST, more=(), **fields):
    return certificate(
        issuer=name(issuer.encode()),
        spki=key(number),
        signature=signed(signer),
        extensions=[extension(SAN, san_of(dns(host.encode())))] + list(more),
        **fields,
    )


def anchor(subject="Root", number=9, **policy):
    return Anchor(name(subject.encode()), key(number), **policy)


def verifying(sig_alg, spki, message, signature, table=None):
    """The fake: valid when the signature carries the number of the key."""
    yield None
    if bytes(sig_alg) == OTHER_ALGORITHM:
        from trustanchor.errors import UnsupportedError

        raise UnsupportedError("sig.unsupported")
    return bytes(signature) == bytes(spki[-2:])


class Fake:
    """The door with a fake behind it, for the time of a with block; counts what goes through."""

    def __init__(self):
        self.calls = 0

    def __enter__(self):
        self.genuine = signatures.verifying, signatures.check_key
        signatures.verifying = self.counting
        signatures.check_key = lambda spki: None
        return self

    def __exit__(self, *_):
        signatures.verifying, signatures.check_key = self.genuine

    def counting(self, *arguments):
        self.calls += 1
        return verifying(*arguments)


def state_of(anchors=None, **fields):
    return TrustState(anchors=AnchorList([anchor()] if anchors is None else anchors), **fields)


class Local(LocalState):
    """A LocalState that has learned some intermediates."""

    learned: "list[bytes]" = []


def question(state, local=None, at=NOW, known=True, purpose=SERVER_AUTH, host=HOST):
    return path.Question(at, known, purpose, host, state, local or LocalState())


def paths(chain, state=None, **asked):
    """Every valid path, as a list of VerifiedPath; refuses as search does."""
    gc.collect()
    with Fake():
        steps = path.search(
            Certificate(chain[0]), chain[1:], question(state or state_of(), **asked)
        )
        return [step for step in steps if step is not None]


def code(chain, state=None, **asked):
    """ "ok", or the code of the refusal."""
    try:
        paths(chain, state, **asked)
        return "ok"
    except TrustError as error:
        return error.code
