# SPDX-License-Identifier: MIT
"""Keys and anchors in PEM: those that are used are those put in, or the file is refused.

Texts are made of keys with words, blanks, line ends and halves of boundaries around, between and
inside them. What must never happen is that a block disappears and the rest is used.
"""

import argparse
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from host_tools.cli.errors import HostError
from host_tools.signing import hss_keys, keyfiles, signers
from tests.certs import pki
from trustanchor.errors import TrustError
from trustanchor.state import given as anchors_given
from trustanchor.state.derive import anchor_of

PASSPHRASE = b"correct horse"
BEGIN, END = b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n"
PIECES = st.sampled_from(
    [b"\n", b"\r", b"\r\n", b" ", b"\t", b"-", b"-----", BEGIN, END, b"BEGIN ", b"begin",
     b"----", b"# words\n", b"=", b"A", b"\0", b"\x0b", b"\xff", b"-----END X-----\n"]
) | st.binary(max_size=3)  # fmt: skip
ROOTS = tuple(pki.authority(f"Root {number}") for number in range(3))


def keys() -> dict[str, tuple[bytes, bytes]]:
    """PEM of a private key in each form, and its public key."""
    ec, rsa = pki.make_key(), pki.make_key("rsa2048")
    pem, none = serialization.Encoding.PEM, serialization.NoEncryption()
    forms = serialization.PrivateFormat
    made = {
        "PKCS#8": (ec.private_bytes(pem, forms.PKCS8, none), ec),
        "SEC 1": (ec.private_bytes(pem, forms.TraditionalOpenSSL, none), ec),
        "PKCS#1": (rsa.private_bytes(pem, forms.TraditionalOpenSSL, none), rsa),
        "OpenSSH": (ec.private_bytes(pem, forms.OpenSSH, none), ec),
        "legacy": (
            ec.private_bytes(
                pem, forms.TraditionalOpenSSL, serialization.BestAvailableEncryption(PASSPHRASE)
            ),
            ec,
        ),
    }
    return {form: (text, keyfiles.public_der(key)) for form, (text, key) in made.items()}


KEYS = keys()


@pytest.fixture
def asked(tmp_path: Path) -> argparse.Namespace:
    (tmp_path / "passphrase").write_bytes(PASSPHRASE + b"\n")
    return argparse.Namespace(passphrase_file=str(tmp_path / "passphrase"))


def drawn(data: st.DataObject, put: list[bytes]) -> bytes:
    """The texts one after the other, with pieces of PEM around, between and inside."""
    end = data.draw(st.sampled_from([b"\n", b"\r", b"\r\n"]))
    text = data.draw(st.just(b"") | PIECES)
    for one in put:
        text += one.replace(b"\n", end) + data.draw(st.just(b"") | PIECES)
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(PIECES) + text[at:]
    return text


@pytest.mark.parametrize("form", KEYS)
def test_a_key_is_read_with_what_may_stand_around_it(form, asked):
    text, public = KEYS[form]
    lines = text.splitlines()
    for content in (
        text,
        b"my key\n" + text + b"----------\n",
        b"  \r\n".join(lines) + b"\r",
        ROOTS[0].pem + text,
    ):
        assert keyfiles.public_der(keyfiles.load_private_key(content, asked, "k")) == public


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_key_used_is_the_one_put_in_or_the_file_is_refused(asked, data):
    put = data.draw(st.lists(st.sampled_from(list(KEYS.values())), min_size=1, max_size=2))
    content = drawn(data, [text for text, _ in put])
    try:
        key = keyfiles.load_private_key(content, asked, "k")
    except HostError as refusal:
        assert refusal.code in ("input.pem", "key.unreadable", "key.passphrase_wrong")
        return
    assert len(put) == 1
    assert keyfiles.public_der(key) == put[0][1]


def public_files() -> list[tuple[bytes, tuple[int, bytes]]]:
    made = []
    for kind in ("p256", "rsa2048"):
        key = pki.make_key(kind).public_key()
        pem = key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        made.append((pem, signers.key_record(key, "k")))
    share = hss_keys.generate(1, "0" * 32, height=5, width=8)[0]
    made.append((signers.hss_public_pem(share.public), (-46, share.public)))
    return made


PUBLIC = public_files()


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_signer_named_is_the_one_put_in_or_the_file_is_refused(tmp_path, data):
    put = data.draw(st.lists(st.sampled_from(PUBLIC), min_size=1, max_size=2))
    file = tmp_path / "signer.pub"
    file.write_bytes(drawn(data, [text for text, _ in put]))
    try:
        found = signers.public_record(str(file))
    except HostError as refusal:
        assert refusal.code in ("input.pem", "key.unreadable", "key.unsupported")
        return
    assert len(put) == 1
    if found != put[0][1]:
        # A letter more inside the base64 of an HSS key: no certificate around it, so nothing but
        # its form is checked, here and by the device.
        assert found[0] == -46 and len(found[1]) != len(put[0][1][1])


@settings(max_examples=600, deadline=None)
@given(data=st.data())
def test_the_anchors_of_a_device_are_those_put_in_or_the_text_is_refused(data):
    put = data.draw(st.lists(st.sampled_from(ROOTS), min_size=1, max_size=3))
    content = drawn(data, [root.pem for root in put])
    try:
        found = anchors_given.anchors_of(content)
    except TrustError:
        return
    assert [anchor.spki for anchor in found] == [anchor_of(root.der).spki for root in put]


def test_a_boundary_of_the_wrong_form_loses_no_anchor():
    first, second = ROOTS[0].pem, ROOTS[1].pem
    assert len(anchors_given.anchors_of(first + b"# --\n----------\n" + second)) == 2
    for wrong in (
        second.replace(b"-----", b"----"),
        second.replace(b"-----", b"---"),
        second.replace(b"-----BEGIN", b"-- BEGIN").replace(b"-----END", b"-- END"),
        second.replace(b"BEGIN", b"begin").replace(b"END", b"end"),
        second.replace(b"BEGIN", b"BEGN").replace(b"END", b"EDN"),
        second.replace(b"CERTIFICATE-----", b"TRUSTED CERTIFICATE-----"),
    ):
        with pytest.raises(TrustError) as refused:
            anchors_given.anchors_of(first + wrong)
        assert refused.value.code == "anchor.pem"
