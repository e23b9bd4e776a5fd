# SPDX-License-Identifier: MIT
"""`trustanchor rehearse init`: a first plan, of a live server and the bundle that devices have."""

import json
from pathlib import Path

import pytest

from host_tools.cli import main as cli
from host_tools.demo.servers import TlsServer
from host_tools.signing.bundle_encode import Authority, Description, KeySigner, encode_state, sign
from tests.certs import pki
from trustanchor.kinds import MODE_KEY
from trustanchor.state.model import Pin, PinSet, Service

HOST = "127.0.0.1"


def made(folder: Path, pin: bytes) -> Path:
    """A bundle by which devices accept the server with this key."""
    signer, backup = KeySigner(pki.make_key()), KeySigner(pki.make_key())
    described = Description(
        sequence=1,
        issued_at=1790000000,
        authority=Authority([(1, [signer])]),
        backup=Authority([(1, [backup])]),
        services=[Service("api", [HOST], mode=MODE_KEY, pin_set="pins")],
        pin_sets=[PinSet("pins", [Pin(pin), Pin(bytes(32), True)])],
        never_reverts=True,
    )
    path = folder / "current.bundle"
    path.write_bytes(sign("state", encode_state(described), [signer]))
    return path


@pytest.mark.parametrize("is_pinned", [True, False])
def test_a_plan_of_what_is_there_today_is_rehearsed_as_it_is_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    is_pinned: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    root = pki.authority("Root")
    leaf = pki.end_entity(HOST, issuer=root, days=800)
    current = made(tmp_path, leaf.pin if is_pinned else bytes([1]) * 32)
    with TlsServer([leaf.der, root.der], leaf.key, "1.2") as server:
        words = ["rehearse", "init", f"{HOST}:{server.port}", "--bundle", str(current)]
        assert cli.main(words) == 0
        assert capsys.readouterr().out.startswith("plan.toml: ")
        # What stands there already is left.
        Path("plan.toml").write_text(Path("plan.toml").read_text() + "# mine\n")
        assert cli.main(words) == 1
        assert Path("plan.toml").read_text().endswith("# mine\n")
    capsys.readouterr()
    assert cli.main(["rehearse", "plan.toml", "--json"]) == (0 if is_pinned else 1)
    said = json.loads(capsys.readouterr().out)
    assert [one["code"] for one in said["findings"]] == ([] if is_pinned else ["pin.none_matched"])


@pytest.mark.parametrize(
    "words", [["init"], ["init", HOST], ["plan.toml", HOST], ["plan.toml", "-o", "x"]]
)
def test_words_that_do_not_belong_together_are_refused(
    capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert cli.main(["rehearse", *words, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "plan.usage"
