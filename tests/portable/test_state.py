# SPDX-License-Identifier: MIT
"""Trust states: which are refused when they are made, and which service answers for a host."""

from check import equal, refuses
from trustanchor.kinds import (
    CLIENT_AUTH,
    EXPIRY_ANCHORS,
    MODE_ANCHORS,
    MODE_KEY,
    MODE_PATH,
    RATCHET_NEVER,
    RATCHET_ORDERED,
    SERVER_AUTH,
)
from trustanchor.limits import DISTRUST_WINDOW_S, RETIRED_PINS
from trustanchor.state.anchors import Anchor, AnchorList
from trustanchor.state.literals import literal
from trustanchor.state.model import Pin, PinSet, Service, TrustState
from trustanchor.state.rules import check, may_retire

A, B, C = b"a" * 32, b"b" * 32, b"c" * 32
NAME = bytes.fromhex("300d310b300906035504030c02526f")


def digest(number):
    return number.to_bytes(32, "big")


def pin_set(**fields):
    return PinSet("web", fields.pop("pins", None) or [Pin(A), Pin(B, True)], **fields)


def service(hosts=("a.example",), name="web", **fields):
    return Service(name, hosts, **dict({"pin_set": "web"}, **fields))


def state(*services, **fields):
    return TrustState(
        services or (service(),),
        fields.pop("pin_sets", None) or (pin_set(),),
        fields.pop("anchors", None) or [Anchor(NAME, b"\x30\x00", purposes=3)],
        **fields,
    )


def accepts(*services, **fields):
    check(state(*services, **fields))


def refused(code, *services, **fields):
    refuses(code, check, state(*services, **fields))


def test_accepts_a_plain_state():
    accepts()


def test_a_pin_set_needs_two_different_keys():
    refused("pin.too_few", pin_sets=(pin_set(pins=[Pin(A)]),))
    refused("pin.duplicate", pin_sets=(pin_set(pins=[Pin(A), Pin(A, True)]),))
    refused("pin.digest", pin_sets=(pin_set(pins=[Pin(A), Pin(B[:31])]),))


def test_a_window_must_not_end_before_it_begins():
    refused("pin.window", pin_sets=(pin_set(pins=[Pin(A, not_before=2, not_after=1), Pin(B)]),))
    accepts(pin_sets=(pin_set(pins=[Pin(A, not_before=2, not_after=2), Pin(B)]),))
    refused("anchor.window", anchors=[Anchor(NAME, b"", trust_from=2, trust_until=1)])


def test_values_outside_the_format_are_refused():
    refused("pin.on_expiry", pin_sets=(pin_set(on_expiry=2),))
    refused("pin.ratchet", pin_sets=(pin_set(ratchet=3),))
    refused("pin.hold", pin_sets=(pin_set(hold_s=2, hold_max_s=1),))
    accepts(pin_sets=(pin_set(hold_s=2, hold_max_s=2),))
    refused("service.mode", service(mode=3))
    refused("service.purpose", service(purpose=3))
    refused("anchor.purposes", anchors=[Anchor(NAME, b"", purposes=0)])
    refused("state.denied", denied=A[:31])


def test_audit_with_mode_key_is_refused():
    refused("service.audit_key", service(mode=MODE_KEY, enforce=False))
    accepts(service(mode=MODE_KEY))
    accepts(service(enforce=False))


def test_a_service_names_a_pin_set_of_its_state():
    refused("service.pin_set", service(pin_set="other"))
    refused("service.pin_set", service(pin_set=None))
    refused("service.pins_unused", service(mode=MODE_ANCHORS))
    accepts(service(mode=MODE_ANCHORS, pin_set=None))


def test_expired_pins_cannot_fall_back_to_anchors_in_mode_key():
    sets = (pin_set(on_expiry=EXPIRY_ANCHORS),)
    refused("service.expiry_key", service(mode=MODE_KEY), pin_sets=sets)
    accepts(service(), pin_sets=sets)


def test_a_service_that_builds_paths_needs_an_anchor_for_its_purpose():
    client = [Anchor(NAME, b"", purposes=CLIENT_AUTH)]
    refused("service.no_anchor", anchors=client)
    accepts(service(mode=MODE_KEY), anchors=client)


def test_names_are_distinct():
    refused("state.duplicate", service(), service(("b.example",)))
    refused("state.duplicate", pin_sets=(pin_set(), pin_set()))


def test_one_host_and_port_has_one_service():
    refused("service.ambiguous", service(), service(name="other"))
    accepts(service(), service(name="other", port=443))
    refused("service.ambiguous", service(port=443), service(name="other", port=443))


def test_hosts_are_patterns():
    refused("service.no_hosts", service(()))
    for bad in ("A.example", "a.example.", "a..example", "*", "a.*.example", "*.", "https://a"):
        refused("service.pattern", service((bad,)))
    for good in ("a.example", "*.example", "*.a.example", "192.0.2.1", "2001:db8::1"):
        accepts(service((good,)))
    refused("service.pattern", anchors=[Anchor(NAME, b"", hosts=("*",))])


def test_a_client_service_has_a_peer_name():
    refused("service.peer_name", service(None, purpose=CLIENT_AUTH))
    refused("service.pattern", service(None, purpose=CLIENT_AUTH, peer_name="*"))
    accepts(service(None, purpose=CLIENT_AUTH, peer_name="*.devices.example"))


