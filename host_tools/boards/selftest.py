# SPDX-License-Identifier: MIT
"""The self-test of a board: known answers of every algorithm, and of what they stand on.

    for row in run(talk): ...        # Row(name, is_right, said, ms, heap)

The questions are made here, with keys made for this one run, so that no board can know the
answers: each signature is asked twice, as it is and with one bit turned over, and has to be
accepted and refused. What the board calls milliseconds is held against the clock of the host.
"""

import datetime
import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyhsslms
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.x509.oid import NameOID

from host_tools.boards.talk import Progress, Talk, no_progress
from host_tools.cli.errors import HostError
from host_tools.cli.output import printable
from trustanchor.kinds import ES256, HSS_LMS, PS256
from trustanchor.limits import BUILD_AT

# Bytes of heap a handshake with a judged chain and a loaded state wants free.
HEAP_BYTES = 60_000
_CLOCK_SLACK_S = 3
_SLEEP_MS = 1000
# How far a board's second may be from the host's, in parts: its crystal is better, its cable not.
_SLEEP_SLACK = 0.1

_CURVES = {256: ec.SECP256R1(), 384: ec.SECP384R1(), 521: ec.SECP521R1()}
_HASHES = {256: hashes.SHA256(), 384: hashes.SHA384(), 512: hashes.SHA512()}


@dataclass(frozen=True)
class Row:
    """One question. ms and heap_bytes are the board's own figures, None where it has none."""

    name: str
    is_right: bool
    said: str
    ms: int | None = None
    heap_bytes: int | None = None

    def as_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "right": self.is_right,
            "said": self.said,
            "ms": self.ms,
            "heap_bytes": self.heap_bytes,
        }


@dataclass(frozen=True)
class Signature:
    """A signature to be verified. kind "x509": algorithm is an AlgorithmIdentifier; "cose": its
    number."""

    name: str
    kind: str
    algorithm: "bytes | int"
    key: bytes
    message: bytes
    signature: bytes


def signatures() -> Iterator[Signature]:
    """One signature of every algorithm the device package knows, with new keys."""
    for bits, curve in _CURVES.items():
        ec_key = ec.generate_private_key(curve)
        yield _x509(f"ECDSA P-{bits}", ec_key, _HASHES[min(bits, 512)])
    rsa_key = rsa.generate_private_key(65537, 2048)
    for hash_bits in _HASHES:
        yield _x509(f"RSA 2048 SHA-{hash_bits}", rsa_key, _HASHES[hash_bits])
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    yield _x509("RSA-PSS 2048 SHA-256", rsa_key, hashes.SHA256(), pss)
    message = secrets.token_bytes(300)
    key = ec.generate_private_key(ec.SECP256R1())
    r, s = utils.decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    yield Signature("ES256", "cose", ES256, _spki(key), message, raw)
    signed = rsa_key.sign(message, pss, hashes.SHA256())
    yield Signature("PS256", "cose", PS256, _spki(rsa_key), message, signed)
    hss_key = pyhsslms.HssPrivateKey(
        levels=1, lms_type=pyhsslms.lms_sha256_m32_h5, lmots_type=pyhsslms.lmots_sha256_n32_w8
    )
    public = hss_key.publicKey().serialize()
    yield Signature("HSS/LMS", "cose", HSS_LMS, public, message, hss_key.sign(message))


def run(talk: Talk, progress: Progress = no_progress) -> list[Row]:
    """Ask everything; a board without the package is refused with board.not_provisioned."""
    talk.fresh("selftest")
    rows: list[Row] = []
    asked = [*signatures()]
    total = 2 * len(asked) + 12

    def add(row: Row) -> None:
        rows.append(row)
        progress(row.name, len(rows), total)

    add(_heap(talk))
    for bits in (256, 384, 512):
        message = secrets.token_bytes(300)
        digest = hashlib.new(f"sha{bits}", message).hexdigest()
        add(_asked(talk, f"SHA-{bits}", f"check_hash({bits}, {message.hex()!r})", digest))
    for one in asked:
        add(_signature(talk, one, -1))
        add(_signature(talk, one, secrets.randbelow(8 * len(one.signature))))
    add(_asked(talk, "files", "check_files()", True))
    add(_asked(talk, "file system", "check_store()", True))
    add(_asked(talk, "NVS", "check_nvs()", True, None))
    add(_asked(talk, "random numbers", "check_random()", True))
    add(_clock(talk))
    add(_second(talk))
    return rows


