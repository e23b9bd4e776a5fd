# SPDX-License-Identifier: MIT
"""`trustanchor pin`: the SPKI SHA-256 of keys, wherever they are.

A certificate's key is taken out by the device's own `derive.spki_of`, a request's by the
device's DER reader: what is printed here is what the device will compare.
"""

import argparse
import base64
import contextlib
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from host_tools.cli.errors import HostError
from host_tools.cli.output import print_json, printable
from host_tools.cli.reasons import explain
from host_tools.signing import hss_keys, inputs, keyfiles, live, signers
from host_tools.signing.bundle_encode import Key, kid
from trustanchor.compat import sha256
from trustanchor.encoding.der import Reader
from trustanchor.errors import TrustError
from trustanchor.kinds import BIT_STRING, HSS_LMS, INTEGER, OCTET_STRING, OID, SEQUENCE
from trustanchor.state import derive

# Bytes of one input. The largest thing anybody keeps in one file is a store of roots, 0.3 MB.
_INPUT_BYTES = 4 << 20

_EXAMPLE = """\
examples:
  trustanchor pin server.pem
  trustanchor pin example.net:443
  trustanchor pin alice.pub vault-1.hss
  trustanchor pin --json backup-key.pem | jq -r '.[0].spki_sha256'
"""

_CERTIFICATE_LABELS = ("CERTIFICATE", "X509 CERTIFICATE")
_REQUEST_LABELS = ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")
# What stands beside a server's certificates and has none in it.
_BESIDE_CERTIFICATES = ("PRIVATE KEY", "PARAMETERS")
_VERSION_TAG = 0xA0  # [0] of a TBSCertificate, RFC 5280 section 4.1
_ATTRIBUTES_TAG = 0xA0  # [0] of a CertificationRequestInfo, RFC 2986 section 4.1


@dataclass(frozen=True)
class Found:
    """One key and where it was found. role: leaf, intermediate, root, request, public or
    private key, HSS share; the last has no pin. signer: the id that a bundle's authority and
    signatures have of a public key; left: signatures that are left in a share."""

    source: str
    role: str
    subject: str
    key: str
    spki_sha256: bytes
    spki: bytes
    signer: str = ""
    left: int | None = None

    @property
    def base64(self) -> str:
        return base64.b64encode(self.spki_sha256).decode()

    def as_json(self) -> dict[str, object]:
        signer = {"signer_id": self.signer} if self.signer else {}
        if self.left is not None:
            signer["signatures_left"] = str(self.left)
        if not self.spki:
            return {"source": self.source, "role": self.role, "key": self.key, **signer}
        return {
            **signer,
            "source": self.source,
            "role": self.role,
            "subject": self.subject,
            "key": self.key,
            "spki_sha256": self.spki_sha256.hex(),
            "spki_sha256_base64": self.base64,
        }


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "pin",
        help="SPKI SHA-256 of certificates, requests, keys and live servers",
        description="Print the SPKI SHA-256 (RFC 7469 section 2.4) of every key in a PEM or DER "
        "file (certificate, request, public or private key), or of every certificate a live "
        "server sends. Of a signer's public key it prints the id that bundles have of it, of a "
        "share of an HSS key how many signatures are left.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "what",
        nargs="+",
        metavar="FILE|HOST:PORT",
        help="a file, - for standard input, or a server",
    )
    parser.add_argument("--json", action="store_true", help="for scripts")
    keyfiles.add_passphrase_option(parser)


def run(arguments: argparse.Namespace) -> int:
    found: list[Found] = []
    for what in arguments.what:
        try:
            found += _keys_of(what, arguments)
        except TrustError as error:
            raise HostError(f"{printable(what)}: {error.code}: {explain(error.code)}", error.code)
    if arguments.json:
        print_json([key.as_json() for key in found])
        return 0
    source = None
    for key in found:
        if key.source != source:
            source = key.source
            print(source)
        print(f"  {key.role}  {key.subject}".rstrip())
        print(f"    key     {key.key}")
        if key.spki:
            print(f"    sha256  {key.spki_sha256.hex()}")
            print(f"    base64  {key.base64}")
        if key.signer:
            print(f"    signer  {key.signer}")
        if key.left is not None:
            print(f"    left    {key.left:,} signatures, if no other copy of the file has signed")
    return 0


