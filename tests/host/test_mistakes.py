# SPDX-License-Identifier: MIT
"""Forty mistakes that people make: the command names file, place and value, and what to write."""

from pathlib import Path

import pytest

from host_tools.cli import main as cli
from tests.host.test_bundle_cli import FIRST, bundle, desk, keys, made

__all__ = ["desk", "keys"]  # fixtures

PINS = 'pins = [{ key = "server.pub" }, { key = "spare.pub", backup = true }]'
# In the description: what was there, what somebody writes, and what the sentence has to say.
WRITTEN = [
    ("sequence = 1", "sequence = 0", ("sequence is 0", "from 1 to")),
    ("sequence = 1", 'sequence = "1"', ("sequence is '1'", "without quotes")),
    ("sequence = 1", "sequenz = 1", ("sequence is missing", "sequenz")),
    ("sequence = 1\n", "", ("sequence is missing",)),
    ("sequence = 1", "sequence = 1\nepoch = -1", ("epoch is -1", "from 0 to")),
    ("sequence = 1", 'sequence = 1\nrevert = "no"', ("revert is 'no'", "on-evidence, never")),
    ("sequence = 1", 'sequence = 1\nreason = ""', ("reason has 0 characters", "1 to 512")),
    (
        "sequence = 1",
        "sequence = 1\nexpires_at = 2020-01-01",
        ("expires_at 2020-01-01", "expired"),
    ),
    (
        "sequence = 1",
        "sequence = 1\nexpires_at = 2099-01-01T00:00:00",
        ("expires_at", "time zone"),
    ),
    ("threshold = 2", "threshold = 3", ("[authority 1]", "threshold is 3", "1 to 2")),
    ("threshold = 2", "threshold = 0", ("[authority 1]", "threshold is 0", "1 to 2")),
    ("threshold = 2", "threshold = 2,", ("not TOML", "line 4")),
    ('"bob.pub"', '"bob.pem"', ("bob.pem", "PRIVATE KEY", "PUBLIC KEY is wanted")),
    ('"bob.pub"', '"nobody.pub"', ("[authority 1]", "nobody.pub", "no such file")),
    ('"bob.pub"', '"alice.pub"', ("named twice", "once")),
    ('"bob.pub"', '"root.pem"', ("root.pem", "CERTIFICATE", "PUBLIC KEY")),
    ('[[backup]]\nkeys = ["vault.pub"]', "", ("[[backup]] is missing", "keygen")),
    ("[[probe]]", "[[probes]]", ("no field probes", "did you mean probe")),
    ('service = "mqtt"', 'service = "mqt"', ("mqt", "probe")),
    ('"broker.example.net"', '"https://broker.example.net"', ("[service 1]", "https://", "write")),
    ('"broker.example.net"', '"broker.example.net:8883"', ("[service 1]", "port = 8883")),
    ('"broker.example.net"', '"broker.example.net/mqtt"', ("[service 1]", '"broker.example.net"')),
    ('"broker.example.net"', '""', ("[service 1]", "hosts", "no host")),
    ('"broker.example.net"', '"brok er"', ("brok er", "host name")),
    ('hosts = ["broker.example.net"]', "hosts = []", ("[service 1]", "hosts is empty")),
    ('hosts = ["broker.example.net"]', 'hosts = "broker.example.net"', ("hosts", "a list")),
    ("hosts = [", "host = [", ("[service 1]", "no field host", "did you mean hosts")),
    ('name = "mqtt"', 'nane = "mqtt"', ("[service 1]", "name is missing", "nane")),
    ("port = 8883", "port = 88830", ("[service 1]", "port is 88830", "1 to 65535")),
    ("port = 8883", 'port = "8883"', ("[service 1]", "port", "without quotes")),
    ('pins = "broker"', 'pins = "brokers"', ("mqtt", "pin set", "name")),
    ("[[service]]", '[[service]]\nmode = "pins"', ("mode is 'pins'", "path, anchors, key")),
    (PINS, 'pins = [{ key = "server.pub" }]', ("[pin_set 1]", "pins has 1", "2 to 8")),
    ('key = "spare.pub"', 'key = "server.pub"', ("broker", "pinned twice")),
    ('key = "spare.pub"', 'key = "beef"', ("[pin_set 1, pins 2]", "beef", "no such file")),
    ("backup = true", 'backup = "yes"', ("backup is 'yes'", "true or false")),
    (
        "backup = true",
        'backup = true, not_after = "2099-01-01"',
        ("not_after is '2099-01-01'", "without quotes"),
    ),
    ('"root.pem"', '"roots.pem"', ("[anchor 1]", "roots.pem", "no such file")),
    ('"root.pem"', '"server.pub"', ("server.pub", "no certificate")),
    ("[[anchor]]", "[anchor]", ("anchor", "[[ ]]")),
    (
        'certificate = "root.pem"',
        'certificate = "root.pem"\ndistrust_leaf_after = 2099-01-01',
        ("[anchor 1]", "trust_until", "400 days"),
    ),
]
# On the command line, beside 1.toml, 1.draft and 1.bundle.
TYPED = [
    ("bundle build none.toml --first", ("none.toml", "No such file")),
    ("bundle build 1.draft --first -o x.draft", ("1.draft", "not TOML")),
    ("bundle build 1.toml --first", ("1.draft exists already", "Delete it")),
    ("bundle build 1.toml --current 1.toml -o x.draft", ("1.toml", "no bundle", "text")),
    ("bundle build 1.toml --current 1.bundle -o x.draft", ("sequence is 1", "2 or more")),
    ("bundle sign 1.toml --first --key alice.pem", ("1.toml", "not a draft", "bundle build")),
    ("bundle verify 1.draft --first", ("1.draft", "a draft", "bundle sign")),
    ("bundle verify root.pem --first", ("root.pem", "PEM")),
    ("calendar 1.toml", ("1.toml", "no bundle")),
    ("sbom 1.toml", ("1.toml", "no bundle")),
    ("board update 1.draft --port none", ("1.draft", "a draft")),
    ("board provision 1.toml --port none", ("1.toml", "product is missing")),
    ("keygen es256 alice.pem", ("alice.pem", "without an ending")),
    ("pin broker.example.net", ("broker.example.net", "broker.example.net:443")),
    ("serverkey csr alice.pub h.example --out x.csr", ("alice.pub", "PRIVATE KEY is wanted")),
    ("bundle biuld 1.toml", ("biuld", "build")),
]


