# SPDX-License-Identifier: MIT
"""Certificates made of bytes, valid by default: a test states only its deviation.

    certificate(serial=tlv(0x02, b"\\xff"))
    certificate(extensions=[extension(SAN, san_of(dns(b"a.test")))])

Nothing is signed: what reads these only parses. Runs on CPython and on MicroPython.
"""

SKI, KEY_USAGE, SAN, BASIC, CONSTRAINTS, POLICIES = 14, 15, 17, 19, 30, 32
AKI, POLICY_CONSTRAINTS, EKU = 35, 36, 37

ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
SPKI = bytes.fromhex("301906072a8648ce3d0201" + "06082a8648ce3d030107" + "03040004aabb")
CRITICAL = b"\x01\x01\xff"


def tlv(tag, *parts):
    body = b"".join(parts)
    length = len(body)
    if length < 0x80:
        head = bytes((tag, length))
    elif length < 0x100:
        head = bytes((tag, 0x81, length))
    else:
        head = bytes((tag, 0x82)) + length.to_bytes(2, "big")
    return head + body


def name(*common_names):
    """A Name of one CN after the other."""
    kind = b"\x06\x03\x55\x04\x03"
    return tlv(0x30, *(tlv(0x31, tlv(0x30, kind, tlv(0x0C, cn))) for cn in common_names))


def utc(text):
    return tlv(0x17, text)


def generalized(text):
    return tlv(0x18, text)


def oid(number):
    """The OBJECT IDENTIFIER of extension 2.5.29.number."""
    return bytes((0x06, 0x03, 0x55, 0x1D, number))


def extension(number, value, critical=b""):
    return tlv(0x30, oid(number), critical, tlv(0x04, value))


CA = extension(BASIC, b"\x30\x03\x01\x01\xff", CRITICAL)


def dns(text):
    return tlv(0x82, text)


def address(*octets):
    return tlv(0x87, bytes(octets))


def directory(element):
    return tlv(0xA4, element)


def san_of(*entries):
    return tlv(0x30, *entries)


def constraints_of(permitted=None, excluded=None):
    """A NameConstraints; each argument is a list of GeneralName elements, or None."""
    parts = []
    for tag, bases in ((0xA0, permitted), (0xA1, excluded)):
        if bases is not None:
            parts.append(tlv(tag, *(tlv(0x30, base) for base in bases)))
    return tlv(0x30, *parts)


def certificate(
    version=b"\xa0\x03\x02\x01\x02",
    serial=b"\x02\x01\x05",
    inner=ECDSA_SHA256,
    issuer=None,
    validity=None,
    subject=None,
    spki=SPKI,
    unique_ids=b"",
    extensions=None,
    tbs_tail=b"",
    outer=ECDSA_SHA256,
    signature=b"\x03\x03\x00\x01\x02",
    tail=b"",
):
    if validity is None:
        validity = (utc(b"250101000000Z"), utc(b"350101000000Z"))
    tbs = tlv(
        0x30,
        version,
        serial,
        inner,
        name(b"Issuer") if issuer is None else issuer,
        tlv(0x30, *validity),
        name(b"Subject") if subject is None else subject,
        spki,
        unique_ids,
        b"" if extensions is None else tlv(0xA3, tlv(0x30, *extensions)),
        tbs_tail,
    )
    return tlv(0x30, tbs, outer, signature, tail)
