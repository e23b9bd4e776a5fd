# SPDX-License-Identifier: MIT
"""Our messages verify with pycose, cryptography and openssl, and pycose's with the device code."""

import hashlib
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cbor2
import pyhsslms
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from pycose.algorithms import Es256, Ps256
from pycose.headers import KID, Algorithm, ContentType
from pycose.keys import EC2Key, RSAKey
from pycose.messages import SignMessage
from pycose.messages.signer import CoseSignature

from host_tools.signing.bundle_encode import (
    Authority,
    Description,
    Key,
    KeySigner,
    Signer,
    assemble,
    encode_state,
    kid,
    sign,
    to_be_signed,
)
from tests.certs import pki
from tests.certs.fixture_bundle import HssSigner
from trustanchor.compat import finish
from trustanchor.encoding.cbor import BytesSource, Reader
from trustanchor.errors import TrustError
from trustanchor.kinds import MODE_KEY
from trustanchor.limits import BUILD_AT
from trustanchor.state.model import Pin, PinSet, Service
from trustanchor.update import acceptance, cose

AAD = b"trustanchor/state/1"
CONTENT_TYPE = "application/x.trustanchor-state"


class Device:
    product = None
    device_id = None


@pytest.fixture(scope="module")
def keys() -> dict[str, Any]:
    return {"ES256": pki.make_key(), "PS256": pki.make_key("rsa3072")}


def payload_for(signers: list[Any]) -> bytes:
    pins = [Pin(bytes([number]) * 32) for number in (1, 2)]
    groups = [(1, [signer]) for signer in signers]
    return encode_state(
        Description(
            sequence=1,
            issued_at=BUILD_AT,
            authority=Authority(groups),
            backup=Authority([(1, [KeySigner(pki.make_key())])]),
            services=[Service("web", ["web.example"], mode=MODE_KEY, pin_set="web")],
            pin_sets=[PinSet("web", pins)],
            never_reverts=True,
        )
    )


