# SPDX-License-Identifier: MIT
"""`trustanchor bundle init`: a first description that builds, signs and is accepted as it is."""

import json
from pathlib import Path

import pytest

from host_tools.signing import description
from tests.host.test_bundle_cli import bundle, desk, keys

__all__ = ["desk", "keys"]  # fixtures

WORDS = ("--pin", "server.pub", "--backup-pin", "spare.pub", "--signer", "alice.pub",
         "--backup", "vault.pub")  # fmt: skip


@pytest.mark.parametrize(
    ("host", "name", "port"),
    [
        ("broker.example.net:8883", "broker", 8883),
        ("broker.example.net", "broker", None),
        ("https://api.example.net/", "api", 443),
        ("mqtts://broker.example.net", "broker", 8883),
        ("192.0.2.7:8883", "server", 8883),
        ("[2001:db8::1]:443", "server", 443),
    ],
)
def test_from_nothing_to_a_bundle_without_a_refusal(
    desk: Path, host: str, name: str, port: int | None
) -> None:
    assert bundle("init", "first.toml", "--host", host, *WORDS) == 0
    (service,) = description.load(Path("first.toml")).services
    assert (service.name, service.port) == (name, port)
    assert bundle("build", "first.toml", "--first") == 0
    assert bundle("sign", "first.draft", "--first", "--key", "alice.pem") == 0
    assert bundle("verify", "first.bundle", "--first") == 0


def test_files_are_found_from_the_folder_of_the_description(desk: Path) -> None:
    Path("fleet").mkdir()
    words = ("init", "fleet/first.toml", "--host", "a.example", *WORDS)
    assert bundle(*words, "--backup-pin", "11" * 32, "--signer", "bob.pub") == 0
    described = description.load(Path("fleet/first.toml"))
    assert [len(group) for _, group in described.authority.groups] == [2]
    assert [pin.is_backup for pin in described.pin_sets[0].pins] == [False, True, True]


@pytest.mark.parametrize(
    ("old", "new", "code", "status"),
    [
        ("spare.pub", "server.pub", "pin.duplicate", 1),
        ("vault.pub", "alice.pub", "bundle.key_repeated", 1),
        ("alice.pub", "missing.pub", "input.no_such_file", 3),
        ("server.pub", "missing.pem", "input.no_such_file", 3),
        ("alice.pub", "root.pem", "input.pem", 1),
    ],
)
def test_what_would_not_build_is_not_written(
    desk: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, code: str, status: int
) -> None:
    words = [new if word == old else word for word in WORDS]
    capsys.readouterr()
    assert bundle("init", "first.toml", "--host", "a.example", *words, "--json") == status
    assert json.loads(capsys.readouterr().out)["error"]["code"] == code
    assert not Path("first.toml").exists()


@pytest.mark.parametrize("host", ["a..example", "ex ample", "a.example:0", "b\u00fccher.example"])
def test_a_host_that_is_none_is_refused(
    desk: Path, capsys: pytest.CaptureFixture[str], host: str
) -> None:
    assert bundle("init", "first.toml", "--host", host, *WORDS) == 1
    assert not Path("first.toml").exists()


def test_what_is_there_is_left_alone(desk: Path) -> None:
    Path("first.toml").write_text("mine")
    assert bundle("init", "first.toml", "--host", "a.example", *WORDS) == 1
    assert Path("first.toml").read_text() == "mine"


def test_a_description_may_begin_with_a_byte_order_mark(desk: Path) -> None:
    assert bundle("init", "first.toml", "--host", "a.example", *WORDS) == 0
    Path("bom.toml").write_bytes(b"\xef\xbb\xbf" + Path("first.toml").read_bytes())
    assert bundle("build", "bom.toml", "--first") == 0
