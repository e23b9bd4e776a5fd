# SPDX-License-Identifier: MIT
"""`trustanchor sbom`: CycloneDX that its own schema accepts, complete, and public alone."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from host_tools.cli import main as cli
from host_tools.cli.errors import HostError
from host_tools.ops import bom
from tests.certs import pki
from tests.host.test_bundle_cli import FIRST, PASSPHRASE, bundle, desk, keys
from trustanchor.errors import TrustError

__all__ = ["desk", "keys"]  # fixtures


def sbom(capsys: pytest.CaptureFixture[str], *words: str) -> dict:
    """The document that the command prints, which is valid."""
    capsys.readouterr()
    assert cli.main(["sbom", *words]) == 0
    text = capsys.readouterr().out
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    return dict(json.loads(text))


def test_the_schema_refuses_what_is_none() -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str('{"bomFormat": "x"}') is not None


def test_the_software_is_listed_with_its_dependencies_and_files(capsys) -> None:
    shown = sbom(capsys)
    tools = shown["metadata"]["component"]
    names = {one["name"]: one["version"] for one in tools["components"]}
    # What is named in pyproject.toml, what that needs, and nothing that only we work with.
    assert {"cryptography", "esptool", "cbor2", "cffi"} <= set(names)
    assert not {"pytest", "ruff", "hypothesis"} & set(names)
    lock = (Path(__file__).parents[2] / "requirements.lock").read_text()
    assert all(f"{name}=={version} " in lock for name, version in names.items())
    (device,) = shown["components"]
    files = {one["name"]: one["hashes"][0]["content"] for one in device["components"]}
    assert len(files) > 70 and len(files["verdict/policy.py"]) == 64
    assert shown == sbom(capsys)


def test_every_key_of_a_bundle_is_an_asset_with_its_uses(desk: Path, capsys) -> None:
    pinned = Path("spare.pub").read_bytes()
    Path("denied.pem").write_bytes(pki.authority("Denied").pem)
    text = 'deny = ["denied.pem"]\n' + FIRST
    text = text.replace('{ key = "spare.pub"', '{ key = "spare.pub", not_after = 2027-01-31')
    Path("1.toml").write_text(text)
    assert bundle("build", "1.toml", "--first") == 0
    for key in ("alice.pem", "bob.pem"):
        assert bundle("sign", "1.draft", "--first", "--key", key) == 0
    shown = sbom(capsys, "1.bundle")
    assert shown["metadata"]["component"]["version"] == "0/1"
    assets = {one["bom-ref"].removeprefix("key/"): one for one in shown["components"]}
    # Two pins, an anchor, a denied key, two signers and the backup authority.
    assert len(assets) == 7
    spki = serialization.load_pem_public_key(pinned).public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    spare = assets[bom.sha256(spki).hex()]
    assert {"name": "trustanchor:used", "value": "pin set broker of mqtt, backup"} in (
        spare["properties"]
    )
    material = spare["cryptoProperties"]["relatedCryptoMaterialProperties"]
    assert (material["type"], material["expirationDate"]) == (
        "public-key", "2027-01-31T00:00:00+00:00",
    )  # fmt: skip
    used = sorted(
        one["value"]
        for asset in assets.values()
        for one in asset["properties"]
        if one["name"] == "trustanchor:used"
    )
    assert used == [
        "anchor for server",
        "authority group 1, 2 of 2", "authority group 1, 2 of 2", "backup group 1, 1 of 1",
        "denied: never trusted",
        "pin set broker of mqtt, backup", "pin set broker of mqtt, primary",
    ]  # fmt: skip


def test_no_kind_of_private_key_gets_into_a_document(desk: Path, capsys) -> None:
    key = pki.make_key()
    forms = serialization.PrivateFormat
    pem, der = serialization.Encoding.PEM, serialization.Encoding.DER
    none = serialization.NoEncryption()
    sealed = serialization.BestAvailableEncryption(PASSPHRASE.encode())
    for number, (encoding, form, encryption) in enumerate(
        [
            (pem, forms.PKCS8, none), (pem, forms.PKCS8, sealed), (der, forms.PKCS8, none),
            (pem, forms.TraditionalOpenSSL, none), (der, forms.TraditionalOpenSSL, none),
            (pem, forms.OpenSSH, none),
        ]
    ):  # fmt: skip
        Path(f"key-{number}").write_bytes(key.private_bytes(encoding, form, encryption))
    private = [*sorted(Path().glob("key-*")), *Path().glob("*.hss"), Path("alice.pem")]
    assert len(private) == 9
    for file in private:
        capsys.readouterr()
        assert cli.main(["sbom", str(file), "-o", "out.json"]) == 1, file
        assert capsys.readouterr().out == ""
        assert not Path("out.json").exists()


def test_a_vulnerability_of_ours_is_an_entry_of_a_vex_document(tmp_path: Path, capsys) -> None:
    assert sbom(capsys, "--vex").get("vulnerabilities", []) == []
    file = tmp_path / "vulnerabilities.toml"
    entry = bom.VULNERABILITIES.read_text().partition("[[vulnerability]]")[2]
    text = "[[vulnerability]]" + "\n".join(line.lstrip("# ") for line in entry.splitlines())
    file.write_text(text)
    made = bom.as_json(bom.vulnerabilities(file))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(made) is None
    (found,) = json.loads(made)["vulnerabilities"]
    assert (found["id"], found["analysis"]["state"]) == ("TA-2027-1", "exploitable")
    for wrong in (text.replace("advice", "advise"), text.replace('"exploitable"', '"bad"')):
        file.write_text(wrong)
        with pytest.raises(HostError) as refused:
            bom.vulnerabilities(file)
        assert refused.value.code == "sbom.vex"


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrustError):
        bom.trust(b"no bundle")