def test_distrust_of_new_leaves_has_an_end_in_sight():
    def distrusting(until):
        return [Anchor(NAME, b"", distrust_leaf_after=1000, trust_until=until)]

    refused("anchor.distrust_open", anchors=distrusting(None))
    refused("anchor.distrust_open", anchors=distrusting(1000 + DISTRUST_WINDOW_S + 1))
    accepts(anchors=distrusting(1000 + DISTRUST_WINDOW_S))


def many(ratchet, backups=True):
    """Nine sets of eight pins: 63 that can be retired, and one more with the tenth set."""
    sets = []
    for number in range(9):
        pins = [Pin(digest(100 * number + n), backups and n == 7) for n in range(8)]
        sets.append(PinSet("set%d" % number, pins, ratchet=ratchet))
    sets.append(PinSet("web", [Pin(A), Pin(B), Pin(C, backups)], ratchet=ratchet))
    return tuple(sets)


def test_a_state_that_could_overflow_the_retired_set_is_refused():
    refused("state.retired_overflow", pin_sets=many(RATCHET_ORDERED))
    accepts(pin_sets=many(RATCHET_NEVER))
    refused("state.retired_overflow", pin_sets=many(0))
    accepts(pin_sets=many(0, backups=False))
    equal(len(list(may_retire(state(pin_sets=many(0))))), RETIRED_PINS + 1)


def test_an_exact_host_goes_before_a_wildcard_and_a_port_before_any():
    services = (
        service(("*.example",), "wild"),
        service(("a.example",), "exact"),
        service(("a.example",), "ported", port=8883),
        service(("*.example",), "wild ported", port=8883),
        service(("192.0.2.1",), "address"),
    )
    trust = state(*services)

    def found(host, port=None):
        return trust.find_service(host=host, port=port).name

    equal(found("a.example", 443), "exact")
    equal(found("a.example", 8883), "ported")
    equal(found("b.example", 8883), "wild ported")
    equal(found("b.example", 1), "wild")
    equal(found("A.Example.", 443), "exact")
    equal(found("192.0.2.1"), "address")
    refuses("service.unknown", found, "c.b.example")
    refuses("service.unknown", found, "example")


def test_without_a_port_no_laxer_service_answers():
    pinned = service(("mqtt.example",), "pinned", port=8883)
    trust = state(pinned, service(("*.example",), "lax"))
    refuses("service.ambiguous", trust.find_service, None, "mqtt.example")
    equal(trust.find_service(host="mqtt.example", port=8883).name, "pinned")
    equal(trust.find_service("pinned", "mqtt.example").name, "pinned")
    # The only one that answers is meant, and where no port decides the closest is.
    equal(state(pinned).find_service(host="mqtt.example").name, "pinned")
    equal(trust.find_service(host="other.example").name, "lax")
    both = state(service(("mqtt.example",), "exact"), service(("*.example",), "lax"))
    equal(both.find_service(host="mqtt.example").name, "exact")


def test_a_bound_service_answers_for_its_own_hosts_only():
    trust = state(service(), service(("b.example",), "other"))
    equal(trust.find_service("web", "a.example", 1).name, "web")
    refuses("service.host", trust.find_service, "web", "b.example")
    refuses("service.unknown", trust.find_service, "nobody")


def test_below_anchors_a_server_is_asked_for_by_name():
    # Whoever holds a certificate for another host is below the same anchors.
    anchors = [Anchor(NAME, b"\x30\x00")]
    for made in (literal((), anchors), literal([A, B], anchors)):
        refuses("name.missing", made.find_service)
        refuses("name.missing", made.find_service, "default")
        equal(made.find_service(host="any.example").name, "default")
    refuses("service.unknown", state().find_service)
    refuses("name.missing", state().find_service, "web")
    # A pinned leaf key needs no name.
    equal(literal([A, B]).find_service().name, "default")
    equal(state(service(mode=MODE_KEY)).find_service("web").name, "web")


def test_a_client_service_is_found_by_name_alone():
    trust = state(service(("a.example",), purpose=CLIENT_AUTH, peer_name="a.example"))
    equal(trust.find_service("web").purpose, CLIENT_AUTH)
    refuses("service.unknown", trust.find_service, None, "a.example")


def test_literal_states_take_digests_and_their_text():
    from binascii import b2a_base64, hexlify

    text = b2a_base64(B).decode().strip()
    for pins in ([A, B], [hexlify(A).decode(), "sha256/" + text], [A, text]):
        made = literal(pins)
        equal([pin.spki_sha256 for pin in made.pin_sets[0].pins], [A, B])
        equal([pin.is_backup for pin in made.pin_sets[0].pins], [False, True])
        equal(made.services[0].mode, MODE_KEY)
    refuses("pin.digest", literal, ["nonsense", text])
    refuses("pin.too_few", literal, [A])


def test_literal_states_with_anchors_build_paths():
    anchors = [Anchor(NAME, b"\x30\x00")]
    equal(literal([A, B], anchors).services[0].mode, MODE_PATH)
    equal(literal((), anchors).services[0].mode, MODE_ANCHORS)
    equal(literal([A, B]).find_service(host="any.example", port=1).name, "default")
    refuses("service.no_anchor", literal)


def test_an_anchor_is_found_by_its_name_among_many():
    from der_maker import name

    anchors = [Anchor(name(b"CA %d" % (n % 40)), digest(n)) for n in range(50)]
    listed = AnchorList(anchors)
    found = [anchor.spki for anchor in listed.find(name(b"ca  7"))]
    equal(found, [digest(7), digest(47)])
    equal(list(listed.find(name(b"CA 99"))), [])
    equal(len(listed), 50)
    equal(list(AnchorList().find(NAME)), [])
    equal(SERVER_AUTH | CLIENT_AUTH, 3)
