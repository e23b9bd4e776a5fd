# SPDX-License-Identifier: MIT
"""Modes path and anchors: pins over every valid path, audit, expiry, events."""

import gc

from forest import HOST, NOW, Fake, anchor, authority, end_entity, key

from check import equal, false, true
from der_maker import tlv
from trustanchor.compat import sha256
from trustanchor.kinds import (
    CLIENT_AUTH,
    CLOCK_KNOWN,
    CLOCK_VERIFIED,
    EVENT_INTERMEDIATES,
    EVENT_LEAF_NOT_BEFORE,
    EVENT_PIN_SEEN,
    EXPIRY_ANCHORS,
    MODE_ANCHORS,
)
from trustanchor.state.anchors import AnchorList
from trustanchor.state.local import LocalState, retired_entry
from trustanchor.state.model import Asked, Pin, PinSet, Service, TrustState
from trustanchor.verdict.policy import judge
from trustanchor.x509.certificate import Certificate

LEAF = end_entity()
INTER = authority("Inter", "Root", 2, signer=9)
CROSS = authority("Inter", "Old", 2, signer=8)
BEFORE = Certificate(LEAF).not_before
OTHER = b"\x05" * 32
fake_calls = [0]  # signatures that the last verdict asked for


def digest(number):
    return sha256(key(number))


def pins(*numbers, **fields):
    """A pin set of these keys, the last of them a backup, and one that nobody has."""
    listed = [Pin(digest(n)) for n in numbers] + [Pin(OTHER, True)]
    return PinSet("web", listed, **fields)


def verdict(
    pin_set=None,
    chain=(LEAF, INTER),
    at=(NOW, CLOCK_KNOWN),
    local=None,
    host=HOST,
    anchors=None,
    denied=b"",
    **service,
):
    gc.collect()
    options = {"mode": MODE_ANCHORS} if pin_set is None else {"pin_set": "web"}
    options.update(service)
    state = TrustState(
        (Service("web", options.pop("hosts", (HOST,)), **options),),
        () if pin_set is None else (pin_set,),
        AnchorList(anchors or [anchor(), anchor("Old", 8)]),
        denied=denied,
    )
    asked = Asked(state.services[0], host, 443)
    with Fake() as fake:
        found = judge(chain, asked, at, state, local or LocalState())
    fake_calls[0] = fake.calls
    return found


def kinds(found):
    return [event[0] for event in found.events]


def test_mode_anchors_accepts_a_valid_path():
    found = verdict()
    equal((found.code, found.pin, found.served), ("ok", None, digest(1)))
    equal(found.path.keys, (digest(1), digest(2), digest(9)))
    equal(verdict(chain=(LEAF,)).code, "path.no_issuer")


def test_a_pin_may_match_any_key_of_a_valid_path():
    for number in (1, 2, 9):
        equal((verdict(pins(number)).code, verdict(pins(number)).pin), ("ok", 0))
    equal(verdict(pins(3)).code, "pin.none_matched")


def test_a_pinned_key_that_is_sent_but_on_no_path_does_not_count():
    stranger = authority("Stranger", "Nobody", 5, signer=6)
    equal(verdict(pins(5), (LEAF, INTER, stranger)).code, "pin.none_matched")


def test_a_pin_does_not_replace_a_path():
    equal(verdict(pins(1), (LEAF,)).code, "path.no_issuer")
    equal(verdict(pins(1), (end_entity(signer=7), INTER)).code, "path.bad_signature")
    equal(verdict(pins(1), host="other.example", hosts=None).code, "name.mismatch")


def test_every_valid_path_is_looked_at_for_a_pin():
    for chain in ((LEAF, INTER, CROSS), (LEAF, CROSS, INTER)):
        for number in (8, 9):
            found = verdict(pins(number), chain)
            equal((found.code, found.pin), ("ok", 0))
            equal(found.path.keys[-1], digest(number))


def test_the_lowest_live_pin_over_all_paths_is_the_match():
    both = pins(8, 9)
    for chain in ((LEAF, INTER, CROSS), (LEAF, CROSS, INTER)):
        found = verdict(both, chain)
        equal((found.pin, found.path.keys[-1]), (0, digest(8)))
    equal(verdict(both, (LEAF, INTER)).pin, 1)


def test_the_search_stops_at_the_best_pin_there_can_be():
    chain = (LEAF, INTER, CROSS)
    for number, signatures in ((1, 2), (8, 3)):
        equal(verdict(pins(number), chain).pin, 0)
        equal(fake_calls[0], signatures)


def test_a_retired_pin_gives_way_to_the_next():
    local = LocalState(retired=(retired_entry(digest(1)),))
    equal(verdict(pins(1, 2), local=local).pin, 1)
    equal(verdict(pins(1), local=local).code, "pin.retired")


def test_a_denied_anchor_leaves_the_other_path():
    chain = (LEAF, INTER, CROSS)
    equal(verdict(pins(1), chain, denied=digest(9)).path.keys[-1], digest(8))
    equal(verdict(pins(1), chain, denied=digest(9) + digest(8)).code, "path.key_denied")


def test_a_refusal_names_served_and_wanted():
    found = verdict(pins(3))
    equal((found.served, found.wanted), (digest(1), (digest(3), OTHER)))
    equal((found.path, found.events), (None, ()))
    false(found.accepted)