@pytest.mark.parametrize(("right", "wrong", "words"), WRITTEN, ids=[one[1] for one in WRITTEN])
def test_a_mistake_in_a_description_is_named(
    right: str,
    wrong: str,
    words: tuple[str, ...],
    desk: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert FIRST.count(right) >= 1
    Path("m.toml").write_text(FIRST.replace(right, wrong, 1))
    capsys.readouterr()
    assert bundle("build", "m.toml", "--first") in (cli.REFUSED, cli.NOT_THERE)
    _said(words, capsys)
    assert not Path("m.draft").exists()


@pytest.mark.parametrize(("line", "words"), TYPED, ids=[one[0] for one in TYPED])
def test_a_mistake_on_the_command_line_is_named(
    line: str, words: tuple[str, ...], desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made(1, FIRST, "--first", signers=("alice.pem", "bob.pem"))
    files = {path.name for path in Path().iterdir()}
    capsys.readouterr()
    try:
        status = cli.main(line.split())
    except SystemExit as ended:
        status = int(str(ended.code))
    assert status in (cli.REFUSED, cli.USAGE, cli.NOT_THERE)
    _said(words, capsys)
    assert {path.name for path in Path().iterdir()} == files


def _said(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    told = capsys.readouterr().err
    assert told.startswith("trustanchor") and "Traceback" not in told
    assert [word for word in words if word not in told] == [], told


def test_there_are_more_than_forty() -> None:
    assert len(WRITTEN) + len(TYPED) >= 40
