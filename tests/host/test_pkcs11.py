# SPDX-License-Identifier: MIT
"""Signing with keys that never leave a PKCS#11 token, against SoftHSM."""

import argparse
import io
from collections.abc import Iterator
from pathlib import Path

import pkcs11
import pytest
from pkcs11.util.ec import encode_named_curve_parameters

from host_tools.cli.errors import HostError
from host_tools.signing import signers
from tests import softhsm
from trustanchor import kinds
from trustanchor.crypto import cose_signatures

NONE_GIVEN = argparse.Namespace(passphrase_file=None)
LABELS = {"ec": kinds.ES256, "rsa": kinds.PS256}


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of a token with a P-256 key `ec` and an RSA key `rsa`, but for the object."""
    try:
        found = softhsm.find()
    except softhsm.NoSoftHsm as reason:
        pytest.skip(str(reason))
    folder = tmp_path_factory.mktemp("softhsm")
    found.make_token(folder, "fleet")
    patch = pytest.MonkeyPatch()
    patch.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
    patch.setenv(signers.PIN_VARIABLE, softhsm.USER_PIN)
    library = pkcs11.lib(str(found.library))
    with library.get_token(token_label="fleet").open(
        rw=True, user_pin=softhsm.USER_PIN
    ) as session:
        session.generate_keypair(pkcs11.KeyType.RSA, 2048, store=True, label="rsa")
        curve = encode_named_curve_parameters("secp256r1")
        parameters = session.create_domain_parameters(
            pkcs11.KeyType.EC, {pkcs11.Attribute.EC_PARAMS: curve}, local=True
        )
        parameters.generate_keypair(store=True, label="ec")
    yield f"pkcs11:token=fleet;object=%s?module-path={found.library}"
    patch.undo()


@pytest.mark.parametrize("label", LABELS)
def test_the_device_verifies_what_the_token_signs(token: str, label: str) -> None:
    signer = signers.open_signer(token % label, NONE_GIVEN)
    assert signer.alg == LABELS[label]
    signature = signer.sign(b"message")
    assert cose_signatures.verify(signer.alg, signer.public, b"message", signature)
    assert not cose_signatures.verify(signer.alg, signer.public, b"massage", signature)


def test_the_pin_is_asked_for_once(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def typed(prompt: str) -> str:
        asked.append(prompt)
        return str(softhsm.USER_PIN)

    monkeypatch.delenv(signers.PIN_VARIABLE)
    monkeypatch.setattr("sys.stdin", Keyboard())
    monkeypatch.setattr("getpass.getpass", typed)
    signer = signers.open_signer(token % "ec", NONE_GIVEN)
    for message in (b"one", b"two"):
        assert cose_signatures.verify(signer.alg, signer.public, message, signer.sign(message))
    assert asked == ["PIN of fleet: "]


class Keyboard(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("object=ec", "object=nobody"), "key.token"),
        (("token=fleet", "token=other"), "key.token"),
        ((";object=ec", ""), "key.uri"),
        (("object=ec", "object"), "key.uri"),
        (("libsofthsm2.so", "nothing.so"), "key.token"),
    ],
)
def test_a_wrong_name_is_one_sentence(token: str, change: tuple[str, str], code: str) -> None:
    with pytest.raises(HostError) as caught:
        signers.open_signer((token % "ec").replace(*change), NONE_GIVEN)
    assert caught.value.code == code


def test_a_wrong_pin_is_refused(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(signers.PIN_VARIABLE, "0000")
    with pytest.raises(HostError) as caught:
        signers.open_signer(token % "ec", NONE_GIVEN)
    assert caught.value.code == "key.pin_wrong"


def test_without_a_pin_the_variable_is_named(
    token: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(signers.PIN_VARIABLE)
    with pytest.raises(HostError, match=signers.PIN_VARIABLE) as caught:
        signers.open_signer(token % "ec", NONE_GIVEN)
    assert caught.value.code == "key.pin_missing"


def test_nothing_is_stored_but_the_token(token: str, tmp_path: Path) -> None:
    signers.open_signer(token % "ec", NONE_GIVEN).sign(b"message")
    assert list(tmp_path.iterdir()) == []
