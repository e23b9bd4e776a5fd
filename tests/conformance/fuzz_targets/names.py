# SPDX-License-Identifier: MIT
"""names: a host, a SAN and two Names; equality is one relation, and the index follows it."""

from tests.conformance.fuzz_targets import fixtures
from trustanchor.encoding.der import Reader
from trustanchor.kinds import SEQUENCE
from trustanchor.x509.certificate import Certificate
from trustanchor.x509.dn import name_key, same_name
from trustanchor.x509.names import parse_reference, pattern_matches, presented_matches

HOSTS = (
    "a.example",
    "A.Example.",
    "*.a.example",
    "192.0.2.1",
    "::ffff:192.0.2.1",
    "1::2",
    "\u212a",
)


def seeds() -> list[bytes]:
    made = []
    certificates = [Certificate(der) for der in fixtures("x509/p*.der")]
    for host in HOSTS:
        text = host.encode()
        for one in certificates:
            san = bytes(one.san or b"\x30\x00")
            head = b"\x0c" + bytes([len(text)]) + text
            made.append(head + san + bytes(one.subject) + bytes(one.issuer))
    return made


def run(data: bytes) -> None:
    reader = Reader(data)
    _, text = reader.any()
    host = bytes(text).decode("utf-8", "surrogateescape")
    san = reader.element(SEQUENCE)
    a, b = reader.element(SEQUENCE), reader.element(SEQUENCE)
    assert same_name(a, b) == same_name(b, a) == (name_key(a) == name_key(b))
    # A pattern that is none covers nothing; asking must not refuse.
    pattern_matches("*." + host, "a." + host)
    if host.startswith("*."):
        assert not pattern_matches(host, host)
    reference = parse_reference(host)
    assert (reference.dns is None) != (reference.ip is None)
    assert parse_reference(reference.text).dns == reference.dns
    assert pattern_matches(reference.text, host)
    if reference.dns is not None:
        assert reference.dns.isascii() and reference.dns == reference.dns.lower()
    presented_matches(san, reference)
