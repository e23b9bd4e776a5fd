# SPDX-License-Identifier: MIT
"""What a program gives: anchors in every form, wrong arguments, and what a refusal says."""

import os
from binascii import b2a_base64

from scratch import empty_folder

from check import equal, false, fixture, refuses, true
from trustanchor.errors import Refused
from trustanchor.state.derive import anchor_of
from trustanchor.state.given import anchors_of
from trustanchor.state.literals import literal
from trustanchor.tls import client

ROOT = fixture("path/root_r.der")
LEAF = fixture("path/leaf_r.der")
A, B = b"\x01" * 32, b"\x02" * 32


def pem(der, end="\n", begin="-----BEGIN CERTIFICATE-----", close="-----END CERTIFICATE-----"):
    text = b2a_base64(der).decode().strip()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return end.join([begin] + lines + [close]) + end


def keys(given):
    return [bytes(anchor.spki) for anchor in anchors_of(given)]


def test_an_anchor_is_der_or_pem_or_a_file_of_either():
    expected = [bytes(anchor_of(ROOT).spki)]
    folder = empty_folder("given")
    os.mkdir(folder)
    for name, content in (("root.der", ROOT), ("root.pem", pem(ROOT).encode())):
        with open(folder + "/" + name, "wb") as file:
            file.write(content)
    for given in (
        ROOT, bytearray(ROOT), pem(ROOT), pem(ROOT).encode(), anchor_of(ROOT),
        folder + "/root.der", folder + "/root.pem",
    ):  # fmt: skip
        equal(keys(given), expected)
        equal(keys([given, given]), expected * 2)
    equal(len(list(literal((), [ROOT]).anchors.find(anchor_of(ROOT).name))), 1)


def test_every_block_of_a_text_is_read_or_all_are_refused():
    expected = [bytes(anchor_of(ROOT).spki)] * 2
    two = pem(ROOT) + pem(ROOT)
    for text in (
        two, "# a note\n" + two, two.replace("-----\n", "----- \t\n"), two.replace("\n", "\r\n"),
        two.replace("\n", "\r"), two.replace("\n", " \n"), "\n\n" + two + "trailing",
    ):  # fmt: skip
        equal(keys(text), expected, text[:40])
    for wrong in (
        pem(ROOT, begin="-----BEGIN TRUSTED CERTIFICATE-----"),
        pem(ROOT) + pem(ROOT, begin="-----begin certificate-----"),
        pem(ROOT) + pem(ROOT, begin="-- BEGIN CERTIFICATE --", close="-- done"),
        pem(ROOT) + pem(ROOT)[:-30],
        pem(ROOT, close=""),
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        pem(ROOT)[28:].encode(),
        "-----BEGIN PUBLIC KEY-----\nMA==\n-----END PUBLIC KEY-----\n",
        b"<html>", b"",
    ):  # fmt: skip
        try:
            anchors_of(wrong)
        except Exception as error:  # noqa: BLE001 - any code will do here, but none is missing
            true(getattr(error, "code", "").split(".")[0] in ("anchor", "der", "cert"), error)
        else:
            raise AssertionError(wrong)
    refuses("anchor.not_ca", anchors_of, LEAF)


def test_wrong_arguments_are_named():
    for call, word in (
        (lambda: client.Context(pins="2b21" * 16), "pins"),
        (lambda: client.Context(pins=[None, None]), "pin"),
        (lambda: client.Context(pins=[1, 2]), "pin"),
        (lambda: client.Context(anchors=[None]), "anchor"),
        (lambda: client.Context(anchors=[7]), "anchor"),
        (lambda: client.Context(pins=[A, B], timeout_s="5"), "timeout_s"),
        (lambda: client.Context(), "pins, anchors or a store"),
    ):
        try:
            call()
        except TypeError as error:
            true(word in str(error), error)
        else:
            raise AssertionError(word)


def test_a_refusal_says_what_helps():
    class Verdict:
        served = A

    equal(str(Refused("pin.none_matched", None, Verdict)), "pin.none_matched, served " + "01" * 32)
    equal(str(Refused("path.expired", 0)), "path.expired: 0")
    equal(str(Refused("tls.closed")), "tls.closed")
    equal((Refused("net.unreachable", 111).errno, Refused("net.dns").errno), (111, 13))
    equal(Refused("pin.none_matched").errno, 13)
    for code in ("net.lost", "net.dns", "tls.closed", "tls.timeout", "time.unknown"):
        true(Refused(code).may_pass)
    for code in ("pin.none_matched", "path.expired", "tls.proof"):
        false(Refused(code).may_pass)
