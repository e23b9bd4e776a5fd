# SPDX-License-Identifier: MIT
"""Remembered paths: what makes their key, what a hit still checks, what it does not do."""

import gc

from forest import HOST, NOW, Fake, anchor, authority, end_entity, key

from check import equal, false, true
from trustanchor.compat import sha256
from trustanchor.kinds import CLIENT_AUTH, EVENT_PATH, EVENT_PIN_SEEN, MODE_ANCHORS
from trustanchor.state.anchors import AnchorList
from trustanchor.state.local import LocalState, retired_entry
from trustanchor.state.model import NO_DIGEST, Asked, Pin, PinSet, Service, TrustState
from trustanchor.verdict.mode_path import cache_key
from trustanchor.verdict.policy import judge
from trustanchor.x509.certificate import Certificate

LEAF = end_entity()
INTER = authority("Inter", "Root", 2, signer=9)
CHAIN = (LEAF, INTER)
OTHER = b"\x05" * 32
STATE_DIGEST = b"\x11" * 32
fake_calls = [0]  # signatures that the last verdict asked for


def digest(number):
    return sha256(key(number))


class Remembering(LocalState):
    """A LocalState with a cache of one path."""

    entry = (None, None)

    def cached_path(self, wanted):
        return self.entry[1] if self.entry[0] == wanted else None

    def take(self, found):
        for event in found.events:
            if event[0] == EVENT_PATH:
                self.entry = (event[1], event[2:])
        return self


def judged(
    local,
    pin_set=None,
    at=NOW,
    known=True,
    chain=CHAIN,
    denied=b"",
    payload_digest=STATE_DIGEST,
    host=HOST,
    anchors=None,
    **service,
):
    gc.collect()
    options = {"pin_set": "web"} if pin_set else {"mode": MODE_ANCHORS}
    options.update(service)
    state = TrustState(
        (Service("web", None, **options),),
        (pin_set,) if pin_set else (),
        AnchorList(anchors or [anchor(purposes=3)]),
        denied=denied,
        payload_digest=payload_digest,
    )
    with Fake() as fake:
        found = judge(chain, Asked(state.services[0], host, 443), (at, known), state, local)
    fake_calls[0] = fake.calls
    return found


def pins(*listed):
    return PinSet("web", list(listed) + [Pin(OTHER, True)])


def warm(pin_set=None, **asked):
    local = Remembering()
    return local.take(judged(local, pin_set, **asked))


def test_a_hit_verifies_no_signature_and_says_so():
    cold = judged(Remembering())
    equal((cold.code, cold.cached, fake_calls[0]), ("ok", False, 2))
    hit = judged(warm())
    equal((hit.code, hit.cached, fake_calls[0]), ("ok", True, 0))
    equal((hit.served, hit.path, hit.events), (digest(1), None, ()))


def test_what_is_remembered_are_the_keys_and_how_long_they_hold():
    local = warm()
    leaf = Certificate(LEAF)
    keys = digest(1) + digest(2) + digest(9)
    equal(local.entry[1], (leaf.not_before, leaf.not_after, keys))


def test_a_remembered_path_ends_with_its_dates():
    local = warm()
    true(judged(local, at=Certificate(LEAF).not_after).cached)
    late = judged(local, at=Certificate(LEAF).not_after + 1)
    equal((late.code, late.cached), ("path.expired", False))


def test_a_remembered_path_ends_with_the_windows_of_anchor_and_pins():
    local = warm(anchors=[anchor(trust_from=NOW - 5, trust_until=NOW + 5)])
    equal(local.entry[1][:2], (NOW - 5, NOW + 5))
    local = warm(pins(Pin(digest(1), not_before=NOW - 9, not_after=NOW + 9)))
    equal(local.entry[1][:2], (NOW - 9, NOW + 9))


def test_a_hit_still_runs_the_pins():
    listed = pins(Pin(digest(2)), Pin(digest(1)))
    local = warm(listed)
    hit = judged(local, listed)
    equal((hit.cached, hit.pin), (True, 0))
    # Another set of the same state: nothing of the remembered path fits, so it is judged cold.
    miss = judged(local, pins(Pin(b"\x06" * 32)))
    equal((miss.code, miss.cached), ("pin.none_matched", False))


def test_a_hit_still_runs_the_deny_list():
    found = judged(warm(), denied=digest(2))
    equal((found.code, found.cached), ("path.key_denied", False))


def test_a_hit_still_runs_the_clock_rules():
    equal(judged(warm(known=False), known=False, needs_clock=True).code, "time.unknown")
    equal(judged(warm(), max_state_age_s=5).code, "time.state_too_old")


def test_a_hit_reports_the_sighting_of_the_leafs_pin():
    # The primary may pause a hold-down, and the backup begin one, over a remembered path too.
    listed = pins(Pin(digest(1)))
    hit = judged(warm(listed), listed)
    equal((hit.cached, hit.events), (True, ((EVENT_PIN_SEEN, "web", 0, digest(1)),)))
    listed = pins(Pin(OTHER[:31] + b"\x06"), Pin(digest(1), True))
    hit = judged(warm(listed), listed)
    equal((hit.cached, hit.events), (True, ((EVENT_PIN_SEEN, "web", 1, digest(1)),)))


def test_a_hit_reports_no_sighting_of_an_authoritys_pin():
    listed = pins(Pin(digest(2)))
    hit = judged(warm(listed), listed)
    equal((hit.cached, hit.events), (True, ()))


def test_a_literal_state_is_never_remembered():
    equal(warm(payload_digest=NO_DIGEST).entry, (None, None))


def test_audit_and_clients_are_never_remembered():
    equal(warm(pins(Pin(digest(1))), enforce=False).entry, (None, None))
    equal(warm(purpose=CLIENT_AUTH, peer_name="*.example").entry, (None, None))


def test_everything_a_path_depends_on_is_in_the_key():
    service = Service("web", None)
    state = TrustState(payload_digest=STATE_DIGEST)
    local = LocalState()
    usual = cache_key(CHAIN, Asked(service, HOST, 443), True, state, local)
    equal(usual, cache_key(list(CHAIN), Asked(service, HOST, 443), True, state, LocalState()))
    retired = LocalState(retired=(retired_entry(OTHER),))
    pinned = Service("web", None, pin_set="a")
    client = Service("web", None, purpose=CLIENT_AUTH)
    others = [
        cache_key((LEAF,), Asked(service, HOST, 443), True, state, local),
        cache_key((LEAF + INTER,), Asked(service, HOST, 443), True, state, local),
        cache_key((INTER, LEAF), Asked(service, HOST, 443), True, state, local),
        cache_key(CHAIN, Asked(service, "other.example", 443), True, state, local),
        cache_key(CHAIN, Asked(service, HOST, 444), True, state, local),
        cache_key(CHAIN, Asked(service, HOST, None), True, state, local),
        cache_key(CHAIN, Asked(client, HOST, 443), True, state, local),
        cache_key(CHAIN, Asked(pinned, HOST, 443), True, state, local),
        cache_key(CHAIN, Asked(Service("web", None, pin_set="b"), HOST, 443), True, state, local),
        cache_key(CHAIN, Asked(service, HOST, 443), False, state, local),
        cache_key(CHAIN, Asked(service, HOST, 443), True, TrustState(), local),
        cache_key(CHAIN, Asked(service, HOST, 443), True, state, retired),
    ]
    equal(len(set(others)), len(others))
    false(usual in others)
