# SPDX-License-Identifier: MIT
"""Ordinary certificates say what cryptography reads in them; damaged ones are refused."""

import gc
import json

from check import equal, false, fixture, fixture_names, true
from trustanchor.errors import TrustError
from trustanchor.kinds import CLIENT_AUTH, SERVER_AUTH
from trustanchor.state.derive import spki_of
from trustanchor.x509.certificate import Certificate
from trustanchor.x509.identity import usage
from trustanchor.x509.names import general_names, parse_reference, presented_matches


def read(name):
    return Certificate(fixture("x509/" + name + ".der"))


def test_every_field_is_what_cryptography_reads():
    names = [name[:-4] for name in fixture_names("x509") if name.endswith(".der")]
    equal(len(names), 6)
    for name in names:
        gc.collect()
        ours = read(name)
        wanted = json.loads(fixture("x509/" + name + ".json").decode())
        for field in ("issuer", "subject", "spki", "tbs", "signature"):
            equal(bytes(getattr(ours, field)).hex(), wanted[field], name + " " + field)
        for field in ("not_before", "not_after", "is_ca", "path_len", "key_usage"):
            equal(getattr(ours, field), wanted[field], name + " " + field)
        for field in ("ski", "aki"):
            value = getattr(ours, field)
            equal(None if value is None else bytes(value).hex(), wanted[field], name + " " + field)
        equal(int.from_bytes(ours.serial, "big"), wanted["serial"], name)
        equal(spki_of(ours.der), ours.spki, name)
        hosts = []
        if ours.san is not None:
            hosts = [
                bytes(value).decode() for tag, value in general_names(ours.san) if tag == 0x82
            ]
        equal(hosts, wanted["dns"], name)


def test_a_root_of_the_last_second_there_is():
    equal(read("root").not_after, 253402300799)


def test_a_leaf_of_the_second_that_32_bits_cannot_count():
    equal(read("p256").not_after, 1 << 31)


def test_a_leaf_speaks_for_its_hosts_and_purpose():
    leaf = read("p384")
    true(presented_matches(leaf.san, parse_reference("a.example")))
    true(presented_matches(leaf.san, parse_reference("192.0.2.1")))
    false(presented_matches(leaf.san, parse_reference("b.example")))
    true(leaf.has_eku(usage(SERVER_AUTH)))
    false(leaf.has_eku(usage(CLIENT_AUTH)))
    hundred = read("hundred").san
    true(presented_matches(hundred, parse_reference("host099.a.example")))
    false(presented_matches(hundred, parse_reference("host100.a.example")))


def test_a_certificate_needs_little_heap_beside_its_bytes():
    if not hasattr(gc, "mem_alloc"):
        print("SKIP: the heap of CPython is not counted")
        return
    der = fixture("x509/hundred.der")
    Certificate(der)
    gc.collect()
    before = gc.mem_alloc()
    leaf = Certificate(der)
    gc.collect()
    used = gc.mem_alloc() - before
    true(used <= 1024, "%d bytes" % used)
    equal(len(leaf.der), len(der))


def test_every_flipped_byte_is_read_or_refused_with_a_code():
    whole = bytearray(fixture("x509/p256.der"))
    refused = 0
    for index in range(len(whole)):
        for flip in (0x01, 0x80, 0xFF):
            whole[index] ^= flip
            try:
                damaged = Certificate(whole)
                damaged.has_eku(usage(SERVER_AUTH))
                presented_matches(damaged.san, parse_reference("a.example"))
            except TrustError as error:
                refused += 1
                true("." in error.code)
            whole[index] ^= flip
    true(refused > len(whole) // 4)
