# SPDX-License-Identifier: MIT
"""`trustanchor pin`: one value for one key in every form; any bytes end in a code."""

import base64
import io
import json
import socket
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from host_tools.cli import main as cli
from host_tools.cli.errors import HostError
from host_tools.commands import pin as pin_command
from host_tools.demo.servers import ClosingServer, HangingServer, PlainTextServer, TlsServer
from host_tools.signing import live
from tests.certs import pki
from trustanchor.errors import TrustError
from trustanchor.state import derive

PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
PKCS8 = serialization.PrivateFormat.PKCS8
TRADITIONAL = serialization.PrivateFormat.TraditionalOpenSSL
OPENSSH = serialization.PrivateFormat.OpenSSH
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
PKCS1 = serialization.PublicFormat.PKCS1
PLAIN = serialization.NoEncryption()
LOCKED = serialization.BestAvailableEncryption(b"open sesame")

ROOT = pki.authority("Root")
INTERMEDIATE = pki.authority("Intermediate", issuer=ROOT)
LEAF = pki.end_entity("device.example", issuer=INTERMEDIATE)
RSA_KEY = pki.make_key("rsa2048")


def request(key) -> x509.CertificateSigningRequest:
    builder = x509.CertificateSigningRequestBuilder().subject_name(pki.name("device.example"))
    return builder.sign(key, hashes.SHA256())


FORMS = {
    "certificate PEM": ("leaf", LEAF.pem),
    "certificate DER": ("leaf", LEAF.der),
    "request PEM": ("request", request(LEAF.key).public_bytes(PEM)),
    "request DER": ("request", request(LEAF.key).public_bytes(DER)),
    "public key PEM": ("public key", LEAF.key.public_key().public_bytes(PEM, SPKI)),
    "public key DER": ("public key", LEAF.key.public_key().public_bytes(DER, SPKI)),
    "PKCS#8 PEM": ("private key", LEAF.key.private_bytes(PEM, PKCS8, PLAIN)),
    "PKCS#8 DER": ("private key", LEAF.key.private_bytes(DER, PKCS8, PLAIN)),
    "SEC 1 PEM": ("private key", LEAF.key.private_bytes(PEM, TRADITIONAL, PLAIN)),
    "SEC 1 DER": ("private key", LEAF.key.private_bytes(DER, TRADITIONAL, PLAIN)),
    "OpenSSH": ("private key", LEAF.key.private_bytes(PEM, OPENSSH, PLAIN)),
}
LOCKED_FORMS = {
    "PKCS#8 PEM": LEAF.key.private_bytes(PEM, PKCS8, LOCKED),
    "PKCS#8 DER": LEAF.key.private_bytes(DER, PKCS8, LOCKED),
    "SEC 1 PEM": LEAF.key.private_bytes(PEM, TRADITIONAL, LOCKED),
}
RSA_FORMS = {
    "PKCS#1 public PEM": RSA_KEY.public_key().public_bytes(PEM, PKCS1),
    "PKCS#1 public DER": RSA_KEY.public_key().public_bytes(DER, PKCS1),
    "PKCS#1 private PEM": RSA_KEY.private_bytes(PEM, TRADITIONAL, PLAIN),
    "PKCS#1 private DER": RSA_KEY.private_bytes(DER, TRADITIONAL, PLAIN),
    "request": request(RSA_KEY).public_bytes(DER),
}


@pytest.fixture
def pin(tmp_path, capsys, monkeypatch):
    """Run the command over bytes; returns the exit code and what it said as JSON."""
    monkeypatch.delenv("TRUSTANCHOR_PASSPHRASE", raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))

    def run(content, *options):
        file = tmp_path / "input"
        file.write_bytes(content)
        return said(capsys, "pin", "--json", str(file), *options)

    return run


def said(capsys, *words):
    status = cli.main(list(words))
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    return status, json.loads(shown.out)


def refuses(answer, code):
    status, value = answer
    not_there = code in ("host.io", "input.no_such_file")
    assert (status, value["error"]["code"]) == (3 if not_there else 1, code)
    return value["error"]["message"]