def test_audit_waives_the_pin_match_and_nothing_else():
    found = verdict(pins(3), enforce=False)
    equal((found.code, found.audited, found.audit_code), ("ok", True, "pin.none_matched"))
    equal(found.events, ())
    equal(verdict(pins(3), (LEAF,), enforce=False).code, "path.no_issuer")
    equal(verdict(pins(3), denied=digest(2), enforce=False).code, "path.key_denied")
    equal(verdict(pins(1), enforce=False).audited, False)


def test_a_service_with_hosts_is_not_judged_without_one():
    equal(verdict(host=None).code, "name.missing")
    equal(verdict(host=None, hosts=None).code, "ok")


def expired(**fields):
    last = NOW - 1
    return PinSet(
        "web", [Pin(digest(1), not_after=last), Pin(OTHER, True, not_after=last)], **fields
    )


def test_when_all_pins_have_expired_the_set_says_what_happens():
    equal(verdict(expired()).code, "pin.expired")
    equal(verdict(expired(on_expiry=EXPIRY_ANCHORS), at=(NOW, CLOCK_VERIFIED)).code, "ok")
    one_left = PinSet("web", [Pin(digest(3)), Pin(OTHER, not_after=1)], on_expiry=EXPIRY_ANCHORS)
    equal(verdict(one_left, at=(NOW, CLOCK_VERIFIED)).code, "pin.none_matched")


def test_going_on_without_pins_needs_a_verified_clock():
    going_on = expired(on_expiry=EXPIRY_ANCHORS)
    equal(verdict(going_on, at=(NOW, CLOCK_KNOWN)).code, "time.unverified")
    equal(verdict(going_on, at=(0, False), local=LocalState(floor=NOW)).code, "time.unverified")
    below = LocalState(floor=NOW + 1)
    equal(verdict(going_on, at=(NOW, CLOCK_VERIFIED), local=below).code, "time.unverified")


def test_a_retired_pin_keeps_a_set_from_expiring():
    local = LocalState(retired=(retired_entry(digest(1)),))
    going_on = expired(on_expiry=EXPIRY_ANCHORS)
    equal(verdict(going_on, at=(NOW, CLOCK_VERIFIED), local=local).code, "pin.retired")


def test_audit_goes_on_when_all_pins_have_expired():
    found = verdict(expired(on_expiry=EXPIRY_ANCHORS), enforce=False)
    equal((found.code, found.audit_code), ("ok", "pin.expired"))


def test_only_the_key_of_the_leaf_is_seen():
    seen = verdict(pins(9, 1)).events
    true((EVENT_PIN_SEEN, "web", 1, digest(1)) in seen)
    equal(kinds(verdict(pins(2))).count(EVENT_PIN_SEEN), 0)
    equal(kinds(verdict()).count(EVENT_PIN_SEEN), 0)


def test_an_accepted_verdict_reports_the_leaf_and_the_intermediates():
    found = verdict()
    true((EVENT_LEAF_NOT_BEFORE, BEFORE) in found.events)
    true((EVENT_INTERMEDIATES, INTER) in found.events)
    direct = verdict(chain=(end_entity("Root", 9), INTER))
    equal(kinds(direct), [EVENT_LEAF_NOT_BEFORE])


def test_a_client_is_authenticated_and_leaves_no_trace():
    both = [anchor(purposes=3)]
    client = {"purpose": CLIENT_AUTH, "peer_name": "*.example", "hosts": None, "anchors": both}
    found = verdict(host=None, **client)
    equal((found.code, found.peer_name, found.events), ("ok", HOST, ()))
    equal(verdict(pins(1), host=None, **client).events, ())
    client["peer_name"] = "*.other"
    found = verdict(host=None, **client)
    equal((found.code, found.peer_name), ("name.mismatch", None))
    client["peer_name"] = "*.example"
    client["anchors"] = [anchor()]  # speaks for servers alone
    equal(verdict(host=None, **client).code, "anchor.purpose")


def test_the_authenticated_name_must_lie_with_the_anchor():
    client = {"purpose": CLIENT_AUTH, "peer_name": "*.example", "hosts": None, "host": None}
    for hosts, expected in ((("*.example",), "ok"), (("*.other",), "anchor.host")):
        found = verdict(anchors=[anchor(purposes=3, hosts=hosts)], **client)
        equal(found.code, expected)


def test_a_refused_client_has_no_name():
    # Made by its own hand: what it calls itself must not look like an authenticated name.
    client = {"purpose": CLIENT_AUTH, "peer_name": "*.example", "hosts": None}
    found = verdict(chain=(end_entity("Nobody", 1),), host=None, **client)
    equal((found.code, found.peer_name), ("path.no_issuer", None))


def test_a_wildcard_is_no_name_of_a_client():
    both = [anchor(purposes=3)]
    chain = (end_entity(host="*.example"), INTER)
    found = verdict(
        chain=chain,
        host=None,
        hosts=None,
        purpose=CLIENT_AUTH,
        peer_name="*.example",
        anchors=both,
    )
    equal(found.code, "name.mismatch")


def test_an_expired_leaf_with_a_live_pin_is_refused():
    old = end_entity(validity=(tlv(0x17, b"240101000000Z"), tlv(0x17, b"240201000000Z")))
    equal(verdict(pins(1), (old, INTER)).code, "path.expired")
