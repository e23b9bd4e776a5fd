# SPDX-License-Identifier: MIT
"""`trustanchor passphrase`: the same key under another passphrase, or the file as it was."""

import json
from pathlib import Path

import pytest

from host_tools.cli import main as cli
from host_tools.signing import hss_keys, keyfiles
from tests.certs import pki


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRUSTANCHOR_PASSPHRASE", "old")
    monkeypatch.setattr(hss_keys, "_SCRYPT_N", 1 << 4)
    Path("new.txt").write_text("new\n")
    return tmp_path


def change(file: str, *words: str) -> int:
    return cli.main(["passphrase", file, *words])


@pytest.fixture(params=["alice.pem", "vault-1.hss"])
def file(request: pytest.FixtureRequest) -> str:
    kind = (
        ["es256", "alice"] if request.param == "alice.pem" else ["hss", "vault", "--height", "5"]
    )
    assert cli.main(["keygen", *kind, *(["--new-ledger"] if "hss" in kind else [])]) == 0
    return str(request.param)


def opens(file: str, passphrase: bytes) -> bool:
    if file.endswith(".hss"):
        return hss_keys.opens(Path(file), passphrase)
    return keyfiles.opens(Path(file).read_bytes(), passphrase)


def test_the_key_stays_and_only_the_new_passphrase_opens_it(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["pin", file, "--json"])
    before = capsys.readouterr().out.splitlines()[-1]
    assert change(file, "--new-passphrase-file", "new.txt") == 0
    assert opens(file, b"new") and not opens(file, b"old")
    assert Path(file).stat().st_mode & 0o777 == 0o600
    capsys.readouterr()
    cli.main(["pin", file, "--json", "--passphrase-file", "new.txt"])
    assert capsys.readouterr().out.splitlines()[-1] == before


def test_a_share_goes_on_at_its_next_leaf(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["keygen", "hss", "vault", "--height", "5", "--new-ledger"])
    share, ledger = Path("vault-1.hss"), Path("hss-ledger.jsonl")
    hss_keys.sign(share, ledger, b"one", b"old")
    assert hss_keys.remaining(share)[1] == 31
    assert change("vault-1.hss", "--new-passphrase-file", "new.txt") == 0
    assert hss_keys.remaining(share)[1] == 31
    hss_keys.sign(share, ledger, b"two", b"new")
    capsys.readouterr()
    assert cli.main(["pin", "vault-1.hss", "vault.pub"]) == 0
    told = capsys.readouterr().out
    assert "left    30 signatures" in told
    ids = {line.split()[1] for line in told.splitlines() if "signer" in line}
    assert len(ids) == 1


def test_one_is_made_up_on_demand(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert change(file, "--make-passphrase", "--json") == 0
    made_up = json.loads(capsys.readouterr().out)["passphrase"]
    assert opens(file, made_up.encode())


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), "no new passphrase for"),
        (("--new-passphrase-file", "empty.txt"), "first line is empty"),
        (("--new-passphrase-file", "new.txt", "--make-passphrase"), "leave one of them out"),
        (("--new-passphrase-file", "new.txt", "--passphrase-file", "new.txt"), "wrong passphrase"),
    ],
)
def test_what_cannot_be_done_leaves_the_file(
    file: str, words: tuple[str, ...], code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty.txt").write_text("\n")
    before = Path(file).read_bytes()
    assert change(file, *words) == 1
    assert code in capsys.readouterr().err.lower()
    assert Path(file).read_bytes() == before


def test_a_certificate_in_the_same_file_is_not_lost(capsys: pytest.CaptureFixture[str]) -> None:
    both = pki.authority("Root")
    Path("both.pem").write_bytes(both.pem + both.key_pem)
    before = Path("both.pem").read_bytes()
    assert change("both.pem", "--new-passphrase-file", "new.txt") == 1
    assert "a file of its own" in capsys.readouterr().err
    assert Path("both.pem").read_bytes() == before