def _keys_of(what: str, arguments: argparse.Namespace) -> Iterator[Found]:
    if what == "-":
        yield from keys_in(sys.stdin.buffer.read(_INPUT_BYTES + 1), "standard input", arguments)
    elif "\0" in what:
        raise HostError("A file name has no NUL byte.", "input.no_such_file")
    elif live.is_url(what):
        yield from live_keys(live.parse_endpoint(what))
    elif Path(what).exists() or "/" in what or ":" not in what:
        if not what or not Path(what).exists():
            is_host = what and "/" not in what
            hint = f" A live server is HOST:PORT, as {what}:443." if is_host else ""
            raise HostError(
                f"{printable(what) or 'An empty name'}: no such file.{printable(hint)}",
                "input.no_such_file",
            )
        content = inputs.read(what, _INPUT_BYTES)
        yield from keys_in(content, printable(what), arguments)
    else:
        yield from live_keys(live.parse_endpoint(what))


def live_keys(endpoint: live.Endpoint) -> Iterator[Found]:
    """Every certificate the server sends, in its order; the first is the one whose key it has
    proved to hold."""
    for index, der in enumerate(live.fetch_chain(endpoint)):
        yield _certificate(der, str(endpoint), is_leaf=index == 0)


def keys_in(content: bytes, name: str, arguments: argparse.Namespace) -> Iterator[Found]:
    """Every key in the bytes of one PEM or DER file."""
    if not content.strip():
        raise HostError(f"{name}: empty.", "input.empty")
    if len(content) > _INPUT_BYTES:
        raise HostError(f"{name}: more than {_INPUT_BYTES >> 20} MiB.", "input.too_large")
    if hss_keys.is_holder_file(content):
        yield _share(Path(name))
        return
    blocks = inputs.pem_blocks(content, name)
    if not blocks:
        yield _der(content, name, arguments)
    elif all(block.label == "EC PARAMETERS" for block in blocks):
        raise HostError(f"{name}: no key is in it.", "input.unknown_form")
    for block in blocks:
        label = block.label
        if label == "EC PARAMETERS":
            continue  # OpenSSL writes them in front of an EC private key
        if label.endswith("PRIVATE KEY"):
            yield _private(block.armour, name, arguments)
        elif label in _CERTIFICATE_LABELS:
            yield _certificate(block.der(), name)
        elif label in _REQUEST_LABELS:
            yield _request(block.der(), name)
        elif label == "PUBLIC KEY":
            yield _public(block.der(), name)
        elif label == signers.HSS_LABEL:
            yield _hss(block.der(), name, "public key")
        elif label == "RSA PUBLIC KEY":
            yield _public(_rsa_spki(block.der(), name), name)
        else:
            raise _unread(block, "key")


def certificates_in(content: bytes, name: str) -> list[bytes]:
    """DER of every certificate in the bytes of one PEM or DER file; a key beside them is passed
    over, what may hold a certificate and is not read is refused. The DER is not looked at."""
    blocks = inputs.pem_blocks(content, name)
    if not blocks:
        return [content]
    found = []
    for block in blocks:
        if block.label in _CERTIFICATE_LABELS:
            found.append(block.der())
        elif not block.label.endswith(_BESIDE_CERTIFICATES):
            raise _unread(block, "certificate")
    if not found:
        raise _unread(blocks[0], "certificate")
    return found


def _unread(block: inputs.PemBlock, wanted: str) -> HostError:
    label = printable(block.label)
    return HostError(f"{block.where}: no {wanted} is read from {label}.", "input.unknown_form")


def _der(content: bytes, name: str, arguments: argparse.Namespace) -> Found:
    """Tell the forms apart by their first elements; each begins differently."""
    try:
        body = Reader(Reader(content).read(SEQUENCE))
        if body.peek() == INTEGER:  # a version (PKCS#8, PKCS#1, SEC 1), or PKCS#1's modulus
            body.any()
            if body.more() and body.peek() == INTEGER and _is_last(body):
                return _public(_rsa_spki(content, name), name)
            return _private(content, name, arguments)
        inner = body.enter(SEQUENCE)
        first, _ = inner.any()
        if first == OID:  # an AlgorithmIdentifier: of a public key, or of what encrypts a private
            is_encrypted = body.more() and body.peek() == OCTET_STRING
            if is_encrypted:
                return _private(content, name, arguments)
            return _public(content, name)
        if first == INTEGER:
            # A request has subject, key and [0] behind its version; a version 1 certificate has
            # signature, issuer and validity behind its serial number.
            inner.element(SEQUENCE)
            inner.element(SEQUENCE)
            if inner.more() and inner.peek() == _ATTRIBUTES_TAG:
                return _request(content, name)
    except TrustError as error:
        if content[:1] == b"\x30":
            raise
        raise HostError(
            f"{name}: neither PEM nor DER ({error.code}).", "input.unknown_form"
        ) from None
    return _certificate(content, name)