@pytest.mark.parametrize("form", FORMS)
def test_one_key_has_one_pin_in_every_form(pin, form):
    role, content = FORMS[form]
    status, (found,) = pin(content)
    assert status == 0
    assert found["role"] == role
    assert found["spki_sha256"] == LEAF.pin.hex()
    assert base64.b64decode(found["spki_sha256_base64"]) == LEAF.pin
    assert found["key"] == "EC secp256r1"


@pytest.mark.parametrize("form", RSA_FORMS)
def test_an_rsa_key_has_one_pin_in_every_form(pin, form):
    status, (found,) = pin(RSA_FORMS[form])
    assert (status, found["key"]) == (0, "RSA 2048")
    assert found["spki_sha256"] == pki.spki_sha256(RSA_KEY).hex()


@pytest.mark.parametrize("form", LOCKED_FORMS)
def test_an_encrypted_key_takes_its_passphrase_from_the_environment(pin, monkeypatch, form):
    monkeypatch.setenv("TRUSTANCHOR_PASSPHRASE", "open sesame")
    status, (found,) = pin(LOCKED_FORMS[form])
    assert (status, found["spki_sha256"]) == (0, LEAF.pin.hex())


@pytest.mark.parametrize("form", LOCKED_FORMS)
def test_a_wrong_passphrase_is_refused(pin, monkeypatch, form):
    monkeypatch.setenv("TRUSTANCHOR_PASSPHRASE", "open barley")
    refuses(pin(LOCKED_FORMS[form]), "key.passphrase_wrong")


@pytest.mark.parametrize("form", LOCKED_FORMS)
def test_an_encrypted_key_without_a_passphrase_is_refused(pin, form):
    message = refuses(pin(LOCKED_FORMS[form]), "key.passphrase_missing")
    assert "TRUSTANCHOR_PASSPHRASE" in message


def test_the_passphrase_file_goes_before_the_environment(pin, tmp_path, monkeypatch):
    monkeypatch.setenv("TRUSTANCHOR_PASSPHRASE", "open barley")
    file = tmp_path / "passphrase"
    file.write_text("open sesame\nsecond line\n")
    status, (found,) = pin(LOCKED_FORMS["PKCS#8 PEM"], "--passphrase-file", str(file))
    assert (status, found["spki_sha256"]) == (0, LEAF.pin.hex())


def test_an_empty_passphrase_file_is_refused(pin, tmp_path):
    file = tmp_path / "passphrase"
    file.write_bytes(b"\n")
    answer = pin(LOCKED_FORMS["PKCS#8 PEM"], "--passphrase-file", str(file))
    refuses(answer, "key.passphrase_missing")


def test_every_certificate_of_a_pem_file_is_listed_with_its_role(pin):
    status, found = pin(b"text between\n" + LEAF.pem + INTERMEDIATE.pem + b"\n" + ROOT.pem)
    assert status == 0
    assert [key["role"] for key in found] == ["leaf", "intermediate", "root"]
    assert [key["spki_sha256"] for key in found] == [
        entity.pin.hex() for entity in (LEAF, INTERMEDIATE, ROOT)
    ]


def test_the_ec_parameters_openssl_writes_in_front_of_a_key_are_passed_over(pin):
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    status, found = pin(parameters + FORMS["SEC 1 PEM"][1])
    assert (status, [key["role"] for key in found]) == (0, ["private key"])


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "input.empty"),
        (b" \r\n\t", "input.empty"),
        (b"hello", "input.unknown_form"),
        (b"\x00" * 100, "input.unknown_form"),
        (b"\x30", "der.truncated"),
        (b"\x30\x80\x00\x00", "der.length"),
        (LEAF.der[:-1], "der.truncated"),
        (LEAF.der + b"\x00", "der.trailing"),
        (LEAF.der + INTERMEDIATE.der, "der.trailing"),
        (FORMS["public key DER"][1] + b"\x00", "der.trailing"),
        (FORMS["request DER"][1] + b"\x00", "der.trailing"),
        (FORMS["PKCS#8 DER"][1][:-1], "der.truncated"),
        (LEAF.pem[:-5], "input.pem"),
        (LEAF.pem.replace(b"M", b"!", 1), "input.pem"),
        (b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "input.pem"),
        (b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "input.unknown_form"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "key.unreadable"),
        (b"-----BEGIN RSA PUBLIC KEY-----\nAAAA\n-----END RSA PUBLIC KEY-----\n",
         "input.unknown_form"),
        (b"\0" * (pin_command._INPUT_BYTES + 1), "input.too_large"),
    ],
)  # fmt: skip
def test_what_is_no_key_is_refused_with_a_code(pin, content, code):
    refuses(pin(content), code)


