# SPDX-License-Identifier: MIT
"""Signatures with the device's own key: the numbers of RFC 6979, and every form of a key file."""

import json
from binascii import b2a_base64
from hashlib import sha256

import check
import der_maker
from trustanchor.app import sealed
from trustanchor.crypto import own_key

# RFC 6979 appendix A.2.5: the key, and the signature over "sample" with SHA-256.
SECRET = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
X = "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
Y = "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
R = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
S = "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"

_P256 = bytes.fromhex("06082a8648ce3d030107")
_P384 = bytes.fromhex("06052b81040022")
_EC = bytes.fromhex("06072a8648ce3d0201")


def _sec1(secret=SECRET, curve=_P256, size=32):
    body = b"\x02\x01\x01" + der_maker.tlv(0x04, secret.to_bytes(size, "big"))
    if curve:
        body += der_maker.tlv(0xA0, curve)
    return der_maker.tlv(0x30, body)


def _pkcs8(inner, algorithm=_EC, curve=_P256):
    body = b"\x02\x01\x00" + der_maker.tlv(0x30, algorithm + curve) + der_maker.tlv(0x04, inner)
    return der_maker.tlv(0x30, body)


def _pem(kind, der):
    text = b2a_base64(der).decode().strip()
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    return "-----BEGIN %s-----\n%s\n-----END %s-----\n" % (kind, "\n".join(lines), kind)


def _valid(message, signature, x=X):
    from trustanchor.crypto import ecdsa

    on = ecdsa.curve(256)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    steps = ecdsa.verifying(on, (int(x, 16), int(Y, 16)), sha256(message).digest(), r, s)
    try:
        while True:
            next(steps)
    except StopIteration as done:
        return done.value


def test_the_signature_of_rfc_6979():
    digest = sha256(b"sample").digest()
    check.equal(own_key.sign(SECRET, digest, b"").hex(), R + S)


def test_fresh_random_bytes_make_another_signature_that_is_valid_too():
    digest = sha256(b"sample").digest()
    first, second = own_key.sign(SECRET, digest), own_key.sign(SECRET, digest)
    check.true(first != second and first[:32] != bytes.fromhex(R))
    for one in (first, second):
        check.true(_valid(b"sample", one))
        check.false(_valid(b"samplf", one))
        check.false(_valid(b"sample", one[:-1] + bytes((one[-1] ^ 1,))))


def test_both_machines_sign_the_same():
    """The engine on Python's integers gives what the machine gives, where there is one."""
    from trustanchor.crypto import ecdsa

    kept = ecdsa._machine
    ecdsa._machine = False  # type: ignore[assignment]
    try:
        signature = own_key.sign(SECRET, sha256(b"sample").digest(), b"")
    finally:
        ecdsa._machine = kept
    check.equal(signature.hex(), R + S)


def test_every_form_of_a_p256_key_is_read():
    sec1, bare = _sec1(), _sec1(curve=None)
    forms = [
        sec1,
        _pkcs8(sec1),
        _pkcs8(bare),
        _pem("EC PRIVATE KEY", sec1),
        _pem("PRIVATE KEY", _pkcs8(bare)).encode(),
        _pem("EC PARAMETERS", _P256) + _pem("EC PRIVATE KEY", sec1),
    ]
    for one in forms:
        check.equal(own_key.scalar_of(one), SECRET)


def test_what_is_no_p256_key_is_refused():
    n = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    rsa = bytes.fromhex("06092a864886f70d010101")
    wrong = [
        b"",
        b"no key",
        _sec1()[:-1],
        _sec1(curve=None),  # of which curve?
        _sec1(curve=_P384),
        _sec1(size=48, curve=_P384),
        _sec1(secret=0),
        _sec1(secret=n),
        _pkcs8(_sec1(), algorithm=rsa),
        _pkcs8(_sec1(curve=None), curve=_P384),
        _pkcs8(_pkcs8(_sec1())),
        _pem("ENCRYPTED PRIVATE KEY", _pkcs8(_sec1())),
        _pem("PUBLIC KEY", _sec1()),
        _pem("EC PRIVATE KEY", _sec1())[:100],
        bytes(range(256)),
    ]
    for one in wrong:
        check.refuses("sig.private_key", own_key.scalar_of, one)


class _File:
    def __init__(self):
        self.content = b""

    def write(self, piece):
        self.content += bytes(piece)


def test_a_document_is_written_as_json_and_under_a_key_as_a_cose_sign1_of_its_length():
    for size, head in ((0, 0), (50, 1), (500, 2)):
        document = {"a": "x" * size}
        plain, signed = _File(), _File()
        sealed.write(document.copy, plain)
        check.equal(json.loads(plain.content), document)
        sealed.write(document.copy, signed, _sec1())
        length = len(plain.content)
        if head:
            start = bytes((0x57 + head,)) + length.to_bytes(head, "big")
        else:
            start = bytes((0x40 + length,))
        made = signed.content
        check.equal(made[:7], bytes.fromhex("d28443a10126a0"))
        check.equal(made[7:-66], start + plain.content)
        check.equal(made[-66:-64], b"\x58\x40")
        told = b"\x84\x6aSignature1\x43\xa1\x01\x26\x54trustanchor/status/1"
        check.true(_valid(told + start + plain.content, made[-64:]))


def test_a_wrong_key_writes_nothing():
    made = _File()
    check.refuses("sig.private_key", sealed.write, dict, made, b"no key")
    check.equal(made.content, b"")