def cose_key(key: Any) -> Any:
    """The same private key as pycose has it."""
    numbers = key.private_numbers()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        public = numbers.public_numbers
        return EC2Key(
            crv="P_256",
            x=public.x.to_bytes(32, "big"),
            y=public.y.to_bytes(32, "big"),
            d=numbers.private_value.to_bytes(32, "big"),
        )
    size = key.key_size // 8
    public = numbers.public_numbers
    return RSAKey(
        n=public.n.to_bytes(size, "big"),
        e=public.e.to_bytes(3, "big"),
        d=numbers.d.to_bytes(size, "big"),
        p=numbers.p.to_bytes(size // 2, "big"),
        q=numbers.q.to_bytes(size // 2, "big"),
        dp=numbers.dmp1.to_bytes(size // 2, "big"),
        dq=numbers.dmq1.to_bytes(size // 2, "big"),
        qinv=numbers.iqmp.to_bytes(size // 2, "big"),
    )


def changeable(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [changeable(one) for one in value]
    return dict(value) if isinstance(value, Mapping) else value


def code_of(data: bytes) -> str:
    try:
        acceptance.accept(None, (), BytesSource(data), (BUILD_AT, 0), Device)
    except TrustError as refusal:
        return refusal.code
    return "ok"


def test_pycose_verifies_what_we_sign(keys: dict[str, Any]) -> None:
    signers = [KeySigner(keys["ES256"]), KeySigner(keys["PS256"])]
    data = sign("state", payload_for(signers), signers)
    assert code_of(data) == "ok"
    # What CoseMessage.decode does with lists; cbor2 6 gives what cannot change inside a tag.
    message: Any = SignMessage.from_cose_obj(changeable(cbor2.loads(data).value), True)
    assert message.phdr[ContentType] == CONTENT_TYPE
    for one, name in zip(message.signers, ("ES256", "PS256"), strict=True):
        one._parent = message  # pycose sets it only where it signs
        one.key = cose_key(keys[name])
        one.external_aad = AAD
        assert one.verify_signature()
        one.external_aad = b"trustanchor/link/1"
        assert not one.verify_signature()


def test_we_verify_what_pycose_signs(keys: dict[str, Any]) -> None:
    signers = [KeySigner(keys["ES256"]), KeySigner(keys["PS256"])]
    payload = payload_for(signers)

    def message(aad: bytes) -> bytes:
        signatures = []
        for signer, algorithm, name in zip(signers, (Es256, Ps256), keys, strict=True):
            signature = CoseSignature(
                phdr={Algorithm: algorithm, KID: kid(signer)},
                external_aad=aad,
                key=cose_key(keys[name]),
            )
            signatures.append(signature)
        whole = SignMessage(phdr={ContentType: CONTENT_TYPE}, payload=payload)
        whole.signers = signatures
        return whole.encode()

    assert code_of(message(AAD)) == "ok"
    assert code_of(message(b"")) == "cose.signature_invalid"


def test_cryptography_verifies_what_we_sign(keys: dict[str, Any]) -> None:
    for name, key in keys.items():
        signer = KeySigner(key)
        payload = payload_for([signer])
        signature = cbor2.loads(sign("state", payload, [signer])).value[3][0][2]
        message = to_be_signed("state", payload, signer)
        public = key.public_key()

        def check(
            content: bytes, name: str = name, public: Any = public, s: Any = signature
        ) -> None:
            if name == "ES256":
                r_s = (int.from_bytes(s[:32], "big"), int.from_bytes(s[32:], "big"))
                public.verify(encode_dss_signature(*r_s), content, ec.ECDSA(hashes.SHA256()))
            else:
                pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
                public.verify(s, content, pss, hashes.SHA256())

        check(message)
        with pytest.raises(InvalidSignature):
            check(message + b"\x00")


def test_openssl_verifies_what_we_sign(keys: dict[str, Any], tmp_path: Path) -> None:
    for name, key in keys.items():
        signer = KeySigner(key)
        payload = payload_for([signer])
        signature = cbor2.loads(sign("state", payload, [signer])).value[3][0][2]
        options = []
        if name == "ES256":
            r_s = (int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
            signature = encode_dss_signature(*r_s)
        else:
            options = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"]
        (tmp_path / "message").write_bytes(to_be_signed("state", payload, signer))
        (tmp_path / "signature").write_bytes(signature)
        (tmp_path / "key.pem").write_bytes(
            key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        command = ["openssl", "dgst", "-sha256", "-verify", "key.pem", *options]
        command += ["-signature", "signature", "message"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.stdout.strip() == "Verified OK", done.stderr
        (tmp_path / "message").write_bytes(b"another")
        assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 1


def test_openssl_signs_what_we_verify(keys: dict[str, Any], tmp_path: Path) -> None:
    """The detached way: the Sig_structure goes out, a signature comes back."""
    signer = KeySigner(keys["PS256"])
    payload = payload_for([signer])
    (tmp_path / "message").write_bytes(to_be_signed("state", payload, signer))
    (tmp_path / "key.pem").write_bytes(
        keys["PS256"].private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    command = ["openssl", "dgst", "-sha256", "-sign", "key.pem"]
    command += ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32", "message"]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    key = Key(signer.alg, signer.public)
    assert code_of(assemble("state", payload, [(key, made.stdout)])) == "ok"
    wrong = made.stdout[:-1] + bytes([made.stdout[-1] ^ 1])
    assert code_of(assemble("state", payload, [(key, wrong)])) == "cose.signature_invalid"


def test_a_hybrid_of_es256_and_hss_needs_both(keys: dict[str, Any]) -> None:
    signers: list[Signer] = [KeySigner(keys["ES256"]), HssSigner()]
    payload = payload_for(signers)
    assert code_of(sign("state", payload, signers)) == "ok"
    assert code_of(sign("state", payload, signers[:1])) == "update.threshold"
    assert code_of(sign("state", payload, signers[1:])) == "update.threshold"
    data = bytearray(sign("state", payload, signers))
    data[-1] ^= 1
    assert code_of(bytes(data)) == "cose.signature_invalid"


def test_pyhsslms_verifies_the_hss_signature_of_our_message() -> None:
    signer = HssSigner()
    payload = payload_for([signer])
    data = sign("state", payload, [signer])
    message = finish(cose.reading(Reader(BytesSource(data))))
    start, end = message.signatures[0].span
    public = pyhsslms.HssPublicKey.deserialize(signer.public)
    assert public.verify(to_be_signed("state", payload, signer), data[start:end])
    assert not public.verify(b"another", data[start:end])


def test_the_kid_is_the_beginning_of_the_digest_of_the_key_record(keys: dict[str, Any]) -> None:
    signer = KeySigner(keys["ES256"])
    record = b"\x82\x26\x58\x5b" + signer.public
    assert kid(signer) == hashlib.sha256(record).digest()[:8]