def found_in_certificate(der: bytes, name: str, index: int) -> Found:
    """The key of the certificate that a server sent at index; it may be one that no device
    reads."""
    try:
        return _certificate(der, name, is_leaf=index == 0)
    except TrustError as error:
        role = f"certificate (refused by the device: {error.code})"
        return Found(name, role, printable(_subject(der)), "not read", b"", b"")


def _certificate(der: bytes, name: str, is_leaf: bool = False) -> Found:
    spki = bytes(derive.spki_of(der))
    role = "leaf"
    if not is_leaf:
        try:
            parsed = derive.Certificate(der)
            if parsed.is_ca:
                role = "root" if parsed.self_issued else "intermediate"
        except TrustError as error:
            role = f"certificate (refused by the device: {error.code})"
    return _found(name, role, _subject(der), spki)


def _is_last(body: Reader) -> bool:
    body.any()
    return not body.more()


def _private(content: bytes, name: str, arguments: argparse.Namespace) -> Found:
    is_pem = content.startswith(b"-----BEGIN")
    key = keyfiles.load_private_key(content, arguments, name, is_pem)
    return _found(name, "private key", "", keyfiles.public_der(key))


def _request(der: bytes, name: str) -> Found:
    """RFC 2986 section 4.1: version, subject, subjectPKInfo, attributes."""
    outer = Reader(der)
    body = outer.enter(SEQUENCE)
    outer.finish()
    info = body.enter(SEQUENCE)
    info.element(INTEGER)
    info.element(SEQUENCE)
    spki = bytes(info.element(SEQUENCE))
    subject = ""
    try:
        subject = x509.load_der_x509_csr(der).subject.rfc4514_string()
    except (ValueError, x509.InvalidVersion):
        pass  # only a label; the key is what counts
    return _found(name, "request", subject, spki)


def _public(spki: bytes, name: str) -> Found:
    outer = Reader(spki)
    body = outer.enter(SEQUENCE)
    outer.finish()
    body.enter(SEQUENCE).oid()
    body.read(BIT_STRING)
    body.finish()
    found = _found(name, "public key", "", spki)
    with contextlib.suppress(HostError, ValueError, UnsupportedAlgorithm):  # it signs no bundles
        record = signers.key_record(serialization.load_der_public_key(spki), name)
        found = replace(found, signer=kid(Key(*record)).hex())
    return found


def _hss(public: bytes, name: str, role: str, left: int | None = None) -> Found:
    """A key of RFC 8554: no server has one, so it has no pin."""
    signer = kid(Key(HSS_LMS, public)).hex()
    return Found(name, role, "", "HSS/LMS", b"", b"", signer, left)


def _share(path: Path) -> Found:
    public, left = hss_keys.remaining(path)
    return _hss(public, str(path), "HSS share", left)


def _rsa_spki(der: bytes, name: str) -> bytes:
    """SubjectPublicKeyInfo around a PKCS#1 key, which has the numbers without the algorithm."""
    try:
        key = serialization.load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        raise HostError(f"{name}: not an RSA public key.", "input.unknown_form") from None
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _found(source: str, role: str, subject: str, spki: bytes) -> Found:
    return Found(source, role, printable(subject), _describe(spki), sha256(spki), spki)


def _subject(der: bytes) -> str:
    """The subject for people to read; a certificate that cryptography refuses has none."""
    try:
        # It warns about old roots' serial numbers; the pin stands whatever their number is.
        with warnings.catch_warnings(action="ignore"):
            return x509.load_der_x509_certificate(der).subject.rfc4514_string()
    except (ValueError, x509.InvalidVersion):
        return ""


def _describe(spki: bytes) -> str:
    try:
        key = serialization.load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm):
        return "of a kind this host does not know"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.curve.name}"
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    if isinstance(key, dsa.DSAPublicKey):
        return f"DSA {key.key_size}"
    return type(key).__name__.removeprefix("_").removesuffix("PublicKey")
