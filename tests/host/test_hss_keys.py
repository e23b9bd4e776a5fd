# SPDX-License-Identifier: MIT
"""HSS holder files: no leaf signs twice, whatever happens to the file."""

import fcntl
import json
from pathlib import Path

import pyhsslms.pyhsslms as lms
import pytest

from host_tools.cli import main as cli
from host_tools.cli.errors import HostError
from host_tools.signing import hss_keys

PASSPHRASE = b"correct horse"


@pytest.fixture(autouse=True)
def _fast_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hss_keys, "_SCRYPT_N", 1 << 4)


LEDGER = "ab" * 16
HEAD = json.dumps({"format": "trustanchor-hss-ledger-2", "id": LEDGER}) + "\n"


@pytest.fixture(scope="module")
def shares() -> list[hss_keys.Holder]:
    return hss_keys.generate(2, LEDGER, height=5, width=4)


@pytest.fixture(autouse=True)
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger"
    path.write_text(HEAD)
    return path


@pytest.fixture
def holder(tmp_path: Path, shares: list[hss_keys.Holder]) -> Path:
    path = tmp_path / "alice.hss"
    path.write_bytes(hss_keys.encode(shares[0], PASSPHRASE))
    return path


def verifies(public: bytes, message: bytes, signature: bytes) -> bool:
    key = lms.HssPublicKey.deserialize(public)
    return bool(key.verify(message, lms.HssSignature.deserialize(signature).serialize()))


def leaf_of(signature: bytes) -> int:
    """q of the bottom signature: the last LMS signature begins with it (RFC 8554 section 5.4)."""
    parsed = lms.HssSignature.deserialize(signature)
    return int.from_bytes(parsed.lms_sig.serialize()[:4], "big")


def refused(code: str, path: Path, ledger: Path, passphrase: bytes = PASSPHRASE) -> HostError:
    with pytest.raises(HostError) as caught:
        hss_keys.sign(path, ledger, b"m", passphrase)
    assert caught.value.code == code
    return caught.value


def test_holders_share_the_public_key_and_no_tree(shares: list[hss_keys.Holder]) -> None:
    assert shares[0].public == shares[1].public
    assert shares[0].tree_id != shares[1].tree_id
    assert shares[0].seed != shares[1].seed
    # The top tree certified them with different leaves.
    assert shares[0].endorsed[:4] != shares[1].endorsed[:4]


def test_every_holder_signs_and_another_message_is_refused(
    tmp_path: Path, shares: list[hss_keys.Holder]
) -> None:
    for number, share in enumerate(shares):
        path = tmp_path / f"{number}.hss"
        path.write_bytes(hss_keys.encode(share, PASSPHRASE))
        signature = hss_keys.sign(path, tmp_path / "ledger", b"message", PASSPHRASE)
        assert verifies(share.public, b"message", signature)
        assert not verifies(share.public, b"massage", signature)
    assert len(hss_keys.read_ledger(tmp_path / "ledger")[1]) == 2


def test_no_leaf_is_used_twice_until_all_are_spent(tmp_path: Path, holder: Path) -> None:
    ledger = tmp_path / "ledger"
    leaves = [leaf_of(hss_keys.sign(holder, ledger, b"%d" % n, PASSPHRASE)) for n in range(32)]
    assert leaves == list(range(32))
    refused("key.exhausted", holder, ledger)


def test_a_file_restored_from_a_backup_jumps_ahead_of_the_ledger(
    tmp_path: Path, holder: Path
) -> None:
    backup = holder.read_bytes()
    ledger = tmp_path / "ledger"
    first = hss_keys.sign(holder, ledger, b"1", PASSPHRASE)
    holder.write_bytes(backup)
    second = hss_keys.sign(holder, ledger, b"2", PASSPHRASE)
    assert leaf_of(first) != leaf_of(second)


def test_a_share_signs_with_no_missing_ledger(tmp_path: Path, holder: Path, ledger: Path) -> None:
    before = holder.read_bytes()
    refused("key.ledger", holder, tmp_path / "missing")
    ledger.write_bytes(b"")
    refused("key.ledger", holder, ledger)
    assert holder.read_bytes() == before
    ledger.write_text(HEAD)
    assert leaf_of(hss_keys.sign(holder, ledger, b"1", PASSPHRASE)) == 0


def test_a_copy_of_an_unused_share_signs_with_no_other_ledger(
    tmp_path: Path, holder: Path, ledger: Path
) -> None:
    copy = tmp_path / "copy.hss"
    copy.write_bytes(holder.read_bytes())
    other = tmp_path / "other"
    other.write_bytes(hss_keys.new_ledger()[1])
    refused("key.ledger", copy, other)
    # Nor with a ledger that was given its id: the id is sealed in with the seed, not only written.
    fields = json.loads(copy.read_bytes())
    copy.write_text(json.dumps({**fields, "ledger": hss_keys.ledger_id(other)}))
    refused("key.passphrase_wrong", copy, other)
    copy.write_bytes(holder.read_bytes())
    assert leaf_of(hss_keys.sign(holder, ledger, b"1", PASSPHRASE)) == 0
    assert leaf_of(hss_keys.sign(copy, ledger, b"2", PASSPHRASE)) == 1


