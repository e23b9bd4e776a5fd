# SPDX-License-Identifier: MIT
"""What a board's TLS does not get on with is known before a program is written.

The rules stand in for an interpreter that is not there; here both are asked, about real servers.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519

from host_tools.build import runtime
from host_tools.cli import main as cli
from host_tools.demo.servers import TlsServer
from host_tools.signing import first_try
from tests.certs import pki
from trustanchor.encoding.der import Reader

HOST = "127.0.0.1"
ROOT = pki.authority("Root")
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
CONSTRAINTS = x509.NameConstraints([x509.DNSName("example")], None)
PROGRAM = """\
from trustanchor import Context
Context(pins=["{pin}", "{other}"]).connect("{host}", {port})
"""


def policies(oid):
    return x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(oid), None)])


def leaf(extra=None, critical=True, **options):
    extensions = [(extra, critical)] if extra else None
    return pki.end_entity(HOST, issuer=ROOT, extra=extensions, **options)


def tlv(tag, body):
    length = len(body)
    head = bytes((length,)) if length < 128 else b"\x82" + length.to_bytes(2, "big")
    return bytes((tag,)) + head + body


def of_version_1():
    """A certificate with extensions that says it is of version 1, signed all right."""
    made = leaf()
    inner = Reader(made.certificate.tbs_certificate_bytes).enter(0x30)
    inner.read(0xA0)
    tbs = tlv(0x30, bytes(inner.view[inner.pos :]))
    signature = ROOT.key.sign(tbs, ec.ECDSA(hashes.SHA256()))
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    return [tlv(0x30, tbs + algorithm + tlv(0x03, b"\0" + signature))], made.key


def chains() -> dict[str, tuple[list[bytes], Any, str | None]]:
    """Name -> (chain, key, the code of the refusal or None)."""
    made = {
        "plain": leaf(),
        "noncritical": leaf(UNKNOWN, False),
        "any": leaf(policies("2.5.29.32.0")),
    }
    found: dict[str, tuple[list[bytes], Any, str | None]] = {}
    found |= {name: ([one.der, ROOT.der], one.key, None) for name, one in made.items()}
    for kind in ("p384", "p521", "rsa2048"):
        one = leaf(kind=kind)
        found[kind] = ([one.der], one.key, None)
    for name, key in (
        ("ed25519", ed25519.Ed25519PrivateKey.generate()),
        ("ed448", ed448.Ed448PrivateKey.generate()),
        ("secp256k1", ec.generate_private_key(ec.SECP256K1())),
        ("brainpool", ec.generate_private_key(ec.BrainpoolP256R1())),
    ):
        found[name] = ([leaf(key=key).der], key, "tls.alert")
    for name, extension in (
        ("unknown", UNKNOWN),
        ("policy", policies("1.2.3.4")),
        ("inhibit", x509.InhibitAnyPolicy(1)),
        ("policy constraints", x509.PolicyConstraints(0, None)),
    ):
        one = leaf(extension)
        found[name] = ([one.der], one.key, "tls.chain_unreadable")
    one = leaf()
    constrained = pki.authority("Inter", issuer=ROOT, constraints=CONSTRAINTS)
    found["name constraints"] = ([one.der, constrained.der], one.key, "tls.chain_unreadable")
    lax = pki.authority("Lax", issuer=ROOT, extra=[(CONSTRAINTS, False)])
    found["noncritical constraints"] = ([one.der, lax.der], one.key, None)
    edwards = pki.authority("Ed", issuer=ROOT, key=ed25519.Ed25519PrivateKey.generate())
    found["intermediate ed25519"] = ([one.der, edwards.der], one.key, "tls.failed")
    found["version 1"] = (*of_version_1(), "tls.chain_unreadable")
    return found


CHAINS = chains()


@pytest.mark.parametrize("name", CHAINS)
def test_the_rules_and_the_interpreter_say_the_same(tmp_path: Path, name: str) -> None:
    chain, key, code = CHAINS[name]
    refused = first_try.unusable(chain)
    assert (refused and refused[0]) == code
    with TlsServer(chain, key, "1.3") as server:
        program = tmp_path / "main.py"
        program.write_text(
            PROGRAM.format(
                pin=pki.spki_sha256(key).hex(), other="11" * 32, host=HOST, port=server.port
            )
        )
        found = first_try.refusal_of(program, 30)
    assert (found and found[0]) == code


def init(capsys, server, folder):
    status = cli.main(["init", "--json", f"{HOST}:{server.port}", "--out", str(folder)])
    return status, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", ["unknown", "ed25519", "version 1", "plain"])
@pytest.mark.parametrize("has_interpreter", [True, False])
def test_init_writes_no_program_that_could_not_connect(
    capsys, monkeypatch, tmp_path, name, has_interpreter
):
    monkeypatch.setenv("TRUSTANCHOR_PASSPHRASE", "open sesame")
    chain, key, code = CHAINS[name]
    if not has_interpreter:
        monkeypatch.setattr(runtime, "find", absent)
    with TlsServer(chain, key, "1.2") as server:
        status, answer = init(capsys, server, tmp_path)
    written = sorted(file.name for file in tmp_path.iterdir())
    if code is None:
        assert (status, written) == (0, ["backup-key.pem", "main.py"])
    else:
        assert (status, answer["error"]["code"], written) == (1, code, [])


def absent(bits, fetch=True):
    assert not fetch  # nothing is fetched for a try
    raise runtime.RuntimeMissing("No MicroPython.", "runtime.missing")


def test_what_no_chain_tells_is_seen_by_running_the_program(capsys, monkeypatch, tmp_path):
    """TLS 1.2 by an RSA key, PSS preferred: a preference that stands in no certificate."""
    monkeypatch.setenv("TRUSTANCHOR_PASSPHRASE", "open sesame")
    chain, key, _ = CHAINS["rsa2048"]
    assert first_try.unusable(chain) is None
    with TlsServer(chain, key, "1.2") as server:
        status, answer = init(capsys, server, tmp_path)
    assert (status, answer["error"]["code"]) == (1, "tls.proof_unsupported")
    assert not list(tmp_path.iterdir())
