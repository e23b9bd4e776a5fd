# SPDX-License-Identifier: MIT
"""Certificates for tests, made at run time. Everything is valid by default; a test states only
its deviation.

    root = authority("Root A")
    inter = authority("Intermediate", issuer=root)
    leaf = end_entity("device.example", issuer=inter)
    chain = [leaf.der, inter.der]

The issuer of a certificate is a key and a name, so the same `Entity.key` can be certified twice:
`authority("Intermediate", key=inter.key, issuer=other_root)` is a cross-sign.
"""

import datetime
import ipaddress
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
_CURVES: dict[str, ec.EllipticCurve] = {
    "p256": ec.SECP256R1(),
    "p384": ec.SECP384R1(),
    "p521": ec.SECP521R1(),
}
_DEFAULT: Any = object()


def make_key(kind: str = "p256") -> Any:
    """A private key: p256, p384, p521, or rsa2048, rsa3072, rsa4096, ..."""
    if kind in _CURVES:
        return ec.generate_private_key(_CURVES[kind])
    return rsa.generate_private_key(65537, int(kind.removeprefix("rsa")))


def spki_of(key: Any) -> bytes:
    """DER SubjectPublicKeyInfo of a private key."""
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def spki_sha256(key: Any) -> bytes:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(spki_of(key))
    return digest.finalize()


def name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


@dataclass
class Entity:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: Any

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    @property
    def spki(self) -> bytes:
        return spki_of(self.key)

    @property
    def pin(self) -> bytes:
        return spki_sha256(self.key)


def utc(unix_s: int) -> datetime.datetime:
    return datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=unix_s)


def issue(
    subject: x509.Name | str,
    key: Any,
    issuer: Entity | None,
    extensions: list[tuple[x509.ExtensionType, bool]],
    *,
    not_before: datetime.datetime | None = None,
    not_after: datetime.datetime | None = None,
    days: int = 90,
    hash_name: str = "sha256",
    pss: bool = False,
    issuer_name: x509.Name | None = None,
    serial: int | None = None,
    signer: Any = None,
) -> Entity:
    """Sign one certificate. issuer None: self-signed; signer overrides the key that signs.

    not_before and not_after are naive UTC; by default from yesterday, for `days` days.
    """
    subject = name(subject) if isinstance(subject, str) else subject
    start = not_before or datetime.datetime.now(datetime.UTC).replace(tzinfo=None) - DAY
    end = not_after or start + days * DAY
    signing_key = signer or (issuer.key if issuer else key)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name or (issuer.certificate.subject if issuer else subject))
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    algorithm: Any = _HASHES[hash_name]
    rsa_padding = None
    if pss:
        rsa_padding = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)
    return Entity(builder.sign(signing_key, algorithm, rsa_padding=rsa_padding), key)


def authority(
    subject: x509.Name | str,
    issuer: Entity | None = None,
    key: Any = None,
    *,
    path_length: int | None = None,
    kind: str = "p256",
    constraints: x509.NameConstraints | None = None,
    extra: list[tuple[x509.ExtensionType, bool]] | None = None,
    days: int = 3650,
    **options: Any,
) -> Entity:
    """A CA: self-signed, or certified by issuer."""
    key = key or make_key(kind)
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=True, path_length=path_length), True),
        (
            x509.KeyUsage(
                digital_signature=False,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=True,
                encipher_only=False,
                decipher_only=False,
            ),
            True,
        ),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
    ]
    signing = options.get("signer") or (issuer.key if issuer else None)
    if signing:
        aki = x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key())
        extensions.append((aki, False))
    if constraints:
        extensions.append((constraints, True))
    extensions += extra or []
    return issue(subject, key, issuer, extensions, days=days, **options)


def general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def end_entity(
    hosts: str | list[str],
    issuer: Entity | None = None,
    key: Any = None,
    *,
    kind: str = "p256",
    eku: list[x509.ObjectIdentifier] | None = _DEFAULT,
    san: bool = True,
    extra: list[tuple[x509.ExtensionType, bool]] | None = None,
    subject: x509.Name | str | None = None,
    **options: Any,
) -> Entity:
    """A server's certificate for hosts (DNS names, IP literals); issuer None: self-signed."""
    hosts = [hosts] if isinstance(hosts, str) else hosts
    key = key or make_key(kind)
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
    ]
    if eku is _DEFAULT:
        eku = [ExtendedKeyUsageOID.SERVER_AUTH]
    if eku:
        extensions.append((x509.ExtendedKeyUsage(eku), False))
    if san:
        names = x509.SubjectAlternativeName([general_name(host) for host in hosts])
        extensions.append((names, False))
    extensions += extra or []
    named = hosts[0] if subject is None else subject  # an empty name is a name
    return issue(named, key, issuer, extensions, **options)
