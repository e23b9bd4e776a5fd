# SPDX-License-Identifier: MIT
"""What SPEC.md "State" does not allow is refused: unknown (E6), missing (U2) and odd fields."""

# isort: skip_file
from bundling import (
    ANCHORS, AUDIENCE, AUTHORITY, BACKUP, DENIED, EPOCH, EXPIRES, ISSUED, PIN_SETS, PROBES, REVERT,
    SEQUENCE, SERVICES, SPKI_1, TRIAL, anchor, message, pin, state,
)  # fmt: skip
from check import equal, refuses, true

from trustanchor.update.bundle import parse
from trustanchor.encoding.cbor import BytesSource


def parsed(*changes):
    return parse(BytesSource(message("state", state(*changes))))


def refused(code, *changes):
    return refuses(code, lambda: parsed(*changes))


def test_refuses_another_version():
    refused("bundle.version", 0, 2)
    refused("bundle.version", 0, 0)


def test_refuses_missing_fields():
    for field in (0, EPOCH, SEQUENCE, ISSUED, AUTHORITY, BACKUP, SERVICES):
        equal(refused("bundle.missing_field", field, None, PROBES, None).detail, field)
    refused("bundle.missing_field", SERVICES, [{1: ["web.example"]}], PROBES, None)
    refused("bundle.missing_field", SERVICES, [{}], PROBES, None)
    refused("bundle.missing_field", PIN_SETS, [{1: [pin(1), pin(2)]}])
    refused("bundle.missing_field", PIN_SETS, [{0: "web"}])
    refused("bundle.missing_field", PIN_SETS, [{0: "web", 1: [pin(1), {1: True}]}])
    refused("bundle.missing_field", ANCHORS, [{1: SPKI_1}])
    refused("bundle.missing_field", PROBES, [{1: "web.example"}])


def test_an_addition_below_20_is_critical_and_from_20_on_is_ignored():
    for changes in (
        lambda field: (field, [1, {0: b"x"}]),
        lambda field: (AUDIENCE, {0: ["pump"], field: 1}),
        lambda field: (TRIAL, {field: "x"}),
        lambda field: (PROBES, [{0: "web", field: 1}]),
        lambda field: (SERVICES, [{0: "web", 1: ["web.example"], field: {}}]),
        lambda field: (PIN_SETS, [{0: "web", 1: [pin(1), pin(2)], field: b""}]),
        lambda field: (PIN_SETS, [{0: "web", 1: [{0: b"\x01" * 32, field: True}, pin(2)]}]),
        lambda field: (ANCHORS, [{0: b"\x30\x00\x00", 1: SPKI_1, field: 1}]),
    ):
        for field in (18, 19):
            refused("bundle.unknown_field", *changes(field))
        if changes(20)[0] != ANCHORS:  # that name is none; the next test has a good one
            for field in (20, 23):
                parsed(*changes(field))


def test_an_addition_to_an_anchor_is_ignored_from_20_on():
    equal(next(iter(parsed(ANCHORS, [anchor("A", f20=1)]).anchors)).spki, SPKI_1)


def test_the_value_of_an_ignored_field_is_well_formed_all_the_same():
    good = message("state", state(20, 9))
    bad = good.replace(b"\x14\x09\x81\x83", b"\x14\xf6\x81\x83")
    true(good != bad)
    parse(BytesSource(good))
    refuses("cbor.simple", lambda: parse(BytesSource(bad)))


def test_defaults_are_written_by_leaving_the_field_out():
    refused("cbor.range", REVERT, 0)
    refused("cbor.range", SERVICES, [{0: "web", 3: 1}])
    refused("cbor.range", SERVICES, [{0: "web", 4: 0}])
    refused("cbor.range", ANCHORS, [anchor("A", f3=1)])
    refused("cbor.range", PIN_SETS, [{0: "web", 1: [pin(1), pin(2)], 3: 0}])


def test_numbers_have_limits():
    parsed(EPOCH, (1 << 30) - 1, SEQUENCE, (1 << 30) - 1)
    refused("cbor.range", EPOCH, 1 << 30)
    refused("cbor.range", SEQUENCE, 1 << 30)
    refused("cbor.range", SEQUENCE, 0)
    parsed(ISSUED, 253402300799)
    refused("cbor.range", ISSUED, 253402300800)
    refused("cbor.range", EXPIRES, 1 << 63)
    refused("cbor.range", TRIAL, {0: 59})
    refused("cbor.range", TRIAL, {1: 101})


def test_texts_and_lists_have_limits():
    refused("cbor.range", SERVICES, [{0: ""}])
    refused("cbor.range", SERVICES, [{0: "n" * 33}])
    refused("cbor.range", SERVICES, [{0: "web", 1: []}])
    refused("cbor.range", SERVICES, [{0: "web", 1: ["h" * 254]}])
    refused("cbor.range", SERVICES, [])
    refused("cbor.range", SERVICES, [{0: "s%d" % i} for i in range(17)])
    refused("cbor.range", PIN_SETS, [{0: "web", 1: [pin(1)]}])
    refused("cbor.range", PIN_SETS, [{0: "web", 1: [pin(i) for i in range(9)]}])
    refused("cbor.range", AUDIENCE, {0: []})
    refused("cbor.range", AUDIENCE, {1: ["d%d" % i for i in range(65)]})
    refused("cbor.text", AUDIENCE, {0: ["pump\n"]})


def test_pin_digests_are_32_bytes():
    refused("cbor.range", PIN_SETS, [{0: "web", 1: [{0: bytes(31)}, pin(2)]}])
    refused("cbor.range", DENIED, b"")


def test_denied_keys_are_sorted_and_each_once():
    one, two = b"\x01" * 32, b"\x02" * 32
    equal(parsed(DENIED, one + two).denied, one + two)
    refused("bundle.denied", DENIED, two + one)
    refused("bundle.denied", DENIED, one + one)


def test_a_probe_names_a_service():
    refused("bundle.probe", PROBES, [{0: "mail"}])
