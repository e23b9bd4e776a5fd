# SPDX-License-Identifier: MIT
"""What a device says of itself, believed only as far as it is signed, and decided once more.

    text, signer = opened(content, keys)              # a status document, plain or COSE_Sign1
    code = replay(document, receipt, bundles)         # the device's own accept(), on the desk

A receipt names the record that the decision was made with, the clock's reading, and the SHA-256 of
the bytes that were read. With the bundle that was offered and the ones that were in force, the
device's own code comes to the same answer, or the receipt is not true.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import cbor2
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from host_tools.cli.errors import HostError
from host_tools.signing import draft, inputs
from trustanchor.encoding.cbor import BytesSource
from trustanchor.errors import TrustError
from trustanchor.limits import AGENT_BEGINNING_BYTES
from trustanchor.state.record import Record
from trustanchor.update import acceptance, bundle, prefix

# SPEC.md "Signed status": COSE_Sign1 with ES256 and nothing else.
_TAG = 18
_PROTECTED = bytes.fromhex("a10126")
_FOR = b"trustanchor/status/1"
# Answers that no bundle decides: of the network, a carrier or the flash.
_NOT_OF_A_BUNDLE = ("agent.", "http.", "net.", "store.", "tls.")


def public_key(content: bytes, name: str) -> ec.EllipticCurvePublicKey:
    """Return the P-256 key of a certificate or public key, PEM. Refuses with explain.key."""
    try:
        block = inputs.pem_blocks(content, name)[0]
        if block.label == "CERTIFICATE":
            key: Any = x509.load_pem_x509_certificate(block.armour).public_key()
        else:
            key = serialization.load_pem_public_key(block.armour)
        if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
            return key
    except (ValueError, IndexError):
        pass
    raise HostError(
        f"{name}: no certificate and no public key of P-256, PEM; give the device's client "
        "certificate.",
        "explain.key",
    )


def is_signed(content: bytes) -> bool:
    return content[:1] == bytes([0xC0 | _TAG])


def opened(content: bytes, key: ec.EllipticCurvePublicKey | None, name: str) -> bytes:
    """Return the text of a signed document, verified where a key is given.

    Refuses with explain.document for a wrong form, explain.signature for a signature that is not
    of that key over these bytes.
    """
    try:
        message = cbor2.loads(content)
        protected, unprotected, payload, signature = message.value
        if message.tag != _TAG or protected != _PROTECTED or unprotected != {}:
            raise ValueError
        if len(signature) != 64 or not isinstance(payload, bytes):
            raise ValueError
        # The one encoding there is: nothing stands behind it, nothing was written another way.
        if cbor2.dumps(cbor2.CBORTag(_TAG, [protected, {}, payload, signature])) != content:
            raise ValueError
    except (cbor2.CBORDecodeError, ValueError, TypeError, AttributeError, RecursionError):
        raise HostError(
            f"{name}: begins as a signed status document and is none; `Agent.write()` "
            "writes them.",
            "explain.document",
        ) from None
    if key is not None:
        told = cbor2.dumps(["Signature1", protected, _FOR, payload])
        r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        try:
            key.verify(encode_dss_signature(r, s), told, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            raise HostError(
                f"{name}: the signature is not of that key over these bytes: the document was "
                "changed, or another device wrote it.",
                "explain.signature",
            ) from None
    return payload


@dataclass(frozen=True)
class Replayed:
    """code: what the device's code says on the desk; None where it could not be asked, and why."""

    code: str | None
    why: str = ""


def replay(document: dict[str, Any], receipt: dict[str, Any], bundles: list[bytes]) -> Replayed:
    """Decide over the bundle of a receipt again. ValueError, KeyError, TypeError: no receipt."""
    if str(receipt["code"]).startswith(_NOT_OF_A_BUNDLE):
        return Replayed(None, "not a decision over a bundle")
    if receipt["mends"]:
        return Replayed(None, "a slot of the flash was damaged, which is decided another way")
    count, digest = int(receipt["read"]), str(receipt["sha256"])
    offered = next(
        (one for one in bundles if hashlib.sha256(one[:count]).hexdigest() == digest), None
    )
    if offered is None or (receipt["code"] == "ok" and len(offered) != count):
        return Replayed(None, "none of the bundles given is what was offered")
    record, loaded = None, []
    if receipt["record"] is not None:
        record = _record(document["records"][int(receipt["record"])])
        given = {bytes(one.payload_digest): one for one in map(_parsed, bundles) if one}
        for wanted in (record.active, record.trial):
            if wanted and wanted not in given:
                return Replayed(None, f"the state in force is not given: payload {wanted.hex()}")
            if wanted:
                loaded.append(given[wanted])
    at = (int(receipt["at"]), int(receipt["clock"]))
    device = draft.Device(document.get("product"), document.get("device_id"))
    try:
        beginning = offered[: min(count, AGENT_BEGINNING_BYTES)]
        size = len(offered) if receipt["bytes"] is None else int(receipt["bytes"])
        prefix.Prefix(BytesSource(beginning, size), True)
        acceptance.foresee(record, beginning, size, at, device)
        acceptance.accept(record, loaded, BytesSource(offered), at, device)
    except TrustError as error:
        return Replayed(error.code)
    return Replayed("ok")


def _parsed(content: bytes) -> Any:
    try:
        return bundle.parse(BytesSource(content))
    except TrustError:
        return None  # what was offered may be anything


def _record(told: dict[str, Any]) -> Record:
    values: dict[str, Any] = {}
    for name in Record.FIELDS:
        value = told[name]
        if name in ("authority", "backup", "active", "fallback", "trial"):
            value = bytes.fromhex(value)
        elif name in ("retired", "held"):
            value = tuple(bytes.fromhex(entry) for entry in value)
        elif name == "holds":
            value = tuple((bytes.fromhex(entry), int(at)) for entry, at in value)
        else:
            value = int(value)
        values[name] = value
    return Record(**values)
