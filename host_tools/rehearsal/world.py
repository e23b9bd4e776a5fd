# SPDX-License-Identifier: MIT
"""Leaves that nobody has issued yet, and signatures that are verified once.

A planned leaf has the key, names and dates that the real one will have; its CA has not signed it,
so its signature alone is taken as valid while a rehearsal runs. Every other signature is verified
by the device's own code, once for each certificate and key.
"""

import contextlib
import datetime
import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from host_tools.cli.errors import HostError
from host_tools.cli.output import printable
from host_tools.signing import inputs
from trustanchor.crypto import signatures
from trustanchor.errors import TrustError

_KEY_BYTES = 1 << 16
_EPOCH = datetime.datetime(1970, 1, 1)


def planned_leaf(
    key: Path, issuer: bytes, hosts: list[str], not_before: int, not_after: int
) -> tuple[bytes, bytes]:
    """Return (DER of the leaf, its signed part). key is a file with a certificate, a request or a
    public key, PEM; not_before and not_after are Unix seconds."""
    try:
        parent = x509.load_der_x509_certificate(issuer)
        made = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "planned")]))
            .issuer_name(parent.subject)
            .public_key(_public_key(inputs.read(key, _KEY_BYTES), printable(str(key))))
            .serial_number(x509.random_serial_number())
            .not_valid_before(_EPOCH + datetime.timedelta(seconds=not_before))
            .not_valid_after(_EPOCH + datetime.timedelta(seconds=not_after))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
            )
            .add_extension(
                x509.SubjectAlternativeName([_general_name(host) for host in hosts]),
                critical=False,
            )
            # A key that is thrown away: the signature only has to have the form of one.
            .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
        )
    except (ValueError, TypeError, OverflowError, UnsupportedAlgorithm) as error:
        raise HostError(
            f"{printable(str(key))}: no leaf can be planned ({printable(str(error))}).",
            "plan.leaf",
        ) from None
    return made.public_bytes(serialization.Encoding.DER), made.tbs_certificate_bytes


def _public_key(content: bytes, name: str) -> Any:
    blocks = inputs.pem_blocks(content, name)
    if len(blocks) != 1:
        raise ValueError(
            f"{name}: {len(blocks)} PEM blocks where one key, request or certificate is wanted"
        )
    armour = blocks[0].armour
    if blocks[0].label.endswith("CERTIFICATE REQUEST"):
        return x509.load_pem_x509_csr(armour).public_key()
    if blocks[0].label == "CERTIFICATE":
        return x509.load_pem_x509_certificate(armour).public_key()
    return serialization.load_pem_public_key(armour)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


@contextlib.contextmanager
def signatures_once(planned: frozenset[bytes]) -> Iterator[None]:
    """Inside, a signature over a planned leaf is valid, and any other is verified only once."""
    genuine = signatures.verifying
    known: dict[tuple[bytes, ...], bool | TrustError] = {}

    def verifying(sig_alg: Any, spki: Any, message: Any, signature: Any, table: Any = None) -> Any:
        body = bytes(message)
        if body in planned:
            return True
        asked = (bytes(sig_alg), bytes(spki), body, bytes(signature))
        if asked not in known:
            try:
                known[asked] = yield from genuine(sig_alg, spki, message, signature, table)
            except TrustError as error:
                known[asked] = error
        answer = known[asked]
        if isinstance(answer, TrustError):
            raise answer
        return answer

    signatures.verifying = verifying
    try:
        yield
    finally:
        signatures.verifying = genuine
