# SPDX-License-Identifier: MIT
"""certificate: what both parsers accept, both read alike."""

import warnings

from cryptography import x509

from tests.conformance.fuzz_targets import fixtures, real_cases
from trustanchor.kinds import SERVER_AUTH
from trustanchor.state.derive import spki_of
from trustanchor.x509.certificate import Certificate
from trustanchor.x509.identity import usage
from trustanchor.x509.names import parse_reference, presented_matches

REFERENCES = [parse_reference(host) for host in ("a.example", "192.0.2.1")]


def seeds() -> list[bytes]:
    real = [der for case in real_cases() for der in case["chain"]]
    return fixtures("x509/*.der", "fuzz/*.der") + real


def run(data: bytes) -> None:
    ours = Certificate(data)
    assert spki_of(data) == ours.spki
    assert len(ours.spki_sha256) == 32
    compare(ours, data)
    # Each of these may refuse; the first that does ends the input.
    ours.has_eku(usage(SERVER_AUTH))
    for reference in REFERENCES:
        presented_matches(ours.san, reference)
    assert ours.self_issued in (True, False)


def compare(ours: Certificate, data: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            theirs = x509.load_der_x509_certificate(data)
            serial = theirs.serial_number
            begin = theirs.not_valid_before_utc
            end = theirs.not_valid_after_utc
        except ValueError:
            return  # stricter in something we do not read
    assert bytes(ours.tbs) == theirs.tbs_certificate_bytes
    assert bytes(ours.signature) == theirs.signature
    assert int.from_bytes(ours.serial, "big") == serial
    assert (ours.not_before, ours.not_after) == (begin.timestamp(), end.timestamp())
