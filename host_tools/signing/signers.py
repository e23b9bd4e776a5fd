# SPDX-License-Identifier: MIT
"""Who signs: one interface, and where the key lives is a name.

    NAME.pem                             encrypted PEM file, ES256 or PS256
    NAME.hss                             HSS holder file (hss_keys.py) with its ledger
    pkcs11:token=T;object=O?module-path=M  a key in a PKCS#11 token (RFC 7512)

A signer signs the Sig_structure (RFC 9052 section 4.4) as bytes and returns the signature in the
form COSE carries: r || s for ES256, the RSA-PSS signature for PS256, the hss_signature for
HSS-LMS. A fourth kind has no class: *detached* signing writes the Sig_structure to a file and
brings a signature back (commands/bundle.py).
"""

import argparse
import base64
import contextlib
import getpass
import hashlib
import os
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from host_tools.cli.errors import HostError
from host_tools.cli.output import console, printable
from host_tools.signing import hss_keys, inputs, keyfiles
from trustanchor.kinds import ES256, HSS_LMS, PS256

ALGORITHM_NAMES = {ES256: "ES256", PS256: "PS256", HSS_LMS: "HSS-LMS"}

PIN_VARIABLE = "TRUSTANCHOR_PIN"
LEDGER_NAME = "hss-ledger.jsonl"
_PSS_SALT_BYTES = 32  # the length of the hash, RFC 8230 section 2
_P256_BYTES = 32
_RSA_BITS = (2048, 3072, 4096)
_URI_ATTRIBUTES = ("token", "object", "module-path")
_KEY_FILE_BYTES = 1 << 20


class Signer(Protocol):
    """alg and public are the two fields of the key record (SPEC.md, Authority)."""

    alg: int
    public: bytes

    def sign(self, message: bytes) -> bytes:
        """Return the signature over message, in COSE's form."""
        ...


def open_signer(
    name: str,
    arguments: argparse.Namespace,
    ledger: Path | None = None,
    progress: hss_keys.Progress | None = None,
) -> Signer:
    """Return the signer called name; asks for passphrase or PIN only where one is needed.

    Raises HostError key.* with what to do.
    """
    if name.startswith("pkcs11:"):
        if arguments.passphrase_file:
            raise HostError(
                f"{printable(name)}: a token has a PIN and no passphrase; leave --passphrase-file "
                f"out and set {PIN_VARIABLE}, or type it.",
                "key.pin_missing",
            )
        return TokenSigner(name)
    path = Path(name)
    content = read_key_file(path)
    if warning := keyfiles.exposure(path, content):
        console(stderr=True).print(f"warning: {warning}", soft_wrap=True, markup=False)
    if hss_keys.is_holder_file(content):
        return HssSigner(path, ledger or path.parent / LEDGER_NAME, arguments, progress)
    return FileSigner(content, name, arguments)


def read_key_file(path: Path) -> bytes:
    content = inputs.read(path, _KEY_FILE_BYTES)
    if len(content) > _KEY_FILE_BYTES:
        raise HostError(f"{path}: larger than any key file.", "key.unreadable")
    return content


def key_record(public_key: Any, name: str) -> tuple[int, bytes]:
    """Return (alg, public) of a cryptography public key that may sign bundles, or refuse."""
    if isinstance(public_key, ec.EllipticCurvePublicKey) and isinstance(
        public_key.curve, ec.SECP256R1
    ):
        alg = ES256
    elif isinstance(public_key, rsa.RSAPublicKey) and public_key.key_size in _RSA_BITS:
        alg = PS256
    else:
        raise HostError(
            f"{name}: a bundle is signed with P-256, RSA of {', '.join(map(str, _RSA_BITS))} "
            "bits, or HSS/LMS.",
            "key.unsupported",
        )
    return alg, public_key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def public_record(name: str) -> tuple[int, bytes]:
    """Return (alg, public) of a public key, certificate-free PEM, or HSS holder/public file."""
    path = Path(name)
    content = read_key_file(path)
    if hss_keys.is_holder_file(content):
        return HSS_LMS, hss_keys.read_public(path)
    block = inputs.only_block(content, name, "PUBLIC KEY")
    if block is not None and block.label == HSS_LABEL:
        return HSS_LMS, block.der()
    try:
        if block is None:
            raise ValueError
        return key_record(serialization.load_pem_public_key(block.armour), name)
    except (ValueError, UnsupportedAlgorithm):
        raise HostError(
            f"{name}: no public key in PEM, and no HSS public key; `trustanchor keygen` writes "
            "one beside each private key.",
            "key.unreadable",
        ) from None


class FileSigner:
    """ES256 or PS256 from an encrypted PEM file."""

    def __init__(self, content: bytes, name: str, arguments: argparse.Namespace) -> None:
        self._key: Any = keyfiles.load_private_key(content, arguments, name)
        self.alg, self.public = key_record(self._key.public_key(), name)

    def sign(self, message: bytes) -> bytes:
        if self.alg == ES256:
            return raw_ecdsa(self._key.sign(message, ec.ECDSA(hashes.SHA256())))
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), _PSS_SALT_BYTES)
        return self._key.sign(message, pss, hashes.SHA256())


class HssSigner:
    """HSS-LMS from a holder file; the ledger is checked and appended first."""

    alg = HSS_LMS

    def __init__(
        self,
        path: Path,
        ledger: Path,
        arguments: argparse.Namespace,
        progress: hss_keys.Progress | None = None,
    ) -> None:
        self._path = path
        self._ledger = ledger
        self._arguments = arguments
        self._progress = progress or (lambda done, total: None)
        self.public = hss_keys.read_public(path)

    def sign(self, message: bytes) -> bytes:
        passphrase = keyfiles.passphrase_of(self._arguments, str(self._path))
        return hss_keys.sign(self._path, self._ledger, message, passphrase, self._progress)


