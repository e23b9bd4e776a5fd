# SPDX-License-Identifier: MIT
"""Signatures made by `cryptography`: each file is four lines of hex.

AlgorithmIdentifier, SubjectPublicKeyInfo, message, signature, taken from a self-signed
certificate, so that the encodings are the ones that certificates carry. `cose-*` files hold raw
r and s, or a PSS signature, in the last line and no AlgorithmIdentifier, as do `hss-*`, which
pyhsslms has made.
"""

import datetime
from pathlib import Path
from typing import Any

import pyhsslms.pyhsslms as lms
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from trustanchor.encoding.der import Reader
from trustanchor.kinds import SEQUENCE

from . import pki

_HASHES: tuple[Any, ...] = (hashes.SHA256(), hashes.SHA384(), hashes.SHA512())
_MESSAGE = b"a message of the fixtures"


def make(folder: Path) -> None:
    keys = {
        kind: pki.make_key(kind)
        for kind in ("p256", "p384", "p521", "rsa2048", "rsa3072", "rsa4096")
    }
    for kind, key in keys.items():
        for algorithm in _HASHES:
            bits = 8 * algorithm.digest_size
            if kind.startswith("p"):
                _write(folder / f"{kind}-sha{bits}", *_certified(key, algorithm, None))
            elif kind == "rsa2048":
                _write(folder / f"{kind}-sha{bits}", *_certified(key, algorithm, None))
                pss = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)
                _write(folder / f"{kind}-pss-sha{bits}", *_certified(key, algorithm, pss))
    for kind in ("rsa3072", "rsa4096"):
        _write(folder / f"{kind}-sha256", *_certified(keys[kind], hashes.SHA256(), None))
    # Not in the family of accepted keys or algorithms.
    small = pki.rsa.generate_private_key(65537, 1024)
    _write(folder / "refused-rsa1024-sha256", *_certified(small, hashes.SHA256(), None))
    spki, signature = pki.spki_of(keys["p256"]), keys["p256"].sign(
        _MESSAGE, pki.ec.ECDSA(hashes.SHA256())
    )  # fmt: skip
    r, s = decode_dss_signature(signature)
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    _write(folder / "cose-es256", b"", spki, _MESSAGE, raw)
    for kind in ("rsa2048", "rsa3072"):
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        signature = keys[kind].sign(_MESSAGE, pss, hashes.SHA256())
        _write(folder / f"cose-ps256-{kind}", b"", pki.spki_of(keys[kind]), _MESSAGE, signature)
    long_salt = padding.PSS(padding.MGF1(hashes.SHA256()), 33)
    signature = keys["rsa2048"].sign(_MESSAGE, long_salt, hashes.SHA256())
    _write(
        folder / "refused-cose-ps256-salt33",
        b"",
        pki.spki_of(keys["rsa2048"]),
        _MESSAGE,
        signature,
    )
    for n in (32, 24):
        for width in (1, 2, 4, 8):
            _write_hss(folder / f"hss-n{n}-h5-w{width}", n, 5, width, 1)
    _write_hss(folder / "hss-n32-h10-w4-l2", 32, 10, 4, 2)
    _write_mixed_hss(folder / "refused-hss-mixed")


def _write_mixed_hss(file: Path) -> None:
    """A second tree of 24 bytes whose one-time keys have 32, signed by the first one all right.

    Nobody can sign with it; the lengths and the types are what such a signature would have.
    """
    first = lms.LmsPrivateKey(lms.lms_sha256_m32_h5, lms.lmots_sha256_n32_w8)
    second = lms.lms_sha256_m24_h5 + lms.lmots_sha256_n32_w8
    second_key = second + bytes(16) + bytes(24)
    chains, height, n = 34, 5, 24
    nobodys = bytes(4) + second[4:] + bytes(n * (1 + chains)) + second[:4] + bytes(n * height)
    levels = (2).to_bytes(4, "big")
    signature = (1).to_bytes(4, "big") + first.sign(second_key) + second_key + nobodys
    _write(file, b"", levels + first.publicKey().serialize(), _MESSAGE, signature)


def _write_hss(file: Path, n: int, height: int, width: int, levels: int) -> None:
    key = lms.HssPrivateKey(
        levels=levels,
        lms_type=getattr(lms, f"lms_sha256_m{n}_h{height}"),
        lmots_type=getattr(lms, f"lmots_sha256_n{n}_w{width}"),
    )
    signature = key.sign(_MESSAGE)
    _write(file, b"", key.publicKey().serialize(), _MESSAGE, signature)


def _certified(key: Any, algorithm: Any, pss: Any) -> tuple[bytes, bytes, bytes, bytes]:
    """(AlgorithmIdentifier, SPKI, message, signature) of a self-signed certificate."""
    name = pki.name("signature fixture")
    now = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + pki.DAY)
    certificate = builder.sign(key, algorithm, rsa_padding=pss)
    fields = Reader(certificate.public_bytes(serialization.Encoding.DER)).enter(SEQUENCE)
    fields.element(SEQUENCE)
    identifier = bytes(fields.element(SEQUENCE))
    return (
        identifier,
        pki.spki_of(key),
        certificate.tbs_certificate_bytes,
        certificate.signature,
    )


def _write(file: Path, *lines: bytes) -> None:
    file.write_text("".join(line.hex() + "\n" for line in lines))
