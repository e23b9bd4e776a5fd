# SPDX-License-Identifier: MIT
"""COSE_Sign in the profile of SPEC.md "Files": every other shape is refused with its code."""

import bundling
from bundling import encode, kid, signature, state, wrap

from check import equal, refuses, true
from trustanchor.compat import finish
from trustanchor.encoding.cbor import BytesSource, Reader
from trustanchor.kinds import LINK, RESCUE, STATE
from trustanchor.update import cose

PAYLOAD = encode(state())


def message(data):
    return finish(cose.reading(Reader(BytesSource(data))))


def with_signature(protected=None, unprotected=None, value=b"s" * 64, extra=None):
    entry = [
        encode({1: -7, 4: kid("a1")}) if protected is None else protected,
        {} if unprotected is None else unprotected,
        value,
    ]
    if extra is not None:
        entry.append(extra)
    return wrap("state", PAYLOAD, [entry])


def body(header, unprotected=None, tag=b"\xd8\x62", payload=PAYLOAD):
    signed = [signature("state", PAYLOAD, "a1")]
    return tag + encode([header, {} if unprotected is None else unprotected, payload, signed])


def test_reads_type_payload_and_signatures_in_place():
    for kind, word in ((STATE, "state"), (RESCUE, "rescue"), (LINK, "link")):
        data = wrap(word, PAYLOAD, [signature(word, PAYLOAD, name) for name in ("a1", "a2")])
        found = message(data)
        equal(found.type, kind)
        start, end = found.payload
        equal(data[start:end], PAYLOAD)
        equal(found.end, len(data))
        equal([one.kid for one in found.signatures], [kid("a1"), kid("a2")])
        equal([one.alg for one in found.signatures], [-7, -7])
        start, end = found.signatures[1].span
        equal(data[start:end], signature(word, PAYLOAD, "a2")[2])


def test_the_signed_bytes_are_the_sig_structure_over_what_was_received():
    data = wrap("state", PAYLOAD, [signature("state", PAYLOAD, "a1")])
    found = message(data)
    kept = bundling.Kept()
    finish(found.feed(kept, found.signatures[0].protected))
    equal(bytes(kept.data), bundling.signed_bytes("state", PAYLOAD, "a1"))


def test_the_signed_bytes_of_a_payload_of_any_length_have_the_shortest_head():
    for length in (0x17, 0x18, 0xFF, 0x100):
        payload = bytes(length)
        data = wrap("link", payload, [signature("link", b"", "a1")])
        found = message(data)
        kept = bundling.Kept()
        finish(found.feed(kept, found.signatures[0].protected))
        true(bytes(kept.data) == bundling.signed_bytes("link", payload, "a1"), str(length))


def test_only_tag_98_is_a_bundle():
    header = bundling.body_header("state")
    equal(message(body(header)).type, STATE)
    refuses("cbor.tag", lambda: message(body(header, tag=b"\xd2")))
    refuses("cbor.type", lambda: message(body(header, tag=b"")))


def test_refuses_another_number_of_parts():
    header = bundling.body_header("state")
    refuses("cose.shape", lambda: message(b"\xd8\x62" + encode([header, {}, PAYLOAD])))
    five = [header, {}, PAYLOAD, [signature("state", PAYLOAD, "a1")], 0]
    refuses("cose.shape", lambda: message(b"\xd8\x62" + encode(five)))
    refuses("cose.shape", lambda: message(with_signature(extra=0)))


def test_refuses_unprotected_headers():
    header = bundling.body_header("state")
    refuses("cose.unprotected", lambda: message(body(header, unprotected={4: b"kid"})))
    refuses("cose.unprotected", lambda: message(with_signature(unprotected={4: kid("a1")})))


def test_refuses_a_payload_that_is_not_embedded():
    header = bundling.body_header("state")
    refuses("cbor.range", lambda: message(body(header, payload=b"")))
    data = b"\xd8\x62\x84" + encode(header) + b"\xa0\xf6\x80"
    refuses("cbor.simple", lambda: message(data))


def test_refuses_content_types_of_others():
    for text in (
        "application/x.trustanchor-", "application/x.trustanchor-states", "text/plain",
        "application/x.trustanchor-State", "application/cbor", "application/x.trustanchos-state",
    ):  # fmt: skip
        refuses("cose.content_type", lambda text=text: message(body(encode({3: text}))))
    refuses("cose.content_type", lambda: message(body(encode({}))))
    refuses("cbor.type", lambda: message(body(encode({3: 60}))))


def test_refuses_other_protected_headers():
    refuses("cose.header", lambda: message(body(encode({1: -7, 3: "x"}))))
    refuses("cose.header", lambda: message(body(encode({2: [3], 3: "x"}))))
    refuses("cose.header", lambda: message(with_signature(encode({1: -7, 2: 0, 4: kid("a1")}))))
    refuses("cose.header", lambda: message(with_signature(encode({1: -7}))))
    refuses("cose.header", lambda: message(with_signature(encode({4: kid("a1")}))))
    refuses("cose.header", lambda: message(with_signature(encode({}))))


def test_refuses_bytes_after_a_protected_header():
    header = encode({1: -7, 4: kid("a1")})
    refuses("cbor.trailing", lambda: message(with_signature(header + b"\x00")))
    refuses("cbor.trailing", lambda: message(body(bundling.body_header("state") + b"\x00")))


def test_refuses_an_algorithm_that_is_not_a_negative_number():
    refuses("cbor.type", lambda: message(with_signature(encode({1: 7, 4: kid("a1")}))))
    refuses("cbor.type", lambda: message(with_signature(encode({1: "ES256", 4: kid("a1")}))))


def test_refuses_kids_of_another_length():
    for length in (0, 7, 9, 32):
        header = encode({1: -7, 4: bytes(length)})
        refuses("cbor.range", lambda header=header: message(with_signature(header)))


def test_refuses_no_signature_and_too_many():
    refuses("cbor.range", lambda: message(wrap("state", PAYLOAD, [])))
    many = [signature("state", PAYLOAD, "s%d" % i) for i in range(17)]
    equal(len(message(wrap("state", PAYLOAD, many[:16])).signatures), 16)
    refuses("cbor.range", lambda: message(wrap("state", PAYLOAD, many)))


def test_refuses_two_signatures_of_one_key():
    one = signature("state", PAYLOAD, "a1")
    refuses("cose.signature_repeated", lambda: message(wrap("state", PAYLOAD, [one, one])))


def test_refuses_an_empty_and_an_oversized_signature():
    refuses("cbor.range", lambda: message(with_signature(value=b"")))
    # The head alone: what is too long is refused before it is read.
    long = with_signature().replace(b"\x58\x40" + b"s" * 64, b"\x59\x28\x01")
    refuses("cbor.range", lambda: message(long))
    refuses("cbor.truncated", lambda: message(long[:-1] + b"\x00"))