CHAIN = LEAF.pem + ROOT.pem
BEGIN, END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
FIRST_END = LEAF.pem.index(END)


@pytest.mark.parametrize(
    "content",
    [
        CHAIN.replace(BEGIN, BEGIN + b" \t", 1),
        CHAIN.replace(END, END + b"  "),
        CHAIN.replace(b"\n", b"\r"),
        CHAIN.replace(b"\n", b"\r\n"),
        CHAIN.replace(b"\n", b"  \n"),
        b"0 s:CN=a\n" + LEAF.pem + b"\n1 s:CN=b\n" + ROOT.pem + b"the end",
        CHAIN.rstrip(),
        b"Roots\n" + b"-" * 40 + b"\n" + CHAIN,
        FORMS["PKCS#8 PEM"][1] + CHAIN,
        CHAIN.replace(b"CERTIFICATE", b"X509 CERTIFICATE"),
    ],
)
def test_every_block_of_the_lax_form_is_read(content):
    assert pin_command.certificates_in(content, "file") == [LEAF.der, ROOT.der]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (CHAIN.replace(BEGIN, b"-----begin CERTIFICATE-----", 1), 1),
        (CHAIN.replace(BEGIN, b"-----BEGIN certificate-----", 1), None),
        (CHAIN.replace(b"CERTIFICATE", b"certificate", 2), 1),
        (CHAIN.replace(BEGIN, b"----BEGIN CERTIFICATE-----", 1), 1),
        (CHAIN.replace(BEGIN, b"-----BEGIN CERTIFICATE----", 1), 1),
        (CHAIN.replace(BEGIN, BEGIN + b"x", 1), 1),
        (b"\xef\xbb\xbf" + CHAIN, 1),
        (b" " + CHAIN, 1),
        (LEAF.pem.replace(b"CERTIFICATE", b"CERTI\0FICATE") + ROOT.pem, 1),
        (LEAF.pem.replace(b"BEGIN", b"BE GIN").replace(b"END", b"EN D") + ROOT.pem, 1),
        (LEAF.pem + ROOT.pem[:-60], LEAF.pem.count(b"\n") + 1),
        (LEAF.pem + ROOT.pem.replace(END, b""), LEAF.pem.count(b"\n") + 1),
        (LEAF.pem[:FIRST_END] + ROOT.pem, 1),
        (LEAF.pem + ROOT.pem[:-60].replace(b"\n", b"\r"), LEAF.pem.count(b"\n") + 1),
        (LEAF.pem + END, LEAF.pem.count(b"\n") + 1),
        (LEAF.pem[:FIRST_END] + b"words\n" + LEAF.pem[FIRST_END:] + ROOT.pem, 1),
        (CHAIN.replace(b"CERTIFICATE", b"TRUSTED CERTIFICATE", 2), 1),
        (LEAF.pem + b"-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----\n",
         LEAF.pem.count(b"\n") + 1),
    ],
)  # fmt: skip
def test_a_block_that_cannot_be_read_is_refused_with_its_line(pin, content, line):
    with pytest.raises(HostError) as refused:
        pin_command.certificates_in(content, "file")
    assert refused.value.code in ("input.pem", "input.unknown_form")
    assert f"file, line {line or ''}" in str(refused.value)
    status, value = pin(content)
    assert (status, value["error"]["code"]) == (1, refused.value.code)


def test_a_key_is_no_certificate():
    with pytest.raises(HostError) as refused:
        pin_command.certificates_in(FORMS["PKCS#8 PEM"][1], "file")
    assert refused.value.code == "input.unknown_form"