def test_a_ledger_that_is_behind_its_share_is_refused(holder: Path, ledger: Path) -> None:
    hss_keys.sign(holder, ledger, b"1", PASSPHRASE)
    old = ledger.read_bytes()
    hss_keys.sign(holder, ledger, b"2", PASSPHRASE)
    new, before = ledger.read_bytes(), holder.read_bytes()
    for text in (HEAD.encode(), old):
        ledger.write_bytes(text)
        refused("key.ledger", holder, ledger)
    assert holder.read_bytes() == before
    ledger.write_bytes(new)
    assert leaf_of(hss_keys.sign(holder, ledger, b"3", PASSPHRASE)) == 2


@pytest.mark.parametrize(
    "head",
    [
        "{}",
        '{"format": "trustanchor-hss-ledger-1"}',
        '{"format": "trustanchor-hss-ledger-2", "id": "ab"}',
        '{"format": "trustanchor-hss-ledger-2", "id": 1}',
        HEAD.strip().replace("}", ', "more": 1}'),
    ],
)
def test_a_ledger_without_its_first_line_is_refused(holder: Path, ledger: Path, head: str) -> None:
    ledger.write_text(head + "\n")
    refused("key.ledger", holder, ledger)


def test_a_planted_link_is_not_written_through(tmp_path: Path, holder: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("precious")
    holder.with_name(holder.name + ".new").symlink_to(precious)
    hss_keys.sign(holder, tmp_path / "ledger", b"1", PASSPHRASE)
    assert precious.read_text() == "precious"
    assert not holder.is_symlink()


def test_the_counter_is_on_disk_before_the_signature_leaves(
    tmp_path: Path, holder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = tmp_path / "ledger"

    def dies(*arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(lms, "LmsPrivateKey", dies)
    with pytest.raises(KeyboardInterrupt):
        hss_keys.sign(holder, ledger, b"1", PASSPHRASE)
    monkeypatch.undo()
    monkeypatch.setattr(hss_keys, "_SCRYPT_N", 1 << 4)
    assert json.loads(holder.read_bytes())["next_leaf"] == 1
    assert leaf_of(hss_keys.sign(holder, ledger, b"2", PASSPHRASE)) == 1


def test_two_processes_are_kept_apart(tmp_path: Path, holder: Path) -> None:
    with open(holder.with_name("alice.hss.lock"), "w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        refused("key.locked", holder, tmp_path / "ledger")


def test_a_wrong_passphrase_spends_no_leaf(tmp_path: Path, holder: Path) -> None:
    before = holder.read_bytes()
    refused("key.passphrase_wrong", holder, tmp_path / "ledger", b"wrong")
    assert holder.read_bytes() == before
    assert (tmp_path / "ledger").read_text() == HEAD


@pytest.mark.parametrize("field", ["public", "endorsed", "height", "tree", "name", "ledger"])
def test_a_changed_field_is_noticed(tmp_path: Path, holder: Path, field: str) -> None:
    fields = json.loads(holder.read_bytes())
    fields[field] = 10 if field == "height" else "00" * 16
    holder.write_bytes(json.dumps(fields).encode())
    refused("key.passphrase_wrong", holder, tmp_path / "ledger")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 1}', b"\xff" * 100])
def test_other_bytes_are_no_holder_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.hss"
    path.write_bytes(content)
    refused("key.unreadable", path, tmp_path / "ledger")


@pytest.mark.parametrize("line", ["nonsense", "{}", '{"tree": 1}', '{"tree":"a","leaf":"b"}'])
def test_a_damaged_ledger_stops_signing(tmp_path: Path, holder: Path, line: str) -> None:
    ledger = tmp_path / "ledger"
    ledger.write_text(HEAD + line + "\n")
    before = holder.read_bytes()
    refused("key.ledger", holder, ledger)
    assert holder.read_bytes() == before


def test_a_ledger_with_one_leaf_for_two_messages_is_an_alarm(tmp_path: Path, holder: Path) -> None:
    ledger = tmp_path / "ledger"
    rows = [{"tree": "ab", "leaf": 0, "sha256": digest} for digest in ("11", "22")]
    ledger.write_text(HEAD + "".join(json.dumps(row) + "\n" for row in rows))
    assert "must be replaced" in refused("key.ledger", holder, ledger).message


@pytest.mark.parametrize(
    ("holders", "height", "width"), [(0, 5, 8), (33, 5, 8), (1, 6, 8), (1, 5, 3)]
)
def test_parameters_out_of_range_are_refused(holders: int, height: int, width: int) -> None:
    with pytest.raises(HostError) as caught:
        hss_keys.generate(holders, LEDGER, height, width)
    assert caught.value.code == "key.parameters"


def test_keygen_makes_shares_for_a_ledger_and_begins_none_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRUSTANCHOR_PASSPHRASE", "geheim")
    desk = tmp_path / "desk"
    desk.mkdir()

    def keygen(*words: str) -> str | None:
        options = ("--height", "5", "--holders", "1", "--json")
        done = cli.main(["keygen", "hss", *words, *options])
        said = json.loads(capsys.readouterr().out)
        return said["error"]["code"] if done else None

    assert keygen(str(desk / "vault")) == "key.ledger"
    assert list(desk.iterdir()) == []
    assert keygen(str(desk / "vault"), "--new-ledger") is None
    ledger = desk / "hss-ledger.jsonl"
    identity = hss_keys.ledger_id(ledger)
    assert keygen(str(desk / "other"), "--new-ledger") == "host.exists"
    assert keygen(str(desk / "other")) is None
    assert keygen(str(tmp_path / "third"), "--ledger", str(ledger)) is None
    for share in (desk / "vault-1.hss", desk / "other-1.hss", tmp_path / "third-1.hss"):
        assert json.loads(share.read_bytes())["ledger"] == identity
