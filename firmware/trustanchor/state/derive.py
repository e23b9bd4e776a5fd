# SPDX-License-Identifier: MIT
"""What a state takes from a certificate: the key of a pin, the anchor of a root.

    pin = sha256(spki_of(certificate))
    anchor = anchor_of(root_certificate, hosts=("*.example.net",))

A certificate is read once, here; a path is judged by what was taken. Host tools derive with the
same code, so that a device never reads one differently.

Depends on: anchors, certificate, errors, identity, kinds, leaf.
Heap: 0.9 KB from a .mpy file; a verdict loads none of it.
"""

from ..errors import PinError
from ..kinds import CLIENT_AUTH, KU_KEY_CERT_SIGN, SERVER_AUTH
from ..x509.certificate import Certificate
from ..x509.identity import allows_issuing
from ..x509.leaf import key_and_dates
from .anchors import Anchor


def spki_of(der: "bytes | bytearray | memoryview") -> memoryview:
    """Return the whole subjectPublicKeyInfo element."""
    return key_and_dates(der)[0]


def anchor_of(certificate: bytes, dates=False, **policy) -> Anchor:
    """Return the anchor a CA certificate stands for; what it says of itself becomes policy.

    dates  take its validity as trust_from and trust_until
    Refuses with cert.* der.* for bytes, anchor.not_ca, anchor.key_usage, anchor.critical for a
    certificate that could not issue (RFC 5280 section 6.1.4 (k), (n), (o)), anchor.purposes for
    one whose extended key usage leaves no purpose.
    """
    root = Certificate(certificate)
    if not root.is_ca:
        raise PinError("anchor.not_ca")
    if root.key_usage is not None and not root.key_usage & KU_KEY_CERT_SIGN:
        raise PinError("anchor.key_usage")
    if root.unknown_critical is not None:
        raise PinError("anchor.critical")
    purposes = policy.get("purposes", SERVER_AUTH)
    for purpose in (SERVER_AUTH, CLIENT_AUTH):
        if not allows_issuing(root, purpose):
            purposes &= ~purpose
    if not purposes:
        raise PinError("anchor.purposes")
    policy["purposes"] = purposes
    if dates:
        policy["trust_from"] = root.not_before
        policy["trust_until"] = root.not_after
    constraints = root.name_constraints
    return Anchor(
        bytes(root.subject),
        bytes(root.spki),
        name_constraints=None if constraints is None else bytes(constraints),
        path_len=root.path_len,
        **policy,
    )
