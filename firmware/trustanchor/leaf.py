# SPDX-License-Identifier: MIT
"""What mode key reads of a certificate: its key and its dates. No judgement.

    spki, not_before, not_after = key_and_dates(der_bytes)

In mode key nobody vouches for what else the certificate says: the pin names the key, and whoever
holds the key signed the rest. So the rest is skipped, element by element; Certificate reads it
where a name or a purpose is asked for.

Depends on: errors, limits, der, asn1_time.
Heap: 0.7 KB from a .mpy file.
"""

from . import limits
from .asn1_time import parse_time
from .compat import const
from .der import SEQUENCE, Reader
from .errors import MalformedError

_TAG_VERSION = const(0xA0)


def key_and_dates(der: "bytes | bytearray | memoryview") -> "tuple[memoryview, int, int]":
    """Return (subjectPublicKeyInfo whole, notBefore, notAfter); Unix seconds, both inclusive."""
    outer, tbs, _ = opened(der)
    outer.element(SEQUENCE)
    outer.octets()
    outer.finish()
    tbs.optional(_TAG_VERSION)
    tbs.integer()
    tbs.element(SEQUENCE)  # signature
    tbs.element(SEQUENCE)  # issuer
    validity = tbs.enter(SEQUENCE)
    not_before = parse_time(validity)
    not_after = parse_time(validity)
    validity.finish()
    tbs.element(SEQUENCE)  # subject
    return tbs.element(SEQUENCE), not_before, not_after


def opened(der: "bytes | bytearray | memoryview") -> "tuple[Reader, Reader, memoryview]":
    """Return (Reader after tbsCertificate, Reader in it, tbsCertificate whole)."""
    if len(der) > limits.CERTIFICATE_BYTES:
        raise MalformedError("cert.too_large", len(der))
    whole = Reader(der)
    outer = whole.enter(SEQUENCE)
    whole.finish()
    tbs = outer.element(SEQUENCE)
    return outer, Reader(tbs).enter(SEQUENCE), tbs
