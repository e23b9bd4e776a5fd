# SPDX-License-Identifier: MIT
"""Every command that writes files is killed before each of its operations on files; then the same
command again ends with the whole, and what had its name already is as it was.

The process is a fork that ends at once, without any `finally`, as a power cut or SIGKILL ends it.
"""

import io
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from host_tools.cli import main as cli
from host_tools.demo.servers import TlsServer
from host_tools.signing import draft, hss_keys, keyfiles, signers
from tests.certs import pki
from tests.host.test_bundle_cli import FIRST, PASSPHRASE, bundle, desk, keys
from trustanchor import kinds
from trustanchor.crypto import cose_signatures

__all__ = ["desk", "keys"]  # fixtures

ROOT = pki.authority("Root")
SERVER = pki.end_entity("127.0.0.1", issuer=ROOT)


def killed_at(step: int, words: list[str]) -> bool:
    """Run a command in a process that ends before its step-th operation on files; return whether
    it came to its own end."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    steps = itertools.count(1)
    for name in ("open", "fsync", "link", "replace", "unlink"):
        genuine = getattr(os, name)

        def call(*words, genuine=genuine, **named):
            if next(steps) == step:
                os._exit(9)
            return genuine(*words, **named)

        setattr(os, name, call)
    os._exit(cli.main(words))


@pytest.fixture(scope="module")
def server() -> Iterator[TlsServer]:
    with TlsServer([SERVER.der, ROOT.der], SERVER.key, "1.3") as listening:
        yield listening


@pytest.fixture(autouse=True)
def _at_no_keyboard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))


def key_of(name: str, passphrase: str | None = PASSPHRASE) -> bytes:
    given = passphrase.encode() if passphrase else None
    key = serialization.load_pem_private_key(Path(name).read_bytes(), given)
    return keyfiles.public_der(key)


def is_pair() -> None:
    assert (kinds.ES256, key_of("dora.pem")) == signers.public_record("dora.pub")


def signs() -> None:
    signature = hss_keys.sign(Path("safe-2.hss"), Path("new/l"), b"m", PASSPHRASE.encode())
    alg, public = signers.public_record("safe.pub")
    assert cose_signatures.verify(alg, public, b"m", signature)


def signs_with_its_ledger() -> None:
    ledger = Path("new/hss-ledger.jsonl")
    signature = hss_keys.sign(Path("new/safe-2.hss"), ledger, b"m", PASSPHRASE.encode())
    alg, public = signers.public_record("new/safe.pub")
    assert cose_signatures.verify(alg, public, b"m", signature)


def are_server_keys() -> None:
    assert key_of("primary.key", None) != key_of("backup.key")


def is_draft() -> None:
    assert draft.load(Path("1.draft")).missing()


def is_bundle() -> None:
    assert bundle("verify", "2.bundle", "--first") == 0


def is_program() -> None:
    backup = pki.spki_sha256(
        serialization.load_pem_private_key(
            Path("my/backup-key.pem").read_bytes(), PASSPHRASE.encode()
        )
    )
    program = Path("my/main.py").read_text()
    assert backup.hex() in program and SERVER.pin.hex() in program


def nothing_more() -> None:
    pass


# Name: the words (%s is the server), what they write, and whether it is right.
COMMANDS: dict[str, tuple[str, set[str], Callable[[], None]]] = {
    "keygen es256": ("keygen es256 dora", {"dora.pem", "dora.pub"}, is_pair),
    "keygen hss": (
        "keygen hss new/safe --height 5 --width 8 --new-ledger",
        {"new/safe-1.hss", "new/safe-2.hss", "new/safe.pub", "new/hss-ledger.jsonl"},
        signs_with_its_ledger,
    ),
    "serverkey new": ("serverkey new .", {"primary.key", "backup.key"}, are_server_keys),
    "serverkey csr": ("serverkey csr alice.pem a.example --out a.csr", {"a.csr"}, nothing_more),
    "bundle build": ("bundle build 1.toml --first", {"1.draft"}, is_draft),
    "bundle export": (
        "bundle sign 2.draft --first --export bob.pub",
        {"2.bob.state.tbs"},
        nothing_more,
    ),
    "bundle sign": (
        "bundle sign 2.draft --first --key bob.pem",
        {"2.draft", "2.bundle"},
        is_bundle,
    ),
    "init": ("init %s --out my", {"my/backup-key.pem", "my/main.py"}, is_program),
}


def files() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


@pytest.mark.parametrize("command", COMMANDS)
def test_killed_anywhere_the_same_command_ends_with_the_whole(
    desk: Path, server: TlsServer, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    text, written, check = COMMANDS[command]
    words = [word.replace("%s", f"127.0.0.1:{server.port}") for word in text.split()]
    Path("1.toml").write_text(FIRST)
    Path("2.toml").write_text(FIRST)
    Path("new").mkdir()
    assert bundle("build", "2.toml", "--first") == 0
    assert bundle("sign", "2.draft", "--first", "--key", "alice.pem") == 0
    for step in itertools.count(1):
        folder = desk.parent / f"{desk.name}-{step}"
        shutil.copytree(desk, folder)
        monkeypatch.chdir(folder)
        before = files()
        if killed_at(step, words):
            break
        left = files()
        assert cli.main(words) == 0, step
        after = files()
        known = {name for name in after if not name.endswith((".lock", ".set.new"))}
        assert known == set(before) | written, step
        # What was there, or had its name already, has kept its content; a draft is added to.
        for name in (set(before) | (written & set(left))) - {"2.draft"}:
            assert after[name] == left[name], (step, name)
        check()
    assert step > 3 * len(written)
