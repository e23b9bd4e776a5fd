# SPDX-License-Identifier: MIT
"""Server keys that outlive their certificates: requests for a key that exists, and the certificate
that a renewal has just left behind."""

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from host_tools.cli.errors import HostError
from host_tools.cli.output import printable
from trustanchor.errors import TrustError
from trustanchor.x509 import names


def request(key: Any, hosts: list[str]) -> bytes:
    """PEM of a certificate request for key: an empty subject and every host in the SAN."""
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise HostError(
            "Devices verify EC and RSA server keys; this key is neither.", "key.unsupported"
        )
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    san = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
    made = builder.add_extension(san, critical=True).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


def is_same_request(one: bytes, other: bytes) -> bool:
    """Whether two PEM requests ask for the same: an ECDSA signature differs each time."""
    try:
        parts = [x509.load_pem_x509_csr(pem).tbs_certrequest_bytes for pem in (one, other)]
    except ValueError:
        return False
    return parts[0] == parts[1]


def _general_name(host: str) -> x509.GeneralName:
    is_wildcard = host.startswith("*.")
    try:
        # The device's own reading of a name: a request for another one would be of no use.
        text = names.parse_reference(host[2:] if is_wildcard else host).text
    except TrustError as error:
        raise HostError(f"{printable(host, 80)!r} is no host name.", error.code) from None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return x509.DNSName(f"*.{text}" if is_wildcard else text)
    if is_wildcard:
        raise HostError(f"{printable(host, 80)!r} is no host name.", "service.host")
    return x509.IPAddress(address)


def renewed_chain(environment: Mapping[str, str] = os.environ) -> Path:
    """The full chain a renewal has written, as the ACME client names it to its hook.

    certbot --deploy-hook: RENEWED_LINEAGE, a folder. acme.sh --reloadcmd: CERT_FULLCHAIN_PATH.
    lego --renew-hook: LEGO_CERT_PATH, which has the intermediates behind the certificate.
    """
    if lineage := environment.get("RENEWED_LINEAGE"):
        return Path(lineage) / "fullchain.pem"
    for name in ("CERT_FULLCHAIN_PATH", "LEGO_CERT_PATH"):
        if path := environment.get(name):
            return Path(path)
    raise HostError(
        "No certificate was named, and no ACME client has set RENEWED_LINEAGE, "
        "CERT_FULLCHAIN_PATH or LEGO_CERT_PATH. Give the file of the full chain.",
        "input.no_such_file",
    )