class TokenSigner:
    """ES256 or PS256 by a key that never leaves its PKCS#11 token."""

    def __init__(self, uri: str) -> None:
        self._uri = parse_uri(uri)
        self._pin: str | None = None  # asked for once
        with self._session() as session:
            self.alg, self.public = self._read_public(session)

    def sign(self, message: bytes) -> bytes:
        import pkcs11

        digest = hashlib.sha256(message).digest()
        with self._session() as session, _token_errors(self._uri["text"]):
            key = session.get_key(
                object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=self._uri["object"]
            )
            if self.alg == ES256:
                # Plain ECDSA takes a digest and gives r || s; not every token has ECDSA_SHA256.
                return bytes(key.sign(digest, mechanism=pkcs11.Mechanism.ECDSA))
            return bytes(
                key.sign(
                    message,
                    mechanism=pkcs11.Mechanism.SHA256_RSA_PKCS_PSS,
                    mechanism_param=(
                        pkcs11.Mechanism.SHA256,
                        pkcs11.MGF.SHA256,
                        _PSS_SALT_BYTES,
                    ),
                )
            )

    @contextlib.contextmanager
    def _session(self) -> Iterator[Any]:
        import pkcs11

        with _token_errors(self._uri["text"]):
            token = pkcs11.lib(self._uri["module-path"]).get_token(token_label=self._uri["token"])
            if self._pin is None:
                self._pin = _pin(self._uri["token"])
            session = token.open(user_pin=self._pin)
        with session as opened:
            yield opened

    def _read_public(self, session: Any) -> tuple[int, bytes]:
        import pkcs11
        from pkcs11.util.ec import encode_ec_public_key
        from pkcs11.util.rsa import encode_rsa_public_key

        with _token_errors(self._uri["text"]):
            found = session.get_key(
                object_class=pkcs11.ObjectClass.PUBLIC_KEY, label=self._uri["object"]
            )
            if found.key_type == pkcs11.KeyType.EC:
                key: Any = serialization.load_der_public_key(encode_ec_public_key(found))
            elif found.key_type == pkcs11.KeyType.RSA:
                # PKCS #1 RSAPublicKey, which the PEM reader takes under its own label.
                body = base64.encodebytes(encode_rsa_public_key(found))
                key = serialization.load_pem_public_key(
                    b"-----BEGIN RSA PUBLIC KEY-----\n" + body + b"-----END RSA PUBLIC KEY-----\n"
                )
            else:
                raise HostError(f"{self._uri['text']}: neither EC nor RSA.", "key.unsupported")
        return key_record(key, self._uri["text"])


def parse_uri(uri: str) -> dict[str, str]:
    """Return token, object, module-path of an RFC 7512 URI, and the URI itself as text."""
    path, _, query = uri.removeprefix("pkcs11:").partition("?")
    fields = {"text": printable(uri)}
    for part in [*path.split(";"), *query.split("&")]:
        name, equals, value = part.partition("=")
        if part and equals and (name in fields or name not in _URI_ATTRIBUTES):
            # Ignored, an id or a slot would let another key sign than the one that was named.
            raise HostError(
                f"{printable(uri)}: {printable(name)!r} is repeated or not understood.", "key.uri"
            )
        if part and not equals:
            raise HostError(f"{printable(uri)}: {printable(part)!r} has no value.", "key.uri")
        if part:
            fields[name] = urllib.parse.unquote(value)
    for needed in _URI_ATTRIBUTES:
        if not fields.get(needed):
            raise HostError(
                f"{printable(uri)}: {needed} is missing; the form is "
                "pkcs11:token=NAME;object=LABEL?module-path=LIBRARY.so",
                "key.uri",
            )
    return fields


@contextlib.contextmanager
def _token_errors(uri: str) -> Iterator[None]:
    """Turn what the token's library says into one sentence."""
    import pkcs11
    from pkcs11 import exceptions

    try:
        yield
    except exceptions.NoSuchToken:
        raise HostError(f"{uri}: no such token; is it plugged in?", "key.token") from None
    except exceptions.NoSuchKey:
        raise HostError(f"{uri}: the token has no key of this name.", "key.token") from None
    except (exceptions.PinIncorrect, exceptions.PinInvalid, exceptions.PinLenRange):
        raise HostError(f"{uri}: wrong PIN; tokens lock after a few.", "key.pin_wrong") from None
    except (pkcs11.PKCS11Error, RuntimeError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise HostError(f"{uri}: the token refused ({printable(reason)}).", "key.token") from None


def _pin(token: str) -> str:
    if pin := os.environ.get(PIN_VARIABLE):
        return pin
    if not sys.stdin.isatty():
        raise HostError(
            f"The token {printable(token)} needs its PIN: set {PIN_VARIABLE}.", "key.pin_missing"
        )
    try:
        return getpass.getpass(f"PIN of {printable(token)}: ")
    except EOFError:
        raise HostError("No PIN was typed.", "key.pin_missing") from None


def raw_ecdsa(der: bytes) -> bytes:
    """DER Ecdsa-Sig-Value to r || s of P-256 (RFC 9053 section 2.1)."""
    r, s = decode_dss_signature(der)
    return r.to_bytes(_P256_BYTES, "big") + s.to_bytes(_P256_BYTES, "big")


HSS_LABEL = "HSS PUBLIC KEY"


def hss_public_pem(public: bytes) -> bytes:
    """An HSS public key (RFC 8554 section 6.1) in a PEM armour, so that it can be mailed."""
    lines = tuple(base64.encodebytes(public).splitlines())
    return inputs.PemBlock(HSS_LABEL, lines, "", 1).armour
