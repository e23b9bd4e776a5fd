# SPDX-License-Identifier: MIT
"""HSS holder files: no leaf signs twice, whatever happens to the file."""

import fcntl
import json
from pathlib import Path

import pyhsslms.pyhsslms as lms
import pytest

from host_tools.cli.errors import HostError
from host_tools.signing import hss_keys

PASSPHRASE = b"correct horse"


@pytest.fixture(autouse=True)
def _fast_scrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hss_keys, "_SCRYPT_N", 1 << 4)


@pytest.fixture(scope="module")
def shares() -> list[hss_keys.Holder]:
    return hss_keys.generate(2, height=5, width=4)


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
    assert len(hss_keys.read_ledger(tmp_path / "ledger")) == 2


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


def test_a_share_that_has_signed_is_refused_without_its_ledger(
    tmp_path: Path, holder: Path, shares: list[hss_keys.Holder]
) -> None:
    ledger = tmp_path / "ledger"
    hss_keys.sign(holder, ledger, b"1", PASSPHRASE)
    before = holder.read_bytes()
    refused("key.ledger", holder, tmp_path / "missing")
    other = tmp_path / "other.hss"
    other.write_bytes(hss_keys.encode(shares[1], PASSPHRASE))
    hss_keys.sign(other, tmp_path / "another", b"1", PASSPHRASE)
    refused("key.ledger", holder, tmp_path / "another")
    assert holder.read_bytes() == before
    assert leaf_of(hss_keys.sign(holder, ledger, b"2", PASSPHRASE)) == 1


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
    assert not (tmp_path / "ledger").exists()


@pytest.mark.parametrize("field", ["public", "endorsed", "height", "tree", "name"])
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
    ledger.write_text(line + "\n")
    before = holder.read_bytes()
    refused("key.ledger", holder, ledger)
    assert holder.read_bytes() == before


def test_a_ledger_with_one_leaf_for_two_messages_is_an_alarm(tmp_path: Path, holder: Path) -> None:
    ledger = tmp_path / "ledger"
    rows = [{"tree": "ab", "leaf": 0, "sha256": digest} for digest in ("11", "22")]
    ledger.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "must be replaced" in refused("key.ledger", holder, ledger).message


@pytest.mark.parametrize(
    ("holders", "height", "width"), [(0, 5, 8), (33, 5, 8), (1, 6, 8), (1, 5, 3)]
)
def test_parameters_out_of_range_are_refused(holders: int, height: int, width: int) -> None:
    with pytest.raises(HostError) as caught:
        hss_keys.generate(holders, height, width)
    assert caught.value.code == "key.parameters"
