# SPDX-License-Identifier: MIT
"""Certificates of ordinary shapes, each with what cryptography reads in it: test_certificate_real.

<name>.der and <name>.json, whose fields are those of certificate.Certificate, bytes as hex.
"""

import json
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.certs import pki

# Order of the bits in keyUsage, RFC 5280 section 4.2.1.3.
USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)


def expected(certificate: x509.Certificate) -> dict[str, object]:
    fields: dict[str, object] = {
        "issuer": certificate.issuer.public_bytes().hex(),
        "subject": certificate.subject.public_bytes().hex(),
        "spki": certificate.public_key()
        .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        .hex(),
        "tbs": certificate.tbs_certificate_bytes.hex(),
        "signature": certificate.signature.hex(),
        "serial": certificate.serial_number,
        "not_before": int(certificate.not_valid_before_utc.timestamp()),
        "not_after": int(certificate.not_valid_after_utc.timestamp()),
        "is_ca": False,
        "path_len": None,
        "key_usage": None,
        "ski": None,
        "aki": None,
        "dns": [],
    }
    for extension in certificate.extensions:
        value = extension.value
        if isinstance(value, x509.BasicConstraints):
            fields["is_ca"] = value.ca
            fields["path_len"] = value.path_length
        elif isinstance(value, x509.KeyUsage):
            fields["key_usage"] = sum(getattr(value, name) << i for i, name in enumerate(USAGES))
        elif isinstance(value, x509.SubjectKeyIdentifier):
            fields["ski"] = value.digest.hex()
        elif isinstance(value, x509.AuthorityKeyIdentifier):
            fields["aki"] = (value.key_identifier or b"").hex()
        elif isinstance(value, x509.SubjectAlternativeName):
            fields["dns"] = value.get_values_for_type(x509.DNSName)
    return fields


def make(folder: Path) -> None:
    def write(name: str, entity: pki.Entity) -> None:
        (folder / f"{name}.der").write_bytes(entity.der)
        (folder / f"{name}.json").write_text(json.dumps(expected(entity.certificate)))

    root = pki.authority("Root", not_after=pki.utc(253402300799))
    rsa = pki.authority("RSA", issuer=root, path_length=0, kind="rsa2048", hash_name="sha512")
    write("root", root)
    write("rsa", rsa)
    write("p256", pki.end_entity("a.example", issuer=rsa, not_after=pki.utc(2147483648)))
    write("p384", pki.end_entity(["a.example", "192.0.2.1"], kind="p384", hash_name="sha384"))
    write("p521", pki.end_entity("*.a.example", issuer=rsa, kind="p521", pss=True))
    # As many names as Let's Encrypt allows.
    write("hundred", pki.end_entity([f"host{i:03}.a.example" for i in range(100)], issuer=root))
