# SPDX-License-Identifier: MIT
"""`trustanchor bundle` and `keygen` as a host engineer uses them: files, exit codes, sentences."""

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from host_tools.cli import main as cli
from host_tools.signing import hss_keys, outputs
from tests.certs import pki

PASSPHRASE = "geheim"

FIRST = """
sequence = 1
[[authority]]
threshold = 2
keys = ["alice.pub", "bob.pub"]
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
pins = [{ key = "server.pub" }, { key = "spare.pub", backup = true }]
[[anchor]]
certificate = "root.pem"
"""


# What a signer of 2.draft says who has read it.
AFTER_FIRST = ("--current", "1.bundle", "--yes-to", "2")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with signers' keys, server keys and a root, made by the command itself."""
    folder = tmp_path_factory.mktemp("keys")
    patch = pytest.MonkeyPatch()
    patch.setenv("TRUSTANCHOR_PASSPHRASE", PASSPHRASE)
    patch.setattr(hss_keys, "_SCRYPT_N", 1 << 4)
    for name in ("alice", "bob", "carol"):
        assert cli.main(["keygen", "es256", str(folder / name)]) == 0
    assert cli.main(["keygen", "hss", str(folder / "vault"), "--height", "5", "--new-ledger"]) == 0
    for name in ("server", "spare", "new"):
        public = pki.make_key().public_key()
        pem = public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        (folder / f"{name}.pub").write_bytes(pem)
    (folder / "root.pem").write_bytes(pki.authority("Root").pem)
    patch.undo()
    return folder


