# SPDX-License-Identifier: MIT
"""The device's SPKI value of every public root equals the one OpenSSL computes.

Roots come from the system's store, when there is one, and from certifi.
"""

import functools
import hashlib
import os
import shutil
import ssl
import subprocess

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from trustanchor.state.derive import spki_of
from trustanchor.x509.certificate import Certificate

# Some roots have the serial number 0, which cryptography will refuse one day.
pytestmark = pytest.mark.filterwarnings(
    "ignore::cryptography.utils.CryptographyDeprecationWarning"
)


def stores() -> dict[str, str]:
    """Every store there is: name -> PEM file."""
    found = {"certifi": certifi.where()}
    for path in (
        ssl.get_default_verify_paths().openssl_cafile,
        "/etc/ssl/certs/ca-certificates.crt",
    ):
        if os.path.isfile(path):
            found["system"] = path
            break
    return found


@functools.cache
def roots(path: str) -> list[x509.Certificate]:
    with open(path, "rb") as file:
        return x509.load_pem_x509_certificates(file.read())


@functools.cache
def openssl_spki(der: bytes) -> bytes:
    """SPKI as the openssl command prints it."""
    command = ["openssl", "x509", "-inform", "DER", "-noout", "-pubkey"]
    pem = subprocess.run(command, input=der, capture_output=True, check=True).stdout
    return ssl.PEM_cert_to_DER_cert(pem.decode().replace("PUBLIC KEY", "CERTIFICATE"))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl command: install openssl")
@pytest.mark.parametrize("store", sorted(stores()))
def test_spki_of_every_root_equals_openssl_s(store: str) -> None:
    certificates = roots(stores()[store])
    assert len(certificates) > 50
    for certificate in certificates:
        der = certificate.public_bytes(Encoding.DER)
        expected = openssl_spki(der)
        assert bytes(spki_of(der)) == expected, certificate.subject.rfc4514_string()
        digest = hashlib.sha256(expected).digest()
        assert Certificate(der).spki_sha256 == digest, certificate.subject.rfc4514_string()


@pytest.mark.parametrize("store", sorted(stores()))
def test_every_root_parses_to_what_cryptography_reads(store: str) -> None:
    for certificate in roots(stores()[store]):
        ours = Certificate(certificate.public_bytes(Encoding.DER))
        assert bytes(ours.subject) == certificate.subject.public_bytes()
        assert bytes(ours.issuer) == certificate.issuer.public_bytes()
        assert bytes(ours.tbs) == certificate.tbs_certificate_bytes
        assert bytes(ours.signature) == certificate.signature
        assert ours.not_before == certificate.not_valid_before_utc.timestamp()
        assert ours.not_after == certificate.not_valid_after_utc.timestamp()
        assert ours.self_issued is (certificate.subject == certificate.issuer)
        try:
            basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        except x509.ExtensionNotFound:
            assert (ours.is_ca, ours.path_len) == (False, None)
        else:
            assert (ours.is_ca, ours.path_len) == (basic.ca, basic.path_length)
