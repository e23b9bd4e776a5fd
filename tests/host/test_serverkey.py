# SPDX-License-Identifier: MIT
"""`trustanchor serverkey`: keys made together, requests that reuse them, renewals that are checked
by the device's judge before a server is reloaded."""

import io
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from host_tools.cli import main as cli
from tests.certs import pki
from tests.host.test_transcripts import PAGE, agrees, commands
from tests.host.test_transcripts import run as run_in_shell

HOST = "broker.example.net"
ROOT = pki.authority("Root")

STATE = """
sequence = 1
[[authority]]
keys = ["alice.pub"]
[[backup]]
keys = ["vault.pub"]
[[service]]
name = "mqtt"
hosts = ["broker.example.net"]
port = 8883
pins = "broker"
[[probe]]
service = "mqtt"
[[pin_set]]
name = "broker"
pins = [{ key = "server/primary.key.pub" }, { key = "server/backup.key.pub", backup = true }]
[[anchor]]
certificate = "root.pem"
"""


@pytest.fixture(autouse=True)
def _passphrase(monkeypatch):
    monkeypatch.setenv("TRUSTANCHOR_PASSPHRASE", "geheim")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))


def private(path: Path):
    content = path.read_bytes()
    return serialization.load_pem_private_key(
        content, b"geheim" if b"ENCRYPTED" in content else None
    )


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """A folder with server keys made by the command, and fleet.bundle that pins both."""
    folder = tmp_path_factory.mktemp("fleet")
    patch = pytest.MonkeyPatch()
    patch.setenv("TRUSTANCHOR_PASSPHRASE", "geheim")
    patch.chdir(folder)
    for name in ("alice", "vault"):
        assert cli.main(["keygen", "es256", name]) == 0
    assert cli.main(["serverkey", "new", "server"]) == 0
    for name in ("primary.key", "backup.key"):
        public = private(folder / "server" / name).public_key()
        (folder / "server" / f"{name}.pub").write_bytes(
            public.public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
    (folder / "root.pem").write_bytes(ROOT.pem)
    (folder / "fleet.toml").write_text(STATE)
    assert cli.main(["bundle", "build", "fleet.toml", "--first"]) == 0
    signed = ["bundle", "sign", "fleet.draft", "--first", "--yes-to", "1", "--key", "alice.pem"]
    assert cli.main(signed) == 0
    patch.undo()
    return folder


def renewed(fleet, key, file="fullchain.pem", host=HOST):
    """What an ACME client leaves behind: a new certificate for key, and its issuer's."""
    leaf = pki.end_entity(host, issuer=ROOT, key=key)
    (fleet / file).write_bytes(leaf.pem + ROOT.pem)
    return str(fleet / file)


def check(capsys, fleet, *words, host=f"{HOST}:8883"):
    capsys.readouterr()
    state = str(fleet / "fleet.bundle")
    status = cli.main(["serverkey", "check", *words, "--host", host, "--state", state, "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_new_makes_two_keys_that_only_their_owner_reads(fleet):
    for name, is_encrypted in (("primary.key", False), ("backup.key", True)):
        path = fleet / "server" / name
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert (b"ENCRYPTED" in path.read_bytes()) is is_encrypted


def test_new_overwrites_nothing(capsys, fleet):
    before = (fleet / "server" / "primary.key").read_bytes()
    assert cli.main(["serverkey", "new", str(fleet / "server"), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "host.exists"
    assert (fleet / "server" / "primary.key").read_bytes() == before


@pytest.mark.parametrize("name", ["primary.key", "backup.key"])
def test_a_request_is_for_the_key_that_exists(tmp_path, fleet, name):
    key = fleet / "server" / name
    for out in ("one.csr", "two.csr"):  # two CAs, one key
        words = ["serverkey", "csr", str(key), HOST, "*.example.net", "192.0.2.1"]
        assert cli.main([*words, "--out", str(tmp_path / out)]) == 0
        made = x509.load_pem_x509_csr((tmp_path / out).read_bytes())
        assert made.is_signature_valid
        assert made.public_key() == private(key).public_key()
        san = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert san.get_values_for_type(x509.DNSName) == [HOST, "*.example.net"]
        assert [str(one) for one in san.get_values_for_type(x509.IPAddress)] == ["192.0.2.1"]


@pytest.mark.parametrize("host", ["a b", "*.192.0.2.1", "*", "x..y"])
def test_a_request_for_what_no_device_can_ask_for_is_not_made(tmp_path, fleet, host):
    out = tmp_path / "bad.csr"
    key = str(fleet / "server" / "primary.key")
    assert cli.main(["serverkey", "csr", key, host, "--out", str(out)]) == 1
    assert not out.exists()


def test_a_renewal_with_the_pinned_key_is_safe(capsys, fleet):
    path = renewed(fleet, private(fleet / "server" / "primary.key"))
    status, said = check(capsys, fleet, path)
    assert (status, said["safe"]) == (0, True)
    assert (said["answers"][0]["code"], said["answers"][0]["is_backup"]) == ("ok", False)


def test_a_renewal_with_the_backup_key_is_safe_and_says_that_it_is_the_backup(capsys, fleet):
    path = renewed(fleet, private(fleet / "server" / "backup.key"))
    status, said = check(capsys, fleet, path)
    assert (status, said["answers"][0]["is_backup"]) == (0, True)


def test_a_renewal_with_a_new_key_is_refused_with_remedy(capsys, fleet):
    status, said = check(capsys, fleet, renewed(fleet, pki.make_key()))
    assert (status, said["safe"]) == (1, False)
    assert said["answers"][0]["code"] == "pin.none_matched"
    assert said["answers"][0]["remedy"]


def test_a_host_that_no_service_answers_for_is_refused(capsys, fleet):
    path = renewed(fleet, private(fleet / "server" / "primary.key"))
    status, said = check(capsys, fleet, path, host="other.example.net:8883")
    assert (status, said["answers"][0]["code"]) == (1, "service.unknown")


def test_a_certificate_for_another_name_is_refused(capsys, fleet):
    key = private(fleet / "server" / "primary.key")
    path = renewed(fleet, key, host="other.example.net")
    status, said = check(capsys, fleet, path)
    assert (status, said["safe"]) == (1, False)


@pytest.mark.parametrize(
    ("variable", "is_folder"),
    [("RENEWED_LINEAGE", True), ("CERT_FULLCHAIN_PATH", False), ("LEGO_CERT_PATH", False)],
)
@pytest.mark.parametrize("keeps_key", [True, False])
def test_a_hook_reloads_the_server_only_when_devices_accept_it(
    fleet, tmp_path, variable, is_folder, keeps_key
):
    """The variables as certbot, acme.sh and lego set them; the hook runs in a shell, as theirs."""
    key = private(fleet / "server" / "primary.key") if keeps_key else pki.make_key()
    path = renewed(fleet, key)
    command = (
        f"{sys.executable} -m host_tools.cli serverkey check --host {HOST}:8883 "
        f"--state {fleet}/fleet.bundle && touch {tmp_path}/reloaded"
    )
    environment = {**os.environ, variable: str(fleet) if is_folder else path}
    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True)
    assert (done.returncode == 0) is keeps_key, done.stdout + done.stderr
    assert (tmp_path / "reloaded").exists() is keeps_key


def test_without_a_file_and_without_a_hook_it_says_what_is_missing(capsys, fleet, monkeypatch):
    for name in ("RENEWED_LINEAGE", "CERT_FULLCHAIN_PATH", "LEGO_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    status, said = check(capsys, fleet)
    assert (status, said["error"]["code"]) == (3, "input.no_such_file")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "input.empty"),
        (b"-----BEGIN CERTIFICATE-----\n" + b"A" * (257 << 10), "input.too_large"),
    ],
)
def test_a_file_that_is_no_chain_is_refused_within_bounds(capsys, fleet, tmp_path, content, code):
    path = tmp_path / "bad.pem"
    path.write_bytes(content)
    status, said = check(capsys, fleet, str(path))
    assert (status, said["error"]["code"]) == (1, code)


def test_the_transcript_is_what_the_command_prints(fleet, tmp_path):
    renewed(fleet, private(fleet / "server" / "primary.key"))
    renewed(fleet, pki.make_key(), "newkey.pem")
    folder = tmp_path / "copy"
    shutil.copytree(fleet, folder)
    found = [one for one in commands("serverkey", PAGE.read_text()) if "check" in one[0]]
    found += [one for one in commands("serverkey", PAGE.read_text()) if "check" not in one[0]]
    assert len(found) == 4
    for command, page in found:
        said = run_in_shell(command, folder)
        assert agrees(said, page), f"$ {command}\n{said}\n--- the page:\n{page}"