@pytest.fixture
def desk(tmp_path: Path, keys: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with all keys in it, and the current directory."""
    for file in keys.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRUSTANCHOR_PASSPHRASE", PASSPHRASE)
    monkeypatch.setattr(hss_keys, "_SCRYPT_N", 1 << 4)
    return tmp_path


def bundle(*words: str) -> int:
    return cli.main(["bundle", *words])


def made(number: int, text: str, *options: str, signers: tuple[str, ...]) -> Path:
    """Describe, build and sign one bundle; returns its path."""
    Path(f"{number}.toml").write_text(text)
    assert bundle("build", f"{number}.toml", *options) == 0
    known = options[:2] if "--current" in options else options[:1]
    sequence = str(tomllib.loads(text)["sequence"])
    for signer in signers:
        words = ("sign", f"{number}.draft", *known, "--yes-to", sequence, "--key", signer)
        assert bundle(*words) == 0
    assert Path(f"{number}.bundle").exists()
    return Path(f"{number}.bundle")


def first() -> Path:
    return made(1, FIRST, "--first", signers=("alice.pem", "bob.pem"))


def refused(capsys: pytest.CaptureFixture[str], code: str, *words: str) -> str:
    """Run with --json, require exit code 1 and the code; returns the sentence."""
    capsys.readouterr()
    assert bundle(*words, "--json") == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["error"]["code"] == code
    assert "Traceback" not in printed.err
    return json.loads(printed.out)["error"]["message"]


def test_a_first_bundle_is_signed_by_two_and_accepted(desk: Path) -> None:
    path = first()
    assert bundle("verify", str(path), "--first") == 0


def test_one_signature_of_two_makes_no_bundle(desk: Path) -> None:
    Path("1.toml").write_text(FIRST)
    assert bundle("build", "1.toml", "--first") == 0
    assert bundle("sign", "1.draft", "--first", "--key", "alice.pem") == 0
    assert not Path("1.bundle").exists()


def test_what_is_shown_before_the_first_signature_names_no_signer(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("1.toml").write_text(FIRST)
    assert bundle("build", "1.toml", "--first") == 0
    capsys.readouterr()
    assert bundle("sign", "1.draft", "--first", "--key", "alice.pem") == 0
    shown = capsys.readouterr().err
    assert "broker.example.net" in shown
    assert "signed_by" not in shown
    assert "bytes:" not in shown


def test_a_stranger_and_a_second_signature_are_refused(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("1.toml").write_text(FIRST)
    assert bundle("build", "1.toml", "--first") == 0
    refused(capsys, "bundle.not_a_signer", "sign", "1.draft", "--first", "--key", "carol.pem")
    assert bundle("sign", "1.draft", "--first", "--key", "alice.pem") == 0
    refused(capsys, "bundle.signed_already", "sign", "1.draft", "--first", "--key", "alice.pem")


def test_a_slept_device_catches_up_over_a_change_of_signers(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = first()
    changed = 'overrides = ["revert"]' + FIRST.replace("= 1", "= 2").replace(
        "bob.pub", "carol.pub"
    )
    signers = ("alice.pem", "bob.pem", "carol.pem")
    two = made(2, changed, "--current", str(one), signers=signers)
    three = made(
        3,
        changed.replace("sequence = 2", "sequence = 3"),
        "--current",
        str(two),
        signers=("alice.pem", "carol.pem"),
    )
    assert bundle("verify", str(three), "--current", str(one)) == 0
    capsys.readouterr()
    # Without the link it cannot know the new signers.
    Path("2.link").unlink()
    made(
        4,
        changed.replace("sequence = 2", "sequence = 4"),
        "--current",
        str(two),
        signers=("alice.pem", "carol.pem"),
    )
    capsys.readouterr()
    assert bundle("verify", "4.bundle", "--current", str(one), "--json") == 1
    assert json.loads(capsys.readouterr().out)["code"] == "update.threshold"


def test_a_rescue_is_signed_by_the_backup_and_the_new_signers(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = first()
    rescue = 'epoch = 1\nrevert = "never"\n' + FIRST.replace("alice.pub", "carol.pub")
    made(
        2,
        rescue,
        "--current",
        str(one),
        "--rescue",
        signers=("vault-2.hss", "carol.pem", "bob.pem"),
    )
    assert bundle("verify", "2.bundle", "--current", str(one)) == 0
    assert len(hss_keys.read_ledger(Path("hss-ledger.jsonl"))[1]) == 2  # state and link
    capsys.readouterr()
    Path("3.toml").write_text(rescue)
    refused(capsys, "bundle.epoch", "build", "3.toml", "--current", str(one))


def test_detached_signing_needs_nothing_of_ours(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("1.toml").write_text(FIRST)
    assert bundle("build", "1.toml", "--first") == 0
    assert bundle("sign", "1.draft", "--first", "--key", "alice.pem") == 0
    assert bundle("sign", "1.draft", "--first", "--export", "bob.pub") == 0
    key = serialization.load_pem_private_key(Path("bob.pem").read_bytes(), PASSPHRASE.encode())
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    wrong = key.sign(b"another message", ec.ECDSA(hashes.SHA256()))
    Path("wrong.sig").write_bytes(wrong)
    words = ("sign", "1.draft", "--first", "--import", "bob.pub")
    refused(capsys, "cose.signature_invalid", *words, "wrong.sig")
    assert not Path("1.bundle").exists()
    Path("junk.sig").write_bytes(b"junk")
    refused(capsys, "bundle.signature_file", *words, "junk.sig")
    refused(capsys, "bundle.signature_file", *words, "wrong.sig", "wrong.sig")
    der = key.sign(Path("1.bob.state.tbs").read_bytes(), ec.ECDSA(hashes.SHA256()))
    Path("bob.sig").write_bytes(der)
    assert bundle(*words, "bob.sig") == 0
    assert Path("1.bundle").exists()


def test_an_older_bundle_is_refused(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = first()
    two = made(
        2,
        FIRST.replace("sequence = 1", "sequence = 2"),
        "--current",
        str(one),
        signers=("alice.pem", "bob.pem"),
    )
    capsys.readouterr()
    assert bundle("verify", str(one), "--current", str(two), "--json") == 1
    assert json.loads(capsys.readouterr().out)["code"] == "update.rollback"
    Path("3.toml").write_text(FIRST)
    refused(capsys, "bundle.sequence", "build", "3.toml", "--current", str(two))


def test_a_state_that_narrows_trust_must_say_how_it_reverts(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = first()
    narrowed = FIRST.replace("sequence = 1", "sequence = 2").replace("server.pub", "new.pub")
    Path("2.toml").write_text(narrowed)
    words = ("build", "2.toml", "--current", str(one))
    assert "pin broker" in refused(capsys, "update.revert_rule", *words)
    assert not Path("2.draft").exists()
    Path("2.toml").write_text('revert = "never"\n' + narrowed)
    assert bundle(*words) == 0


def test_diff_and_inspect_say_what_changes(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = first()
    two = made(
        2,
        FIRST.replace("sequence = 1", "sequence = 2").replace("8883", "8884"),
        "--current",
        str(one),
        signers=("alice.pem", "bob.pem"),
    )
    capsys.readouterr()
    assert bundle("diff", str(one), str(two), "--json") == 0
    found = {change["field"]: change for change in json.loads(capsys.readouterr().out)}
    assert found["services.mqtt.port"] == {
        "field": "services.mqtt.port",
        "old": 8883,
        "new": 8884,
    }
    assert "services.mqtt.hosts" not in found
    assert bundle("inspect", str(two), "--against", str(one)) == 0
    assert "broker.example.net" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("sequence = 1", "sequense = 1"), "sequence is missing"),
        (("sequence = 1", "sequence = 1\nsequense = 1"), "did you mean sequence"),
        (("sequence = 1", "sequence = 'one'"), "it is a whole number"),
        (("sequence = 1", "sequence = true"), "it is a whole number"),
        (("[[backup]]", "[[backups]]"), "backup"),
        (('name = "mqtt"', 'name = "mqtt"\nmode = "paths"'), "it is one of path"),
        (("server.pub", "missing.pub"), "missing.pub"),
        (("root.pem", "alice.pub"), "line 1: no certificate is read from PUBLIC KEY"),
        (("sequence = 1", "sequence = 1\nissued_at = 2026-01-01T00:00:00"), "time zone"),
        (("sequence = 1", "sequence = 1 1"), "not TOML"),
        (('"bob.pub"]', '"server.pub", 1]'), "list of texts"),
    ],
)
def test_a_mistake_in_the_description_is_named(
    desk: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, str], said: str
) -> None:
    Path("1.toml").write_text(FIRST.replace(*change, 1))
    assert bundle("build", "1.toml", "--first") == (3 if "missing" in change[1] else 1)
    printed = capsys.readouterr()
    assert said in printed.err
    assert "Traceback" not in printed.err
    assert not Path("1.draft").exists()


def test_a_file_of_two_public_keys_is_no_authority_key(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("1.toml").write_text(FIRST)
    both = Path("alice.pub").read_bytes() + Path("bob.pub").read_bytes()
    Path("alice.pub").write_bytes(both)
    assert bundle("build", "1.toml", "--first") == 1
    assert "alice.pub, line 5: a second PUBLIC KEY" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("spare.pub", "server.pub"), "pin"),
        (('pins = "broker"', 'pins = "other"'), "service"),
        (("sequence = 1", "sequence = 0"), "toml"),
        (('"bob.pub"]', '"alice.pub"]'), "bundle"),
    ],
)
def test_what_the_device_would_refuse_is_refused_when_it_is_built_or_signed(
    desk: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, str], code: str
) -> None:
    Path("1.toml").write_text(FIRST.replace(*change, 1))
    capsys.readouterr()
    status = bundle("build", "1.toml", "--first", "--json")
    if status == 0:
        capsys.readouterr()
        status = bundle("sign", "1.draft", "--first", "--key", "alice.pem", "--json")
    assert status == 1
    found = json.loads(capsys.readouterr().out)["error"]["code"]
    assert re.match(rf"{code}\.", found), found
    assert not Path("1.bundle").exists()


def test_inspect_says_of_a_forged_bundle_that_its_signers_are_only_claimed(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = made(1, FIRST, "--first", signers=("alice.pem", "bob.pem"))
    capsys.readouterr()
    assert bundle("inspect", str(path), "--json") == 0
    assert json.loads(capsys.readouterr().out)["signatures"] == "checked"
    forged = bytearray(path.read_bytes())
    forged[-1] ^= 1
    Path("forged.bundle").write_bytes(forged)
    assert bundle("inspect", "forged.bundle", "--json") == 1
    shown = json.loads(capsys.readouterr().out)
    assert shown["signatures"] == "claimed, and not valid (cose.signature_invalid)"


@pytest.mark.parametrize(
    "content", [b"", b"\x00", b"{}", b"[]", b"\xd8\x62\x84", b"\xff" * 5000, b'{"format":1}']
)
@pytest.mark.parametrize("action", ["inspect", "verify", "sign"])
def test_any_bytes_end_in_a_coded_refusal(
    desk: Path, capsys: pytest.CaptureFixture[str], content: bytes, action: str
) -> None:
    Path("x").write_bytes(content)
    options = {"verify": ("--first",), "sign": ("--first", "--key", "alice.pem"), "inspect": ()}[
        action
    ]
    capsys.readouterr()
    assert bundle(action, "x", *options) == 1
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    assert "x" in printed.err


def test_hostile_text_does_not_reach_the_terminal(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("1.toml").write_text(FIRST.replace('"mqtt"', r'"mq\u001b[31mtt"'))
    assert bundle("build", "1.toml", "--first") == 1
    assert "\x1b" not in capsys.readouterr().err


def test_keygen_overwrites_nothing(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = Path("alice.pem").read_bytes()
    assert cli.main(["keygen", "es256", "alice"]) == 1
    assert "exists already" in capsys.readouterr().err
    assert Path("alice.pem").read_bytes() == before


@pytest.mark.parametrize("count", ["0", "33", "99999999999"])
def test_a_number_of_holders_out_of_range_is_refused_at_once(
    count: str, desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert cli.main(["keygen", "hss", "many", "--holders", count, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "key.parameters"
    assert list(desk.glob("many*")) == []


def test_a_wrong_passphrase_signs_nothing(
    desk: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("1.toml").write_text(FIRST)
    assert bundle("build", "1.toml", "--first") == 0
    before = Path("1.draft").read_bytes()
    monkeypatch.setenv("TRUSTANCHOR_PASSPHRASE", "falsch")
    refused(capsys, "key.passphrase_wrong", "sign", "1.draft", "--first", "--key", "alice.pem")
    assert Path("1.draft").read_bytes() == before


@pytest.mark.parametrize("step", range(1, 12))
def test_a_signature_that_is_interrupted_anywhere_is_finished_by_the_same_command(
    desk: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Whatever operation on files fails, the next try ends with the whole bundle."""
    Path("1.toml").write_text(FIRST)
    assert bundle("build", "1.toml", "--first") == 0
    assert bundle("sign", "1.draft", "--first", "--key", "alice.pem") == 0
    steps = iter(range(1, 100))
    genuine = {name: getattr(outputs.os, name) for name in ("open", "fsync", "replace", "link")}

    def failing(name: str) -> Callable[..., Any]:
        def call(*words: Any, **named: Any) -> Any:
            if next(steps) == step:
                raise OSError(28, "No space left on device")
            return genuine[name](*words, **named)

        return call

    with monkeypatch.context() as patch:
        for name in genuine:
            patch.setattr(outputs.os, name, failing(name))
        status = bundle("sign", "1.draft", "--first", "--key", "bob.pem")
    if status:
        assert bundle("sign", "1.draft", "--first", "--key", "bob.pem") == 0
    assert bundle("verify", "1.bundle", "--first") == 0
    assert [path.name for path in Path().iterdir() if path.name.endswith(".new")] == []
    # And once more: what is there already is what it would write.
    before = Path("1.bundle").read_bytes()
    assert bundle("sign", "1.draft", "--first", "--key", "bob.pem") == 0
    assert Path("1.bundle").read_bytes() == before
    Path("1.bundle").write_bytes(b"another")
    assert bundle("sign", "1.draft", "--first", "--key", "bob.pem") == 1
    assert Path("1.bundle").read_bytes() == b"another"
