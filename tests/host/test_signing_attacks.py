# SPDX-License-Identifier: MIT
"""Signing when others are hostile: drafts that were changed, copies of shares, odd files."""

import base64
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from host_tools.cli.errors import HostError
from host_tools.signing import bundle_encode, draft, hss_keys, signers
from host_tools.signing.bundle_encode import Authority, Key
from tests.host.test_bundle_cli import AFTER_FIRST, FIRST, bundle, desk, first, keys, refused

__all__ = ["desk", "keys"]  # fixtures

ROOT = Path(__file__).resolve().parent.parent.parent


def changed_signers() -> None:
    """Build 2.draft, in which carol replaces alice."""
    Path("2.toml").write_text(
        'revert = "never"\n'
        + FIRST.replace("alice.pub", "carol.pub").replace("sequence = 1", "sequence = 2")
    )
    assert bundle("build", "2.toml", "--current", str(first())) == 0


def test_a_link_that_names_other_signers_than_the_state_gets_no_signature(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed_signers()
    made = draft.load(Path("2.draft"))
    old, _ = draft.authorities_of(draft.payload_of(made.current))
    thief = Authority([(1, [Key(*signers.public_record("carol.pub"))])])
    document = json.loads(Path("2.draft").read_text())
    payload = bundle_encode.encode_link(0, 2, old, thief)
    document["parts"][1]["payload"] = base64.b64encode(payload).decode()
    Path("2.draft").write_text(json.dumps(document))
    before = Path("2.draft").read_bytes()
    refused(capsys, "bundle.draft", "sign", "2.draft", *AFTER_FIRST, "--key", "bob.pem")
    refused(capsys, "bundle.draft", "sign", "2.draft", *AFTER_FIRST, "--export", "bob.pub")
    assert Path("2.draft").read_bytes() == before


def test_a_draft_without_its_link_gets_no_signature(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed_signers()
    document = json.loads(Path("2.draft").read_text())
    del document["parts"][1]
    Path("2.draft").write_text(json.dumps(document))
    refused(capsys, "bundle.draft", "sign", "2.draft", *AFTER_FIRST, "--key", "bob.pem")


def test_the_link_of_its_state_is_signed(desk: Path) -> None:
    changed_signers()
    for signer in ("alice", "bob", "carol"):
        assert bundle("sign", "2.draft", *AFTER_FIRST, "--key", f"{signer}.pem") == 0
    assert Path("2.bundle").exists()


@pytest.mark.parametrize("how", [("--key", "bob.pem"), ("--export", "bob.pub")])
def test_a_signer_is_shown_what_is_signed_and_what_it_replaces(
    desk: Path, capsys: pytest.CaptureFixture[str], how: tuple[str, str]
) -> None:
    changed_signers()
    made = draft.load(Path("2.draft"))
    capsys.readouterr()
    assert bundle("sign", "2.draft", *AFTER_FIRST, *how, "--json") == 0
    printed = capsys.readouterr()
    json.loads(printed.out)  # nothing but JSON
    for part in (made.state.payload, draft.payload_of(made.current)):
        assert hashlib.sha256(part).hexdigest() in printed.err
    carol = draft.key_name(Key(*signers.public_record("carol.pub")))
    alice = draft.key_name(Key(*signers.public_record("alice.pub")))
    shown = printed.err.splitlines()
    assert any(line.startswith("+ authority") and carol in line for line in shown)
    assert any(line.startswith("- authority") and alice in line for line in shown)


def test_an_imported_signature_over_something_else_does_not_enter_the_draft(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("1.toml").write_text(FIRST)
    assert bundle("build", "1.toml", "--first") == 0
    before = Path("1.draft").read_bytes()
    # Alice is the first of two: until the last one signs nobody else would have noticed.
    Path("wrong.sig").write_bytes(b"\x01" * 64)
    words = ("sign", "1.draft", "--first", "--import", "alice.pub")
    refused(capsys, "cose.signature_invalid", *words, "wrong.sig")
    Path("huge.sig").write_bytes(encode_dss_signature(1 << 300, 1))
    refused(capsys, "bundle.signature_file", *words, "huge.sig")
    assert Path("1.draft").read_bytes() == before


def test_no_signature_is_made_when_its_bundle_has_no_place(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("1.toml").write_text(FIRST)
    assert bundle("build", "1.toml", "--first") == 0
    Path("1.bundle").write_bytes(b"something else")
    before = Path("1.draft").read_bytes()
    refused(capsys, "host.exists", "sign", "1.draft", "--first", "--key", "alice.pem")
    assert Path("1.draft").read_bytes() == before


@pytest.mark.parametrize(
    ("output", "code"), [("2.bundle", "host.exists"), ("gone/2.bundle", "host.io")]
)
def test_no_leaf_is_spent_when_the_signature_has_no_place(
    desk: Path, capsys: pytest.CaptureFixture[str], output: str, code: str
) -> None:
    new = FIRST.replace("alice.pub", "vault.pub").replace(
        'keys = ["vault.pub"]', 'keys = ["carol.pub"]'
    )
    Path("1.toml").write_text(new)
    assert bundle("build", "1.toml", "--first") == 0
    Path("2.bundle").touch()
    before = {file: file.read_bytes() for file in desk.iterdir()}
    refused(capsys, code, "sign", "1.draft", "--first", "--key", "vault-1.hss", "-o", output)
    assert {file: file.read_bytes() for file in desk.iterdir()} == before
    assert bundle("sign", "1.draft", "--first", "--key", "vault-1.hss") == 0


def test_no_signature_is_made_when_the_link_has_no_place(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed_signers()
    Path("2.link").write_bytes(b"something else")
    before = Path("2.draft").read_bytes()
    refused(capsys, "host.exists", "sign", "2.draft", *AFTER_FIRST, "--key", "alice.pem")
    assert Path("2.draft").read_bytes() == before
    assert Path("2.link").read_bytes() == b"something else"


_SIGN = """
import sys
import time
from pathlib import Path
from host_tools.signing import hss_keys, outputs
hss_keys._SCRYPT_N = 1 << 4
replace = outputs.replace

def slowly(*arguments):  # between reading the ledger and writing it
    time.sleep(0.02)
    replace(*arguments)

outputs.replace = slowly
share, ledger, name = sys.argv[1:]
sys.stdin.read()
for number in range(8):
    message = (name + str(number)).encode()
    signature = hss_keys.sign(Path(share), Path(ledger), message, b"x")
"""


def test_processes_with_copies_of_one_share_never_use_a_leaf_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hss_keys, "_SCRYPT_N", 1 << 4)
    ledger = tmp_path / "ledger"
    identity, head = hss_keys.new_ledger()
    ledger.write_bytes(head)
    content = hss_keys.encode(hss_keys.generate(1, identity, 5, 8)[0], b"x")
    running = []
    for name in ("one", "two"):
        share = tmp_path / f"{name}.hss"
        share.write_bytes(content)
        words = [sys.executable, "-c", _SIGN, str(share), str(ledger), name]
        running.append(subprocess.Popen(words, stdin=subprocess.PIPE, cwd=ROOT))
    for process in running:
        assert process.stdin
        process.stdin.close()  # both are loaded: now
    assert [process.wait(60) for process in running] == [0, 0]
    _, spent = hss_keys.read_ledger(ledger)  # refuses a leaf with two messages
    assert sorted(leaf for _, leaf in spent) == list(range(16))


@pytest.mark.parametrize(
    "row", [b'{"tree": "0", "leaf": 1e999, "sha256": "0"}', b"[" * 100_000], ids=["inf", "deep"]
)
def test_a_ledger_nobody_can_read_is_refused_with_a_code(tmp_path: Path, row: bytes) -> None:
    (tmp_path / "ledger").write_bytes(row)
    with pytest.raises(HostError) as refusal:
        hss_keys.read_ledger(tmp_path / "ledger")
    assert refusal.value.code == "key.ledger"


@pytest.mark.parametrize(
    "attribute",
    ["id=%01", "text=%1b[31m", "token=U", "pin-value=1"],
    ids=["id", "text", "2", "pin"],
)
def test_a_token_uri_is_understood_whole_or_refused(attribute: str) -> None:
    uri = "pkcs11:token=T;object=O?module-path=/m.so"
    assert signers.parse_uri(uri)["object"] == "O"
    with pytest.raises(HostError) as refusal:
        signers.parse_uri(f"{uri}&{attribute}")
    assert refusal.value.code == "key.uri"
