# SPDX-License-Identifier: MIT
"""A state is read as SPEC.md "State" writes it; its anchors stay where they are."""

# isort: skip_file
from bundling import (
    ANCHORS, AUDIENCE, DENIED, EPOCH, EXPIRES, NOW, OVERRIDES, PARTIAL, PIN_SETS, PROBES, REVERT,
    SEQUENCE, SERVICES, SPKI_1, SPKI_2, TRIAL, anchor, encode, message, pin, state,
)  # fmt: skip
from check import equal, false, refuses, true

from trustanchor.update.bundle import parse
from trustanchor.encoding.cbor import BytesSource
from trustanchor.compat import sha256
from trustanchor.update.prefix import Prefix
from trustanchor.kinds import RESCUE, STATE


def parsed(*changes):
    return parse(BytesSource(message("state", state(*changes))))


def refused(code, *changes):
    return refuses(code, lambda: parsed(*changes))


def test_a_small_state_says_what_was_written():
    found = parsed()
    equal(found.type, STATE)
    equal((found.epoch, found.sequence, found.issued_at), (0, 1, NOW - 86400))
    equal(found.expires_at, None)
    equal(found.payload_digest, sha256(encode(state())))
    service = found.services[0]
    equal((service.name, service.hosts, service.port), ("web", ("web.example",), 443))
    equal((service.purpose, service.mode, service.pin_set), (1, 2, "web"))
    equal((service.enforce, service.check_name, service.check_eku), (True, False, False))
    equal((service.needs_clock, service.max_state_age_s, service.peer_name), (False, None, None))
    pins = found.pin_sets[0].pins
    equal([one.spki_sha256 for one in pins], [b"\x01" * 32, b"\x02" * 32])
    equal([one.is_backup for one in pins], [False, True])
    equal([(one.not_before, one.not_after) for one in pins], [(None, None)] * 2)
    probe = found.probes[0]
    equal((probe.service, probe.host, probe.port), ("web", "web.example", 443))
    equal((found.trial_s, found.tries), (604800, 3))
    equal((found.products, found.devices, found.overrides), (None, None, ()))
    false(found.never_reverts)
    false(found.is_partial)
    equal(len(found.anchors), 0)


def test_every_field_is_read():
    found = parsed(
        EPOCH, 3, SEQUENCE, 9, EXPIRES, NOW + 9, AUDIENCE, {0: ["pump", "valve"], 1: ["pump-1"]},
        REVERT, 1, OVERRIDES, ["revert", "rehearsal"], PARTIAL, True, TRIAL, {0: 60, 1: 9},
        SERVICES,
        [{0: "web", 1: ["a.example", "*.b.example"], 2: 8883, 3: 2, 4: 1, 5: "web", 6: True,
          7: True, 8: True, 9: True, 10: 77, 11: "*.peers.example"}],
        PIN_SETS,
        [{0: "web", 1: [pin(1, since=5, until=6), pin(2)], 2: 1, 3: 2, 4: 10, 5: 20}],
        PROBES, [{0: "web", 1: "x.b.example", 2: 1}],
        DENIED, b"\x07" * 32 + b"\x08" * 32,
        ANCHORS,
        [anchor("A", f2=["h.example"], f3=3, f4=1, f5=2, f6=3, f7=b"\x30\x00", f8=4)],
    )  # fmt: skip
    equal((found.epoch, found.sequence, found.expires_at), (3, 9, NOW + 9))
    equal((found.products, found.devices), (("pump", "valve"), ("pump-1",)))
    true(found.never_reverts)
    true(found.is_partial)
    equal(found.overrides, ("revert", "rehearsal"))
    equal((found.trial_s, found.tries), (60, 9))
    service = found.services[0]
    equal((service.hosts, service.port), (("a.example", "*.b.example"), 8883))
    equal((service.purpose, service.mode, service.enforce), (2, 1, False))
    equal((service.check_name, service.check_eku, service.needs_clock), (True, True, True))
    equal((service.max_state_age_s, service.peer_name), (77, "*.peers.example"))
    pin_set = found.pin_sets[0]
    equal((pin_set.on_expiry, pin_set.ratchet), (1, 2))
    equal((pin_set.hold_s, pin_set.hold_max_s), (10, 20))
    equal((pin_set.pins[0].not_before, pin_set.pins[0].not_after), (5, 6))
    equal((found.probes[0].host, found.probes[0].port), ("x.b.example", 1))
    true(found.is_denied(b"\x08" * 32))
    false(found.is_denied(b"\x09" * 32))
    one = next(iter(found.anchors))
    equal((one.hosts, one.purposes), (("h.example",), 3))
    equal((one.trust_from, one.trust_until, one.distrust_leaf_after), (1, 2, 3))
    equal((one.name_constraints, one.path_len), (b"\x30\x00", 4))


def test_a_rescue_has_the_same_payload():
    equal(parse(BytesSource(message("rescue", state()))).type, RESCUE)
    refuses("bundle.file", lambda: parse(BytesSource(message("link", state()))))


def test_a_prefix_needs_no_more_than_the_first_bytes():
    data = message("state", state(EPOCH, 2, SEQUENCE, 5, AUDIENCE, {0: ["pump"]}))

    class Beginning(BytesSource):
        furthest = 0

        def read(self, offset, length):
            self.furthest = max(self.furthest, offset + length)
            return BytesSource.read(self, offset, length)

    source = Beginning(data)
    found = Prefix(source)
    equal((found.epoch, found.sequence, found.products), (2, 5, ("pump",)))
    true(source.furthest < 320, str(source.furthest))


def test_anchors_stay_in_the_source_and_are_found_by_name():
    found = parsed(ANCHORS, [anchor("A"), anchor("B"), anchor("a", SPKI_2), anchor("C")])
    equal(len(found.anchors), 4)
    equal([one.spki for one in found.anchors], [SPKI_1, SPKI_1, SPKI_2, SPKI_1])
    # RFC 5280 section 7.1: names compare without case, so two keys answer to one name.
    equal([one.spki for one in found.anchors.find(anchor(" A  ")[0])], [SPKI_1, SPKI_2])
    equal(len(list(found.anchors.find(anchor("D")[0]))), 0)


def test_an_anchor_that_changed_on_flash_is_never_used():
    data = bytearray(message("state", state(ANCHORS, [anchor("A"), anchor("B")])))
    found = parse(BytesSource(data))
    at = bytes(data).find(SPKI_1) + 80
    data[at] ^= 1
    refuses("store.body_changed", lambda: list(found.anchors.find(anchor("A")[0])))
    equal(len(list(found.anchors.find(anchor("B")[0]))), 1)
    data[at] ^= 1
    equal(len(list(found.anchors.find(anchor("A")[0]))), 1)


def test_an_anchor_has_a_name_and_a_size():
    refused("cbor.range", ANCHORS, [{0: b"\x30\x00", 1: SPKI_1}])
    refused("cbor.range", ANCHORS, [{0: anchor("A")[0], 1: bytes(1201)}])
    refused("der.tag", ANCHORS, [{0: b"\x31\x01\x00", 1: SPKI_1}])


def test_bytes_after_the_payload_map_are_refused():
    from bundling import signature, wrap

    payload = encode(state()) + b"\x00"
    data = wrap("state", payload, [signature("state", payload, "a1")])
    refuses("cbor.trailing", lambda: parse(BytesSource(data)))