def test_a_file_of_parameters_alone_has_no_key(pin):
    refuses(
        pin(b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"),
        "input.unknown_form",
    )


_PIECES = st.sampled_from(
    [b"\n", b"\r", b"\r\n", b" ", b"\t", b"-", b"-----", BEGIN, END, b"BEGIN ", b"begin",
     b"# words\n", b"=", b"A", b"\0", b"\x0b", b"\xff", b"-----END X-----\n"]
) | st.binary(max_size=3)  # fmt: skip
_CERTIFICATES = (LEAF, INTERMEDIATE, ROOT)


@settings(max_examples=500, deadline=None)
@given(data=st.data())
def test_the_certificates_used_are_those_put_in_or_the_file_is_refused(data):
    put = data.draw(st.lists(st.sampled_from(_CERTIFICATES), min_size=1, max_size=3))
    end = data.draw(st.sampled_from([b"\n", b"\r", b"\r\n"]))
    text = data.draw(st.just(b"") | _PIECES)
    for certificate in put:
        text += certificate.pem.replace(b"\n", end) + data.draw(st.just(b"") | _PIECES)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(_PIECES) + text[at:]
    try:
        used = pin_command.certificates_in(text, "file")
    except HostError as refusal:
        assert refusal.code in ("input.pem", "input.unknown_form")
        assert "line" in str(refusal)
        return
    try:
        for der in used:
            derive.spki_of(der)
    except TrustError:
        return  # letters more inside the base64: the device's own reader refuses them
    assert used == [certificate.der for certificate in put]


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_bytes_are_an_answer_or_a_refusal(pin, data):
    base = data.draw(st.sampled_from([content for _, content in FORMS.values()]) | st.binary())
    cut = data.draw(st.integers(0, len(base)))
    status, value = pin(base[:cut] + data.draw(st.binary(max_size=8)) + base[cut + 1 :])
    if status == 0:
        assert all(len(key["spki_sha256"]) == 64 for key in value)
    else:
        assert status == 1
        assert "." in value["error"]["code"]


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_argument_is_an_answer_a_refusal_or_usage(text, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # No look-ups: what reaches the network is tested below.
    monkeypatch.setattr(live, "fetch_chain", lambda endpoint: [LEAF.der])
    try:
        status = cli.main(["pin", text])
    except SystemExit as end:
        status = int(end.code or 0)
    assert status in (0, 1, 2, 3)
    capsys.readouterr()


def test_a_missing_file_is_refused_and_suggests_the_live_form(capsys):
    message = refuses(said(capsys, "pin", "--json", "no.such.example"), "input.no_such_file")
    assert "no.such.example:443" in message
    message = refuses(said(capsys, "pin", "--json", ""), "input.no_such_file")
    assert message == "An empty name: no such file."


def test_a_folder_is_refused(capsys, tmp_path):
    message = refuses(said(capsys, "pin", "--json", str(tmp_path)), "host.io")
    assert "directory" in message


def test_standard_input_is_read_for_a_dash(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(LEAF.pem)))
    status, (found,) = said(capsys, "pin", "--json", "-")
    assert (status, found["spki_sha256"]) == (0, LEAF.pin.hex())


def test_an_endless_input_ends_in_a_refusal(capsys):
    refuses(said(capsys, "pin", "--json", "/dev/zero"), "input.too_large")


def test_people_see_both_forms_under_the_name_of_the_file(capsys, tmp_path):
    file = tmp_path / "leaf.pem"
    file.write_bytes(LEAF.pem)
    assert cli.main(["pin", str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(file)
    assert lines[3].split() == ["sha256", LEAF.pin.hex()]
    assert lines[4].split() == ["base64", base64.b64encode(LEAF.pin).decode()]


def test_a_hostile_subject_cannot_move_the_cursor(capsys, tmp_path):
    hostile = pki.authority("evil\x1b[2J\u202e\nsha256  0000")
    file = tmp_path / "evil.pem"
    file.write_bytes(hostile.pem)
    assert cli.main(["pin", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert len(shown.splitlines()) == 5


def test_the_systems_root_store_is_listed_whole(capsys):
    import certifi

    content = Path(certifi.where()).read_bytes()
    status, found = said(capsys, "pin", "--json", certifi.where())
    assert status == 0
    assert len(found) == content.count(b"BEGIN CERTIFICATE")
    expected = [
        x.public_key().public_bytes(DER, SPKI) for x in x509.load_pem_x509_certificates(content)
    ]
    digests = []
    for spki in expected:
        digest = hashes.Hash(hashes.SHA256())
        digest.update(spki)
        digests.append(digest.finalize().hex())
    assert [key["spki_sha256"] for key in found] == digests


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_live_server_is_shown_as_it_sends(capsys, version):
    chain = [LEAF.der, ROOT.der, INTERMEDIATE.der]
    with TlsServer(chain, LEAF.key, version) as server:
        status, found = said(capsys, "pin", "--json", f"127.0.0.1:{server.port}")
    assert status == 0
    assert [key["role"] for key in found] == ["leaf", "root", "intermediate"]
    assert [key["spki_sha256"] for key in found] == [
        entity.pin.hex() for entity in (LEAF, ROOT, INTERMEDIATE)
    ]


@pytest.mark.parametrize("server", [PlainTextServer, ClosingServer])
def test_a_server_without_tls_is_refused(capsys, server):
    with server() as listening:
        refuses(said(capsys, "pin", "--json", f"127.0.0.1:{listening.port}"), "net.not_tls")


def test_a_silent_server_is_refused_in_bounded_time(capsys, monkeypatch):
    monkeypatch.setattr(live.fetch_chain, "__defaults__", (0.3,))
    with HangingServer() as listening:
        refuses(said(capsys, "pin", "--json", f"127.0.0.1:{listening.port}"), "net.timeout")


def test_a_closed_port_is_refused(capsys):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    refuses(said(capsys, "pin", "--json", f"127.0.0.1:{port}"), "net.unreachable")


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 64 + ".example", "a..b"])
def test_a_name_that_does_not_resolve_is_refused(capsys, host):
    refuses(said(capsys, "pin", "--json", f"{host}:443"), "net.dns")


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("example.net:8883", "example.net", 8883),
        ("[2001:db8::1]:443", "2001:db8::1", 443),
        ("192.0.2.1:1", "192.0.2.1", 1),
    ],
)
def test_endpoints_are_read(text, host, port):
    endpoint = live.parse_endpoint(text)
    assert (endpoint.host, endpoint.port) == (host, port)
    assert str(endpoint) == text


@pytest.mark.parametrize(
    "text",
    ["x:", ":443", "x:0", "x:65536", "x:-1", "x:4 3", "x:٤٤٣", "[::1", "[::1]", "[::1]443", "[]:1",
     "::1:443", "a b:1", "a/b:1", "u@h:1", "x:999999999999999999999", "\x1b:1"],
)  # fmt: skip
def test_what_is_no_endpoint_is_refused(text):
    with pytest.raises(live.HostError) as refused:
        live.parse_endpoint(text)
    assert refused.value.code == "net.address"


def test_a_default_port_is_taken_when_there_is_one():
    assert live.parse_endpoint("example.net", 443).port == 443
    assert live.parse_endpoint("::1", 443) == live.Endpoint("::1", 443)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("https://example.net/", "example.net", 443),
        ("HTTPS://example.net", "example.net", 443),
        ("https://example.net:8443/a?b=c#d", "example.net", 8443),
        ("https://example.net?x", "example.net", 443),
        ("mqtts://broker.example.net", "broker.example.net", 8883),
        ("https://[2001:db8::1]:8443/", "2001:db8::1", 8443),
        ("https://192.0.2.1/", "192.0.2.1", 443),
    ],
)
def test_a_url_names_its_host_and_port(text: str, host: str, port: int) -> None:
    assert live.parse_endpoint(text) == live.Endpoint(host, port)


@pytest.mark.parametrize(
    "text", ["https://", "https:///path", "https://user@example.net/", "https://example.net:x/"]
)
def test_a_url_without_a_host_is_refused(text: str) -> None:
    with pytest.raises(HostError) as refused:
        live.parse_endpoint(text)
    assert refused.value.code == "net.address"


def test_pin_takes_a_url(capsys) -> None:
    with TlsServer([LEAF.der, ROOT.der], LEAF.key, "1.2") as server:
        assert cli.main(["pin", f"https://127.0.0.1:{server.port}/index.html"]) == 0
    assert LEAF.pin.hex() in capsys.readouterr().out
