# SPDX-License-Identifier: MIT
"""How private keys are kept: under a passphrase that somebody chose or asked for."""

import argparse
import base64
import getpass
import io
import itertools
import json

import pytest
from cryptography.hazmat.primitives import serialization

from host_tools.cli import main as cli
from host_tools.cli.errors import HostError
from host_tools.signing import inputs, keyfiles, signers
from tests.certs import pki
from tests.host.test_killed import killed_at
from trustanchor import kinds

PASSPHRASE = "nine words of no meaning"
NONE_GIVEN = argparse.Namespace(passphrase_file=None)
MAKERS = (["keygen", "es256", "alice"], ["serverkey", "new", "keys"])


@pytest.fixture(autouse=True)
def _at_no_keyboard(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(keyfiles.PASSPHRASE_VARIABLE, raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))


class Keyboard(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("words", MAKERS)
def test_without_a_keyboard_no_passphrase_is_made_up_and_nothing_written(capsys, tmp_path, words):
    assert cli.main([*words, "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["error"]["code"] == "key.passphrase_missing"
    assert "--make-passphrase" in answer["error"]["message"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", MAKERS)
def test_one_that_was_asked_for_is_printed_once_and_opens_the_key(capsys, tmp_path, words):
    assert cli.main([*words, "--json", "--make-passphrase"]) == 0
    passphrase = json.loads(capsys.readouterr().out)["passphrase"]
    (file,) = [path for path in tmp_path.rglob("*") if path.name in ("alice.pem", "backup.key")]
    serialization.load_pem_private_key(file.read_bytes(), passphrase.encode())
    with pytest.raises(ValueError):
        serialization.load_pem_private_key(file.read_bytes(), b"another")


def test_two_passphrases_are_one_too_many(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv(keyfiles.PASSPHRASE_VARIABLE, PASSPHRASE)
    assert cli.main(["keygen", "es256", "alice", "--json", "--make-passphrase"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "key.passphrase_twice"
    assert list(tmp_path.iterdir()) == []


def test_at_the_keyboard_an_empty_line_asks_for_one(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", Keyboard())
    monkeypatch.setattr(getpass, "getpass", lambda prompt: "")
    assert cli.main(["keygen", "es256", "alice"]) == 0
    assert "shown only this once" in capsys.readouterr().out


def form(encryption, kind=serialization.PrivateFormat.PKCS8):
    return pki.make_key().private_bytes(serialization.Encoding.PEM, kind, encryption)


SEALED = serialization.BestAvailableEncryption(PASSPHRASE.encode())
OPEN = serialization.NoEncryption()
OLD, SSH = serialization.PrivateFormat.TraditionalOpenSSL, serialization.PrivateFormat.OpenSSH


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (form(SEALED), 0o600, None),
        (form(SEALED, OLD), 0o600, None),
        (form(SEALED), 0o640, "can be read by others"),
        (form(OPEN), 0o600, "is not encrypted"),
        (form(OPEN, OLD), 0o600, "is not encrypted"),
        (form(OPEN, SSH), 0o600, "is not encrypted"),
    ],
)
def test_a_key_that_others_could_use_is_said_when_it_signs(
    capsys, tmp_path, monkeypatch, content, mode, words
):
    monkeypatch.setenv(keyfiles.PASSPHRASE_VARIABLE, PASSPHRASE)
    file = tmp_path / "key.pem"
    file.write_bytes(content)
    file.chmod(mode)
    signer = signers.open_signer(str(file), NONE_GIVEN)
    assert len(signer.sign(b"message")) == 64
    shown = capsys.readouterr().err
    assert (f"warning: {file} {words}" in shown) if words else shown == ""


@pytest.mark.parametrize(("cipher", "is_encrypted"), [(b"none", False), (b"aes256-ctr", True)])
def test_openssh_names_its_cipher(cipher, is_encrypted):
    """The beginning of such a key: reading the rest of an encrypted one takes bcrypt."""
    begin = b"openssh-key-v1\0" + len(cipher).to_bytes(4, "big") + cipher
    block = inputs.PemBlock("OPENSSH PRIVATE KEY", (base64.b64encode(begin),), "k", 1)
    assert keyfiles.is_encrypted(block) is is_encrypted


def test_a_token_takes_no_passphrase_and_asks_no_empty_keyboard(monkeypatch):
    uri = "pkcs11:token=T;object=O?module-path=nothing.so"
    with pytest.raises(HostError) as refused:
        signers.open_signer(uri, argparse.Namespace(passphrase_file="file"))
    assert refused.value.code == "key.pin_missing"

    def ended(prompt):
        raise EOFError

    monkeypatch.delenv(signers.PIN_VARIABLE, raising=False)
    monkeypatch.setattr("sys.stdin", Keyboard())
    monkeypatch.setattr(getpass, "getpass", ended)
    with pytest.raises(HostError) as refused:
        signers._pin("T")
    assert refused.value.code == "key.pin_missing"


def test_a_retry_with_another_passphrase_keeps_what_is_there(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv(keyfiles.PASSPHRASE_VARIABLE, PASSPHRASE)
    words = ["keygen", "es256", "alice"]
    for step in itertools.count(1):
        assert not killed_at(step, words)
        if (tmp_path / "alice.pem.set").exists():
            break
    monkeypatch.setenv(keyfiles.PASSPHRASE_VARIABLE, "another")
    assert cli.main([*words, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "key.passphrase_wrong"
    key = serialization.load_pem_private_key(
        (tmp_path / "alice.pem").read_bytes(), PASSPHRASE.encode()
    )
    assert (kinds.ES256, keyfiles.public_der(key)) == signers.public_record("alice.pub")


def test_a_planted_journal_names_no_other_file(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv(keyfiles.PASSPHRASE_VARIABLE, PASSPHRASE)
    (tmp_path / "precious").write_text("precious")
    for planted in (
        b"[]",
        b"\xff",
        b'[["precious", "alice.pem"], ["x", "alice.pub"]]',
        b'[["../x", "alice.pem"], ["x", "alice.pub"]]',
        b'{"a": 1}',
        b'[["alice.pem.0123456789abcdef.new", "precious"]]',
    ):
        (tmp_path / "alice.pem.set").write_bytes(planted)
        assert cli.main(["keygen", "es256", "alice", "--json"]) == 1
        assert json.loads(capsys.readouterr().out)["error"]["code"] == "host.exists"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["alice.pem.set", "precious"]
