# SPDX-License-Identifier: MIT
"""constraints: a NameConstraints and a certificate below it; more comparisons have an end."""

from cryptography import x509

import trustanchor.limits as limits
from tests.conformance.fuzz_targets import fixtures
from trustanchor.encoding.der import Reader
from trustanchor.kinds import SEQUENCE, TAG_DNS
from trustanchor.x509 import constraints
from trustanchor.x509.certificate import Certificate
from trustanchor.x509.names import general_names

HOSTS = [x509.DNSName(host) for host in ("a.example", "example", "host001.a.example", "")]
NO_HOST = bytes.fromhex("3006a10430028200")  # excluded: every host


class Counter:
    comparisons = 0


def seeds() -> list[bytes]:
    some = [
        x509.NameConstraints(HOSTS[:1], None),
        x509.NameConstraints(None, HOSTS[1:]),
        x509.NameConstraints(HOSTS[1:2], HOSTS[2:3]),
    ]
    elements = [NO_HOST] + [element.public_bytes() for element in some]
    # Networks and a directoryName, permitted; the same, excluded.
    subtrees = bytes.fromhex(
        "300a8708c0000200ffffff00" + "30228720" + "20010db8" + "00" * 12 + "ffffffff" + "00" * 12
        + "3013a411300f310d300b06035504030c0454657374"
    )  # fmt: skip
    for tag in (b"\xa0", b"\xa1"):
        body = tag + bytes([len(subtrees)]) + subtrees
        elements.append(b"\x30" + bytes([len(body)]) + body)
    return [element + leaf for element in elements for leaf in fixtures("x509/p*.der")]


def run(data: bytes) -> None:
    reader = Reader(data)
    element = reader.element(SEQUENCE)
    certificate = Certificate(reader.element(SEQUENCE))
    counter = Counter()
    try:
        constraints.check(element, certificate, counter)
    finally:
        assert counter.comparisons <= limits.NAME_COMPARISONS + len(data)
    if element == NO_HOST and certificate.san is not None:
        assert all(tag != TAG_DNS for tag, _ in general_names(certificate.san))