def _signature(talk: Talk, one: Signature, flip: int) -> Row:
    algorithm = one.algorithm.hex() if isinstance(one.algorithm, bytes) else one.algorithm
    values = (one.kind, algorithm, one.key.hex(), one.message.hex(), one.signature.hex(), flip)
    call = f"check({', '.join(map(repr, values))})"
    name = one.name if flip < 0 else f"{one.name}, one bit wrong"
    if flip < 0:
        return _asked(talk, name, call, True)
    outcome, ms, heap = _answer(talk, call)
    # A bit of a length or a type makes it malformed, which is a coded refusal too.
    is_refused = outcome is False or (isinstance(outcome, str) and outcome.startswith("sig."))
    return Row(name, is_refused, _shown(outcome), ms, heap)


def _asked(talk: Talk, name: str, call: str, *right: object) -> Row:
    outcome, ms, heap = _answer(talk, call)
    is_right = any(type(outcome) is type(one) and outcome == one for one in right)
    return Row(name, is_right, _shown(outcome), ms, heap)


def _answer(talk: Talk, call: str) -> tuple[Any, int, int]:
    said = talk.ask(call)
    if not (isinstance(said, list) and len(said) == 3 and all(type(n) is int for n in said[1:])):
        raise HostError("The board's self-test does not answer.", "board.failed")
    return said[0], said[1], said[2]


def _shown(outcome: object) -> str:
    return printable(json.dumps(outcome), 80)


def _heap(talk: Talk) -> Row:
    outcome, _, _ = _answer(talk, "heap()")
    is_pair = (
        isinstance(outcome, list) and len(outcome) == 2 and all(type(n) is int for n in outcome)
    )
    if not is_pair:
        return Row("heap", False, _shown(outcome))
    free, largest = outcome
    return Row("heap", free >= HEAP_BYTES, f"{free:,} bytes free, {largest:,} in one piece")


def _clock(talk: Talk) -> Row:
    outcome, ms, heap = _answer(talk, "check_clock()")
    if not (isinstance(outcome, list) and outcome and type(outcome[0]) is int):
        return Row("clock", False, _shown(outcome), ms, heap)
    if outcome[0] < BUILD_AT:
        return Row("clock", True, "never set since power on", ms, heap)
    ahead = outcome[0] - int(time.time())
    return Row("clock", abs(ahead) <= _CLOCK_SLACK_S, f"{ahead:+d} s", ms, heap)


def _second(talk: Talk) -> Row:
    begun = time.monotonic()
    _, ms, _ = _answer(talk, f"sleep({_SLEEP_MS})")
    passed = (time.monotonic() - begun) * 1000
    is_right = abs(ms - _SLEEP_MS) < _SLEEP_SLACK * _SLEEP_MS and passed > ms * (1 - _SLEEP_SLACK)
    return Row("a second", is_right, f"{ms} ms by the board, {passed:.0f} ms here", ms)


def _x509(name: str, key: Any, algorithm: Any, pss: Any = None) -> Signature:
    """A self-signed certificate's signature, for the AlgorithmIdentifier people sign with."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "self-test")])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
    )
    signed = builder.sign(key, algorithm, rsa_padding=pss)
    parsed: Any = asn1_x509.Certificate.load(signed.public_bytes(serialization.Encoding.DER))
    return Signature(
        name,
        "x509",
        parsed["signature_algorithm"].dump(),
        _spki(key),
        signed.tbs_certificate_bytes,
        signed.signature,
    )


def _spki(key: Any) -> bytes:
    spki: bytes = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return spki
