# SPDX-License-Identifier: MIT
"""Mode key: pins, deny list, leaf dates, the clock, and what the verdict reports."""

from check import equal, false, fixture, true
from trustanchor.kinds import CLIENT_AUTH, EVENT_PIN_SEEN, MODE_KEY
from trustanchor.state.literals import literal
from trustanchor.state.local import LocalState
from trustanchor.state.model import Asked, Pin, PinSet, Service, TrustState
from trustanchor.verdict.policy import judge, judging
from trustanchor.x509.certificate import Certificate

LEAF = fixture("path/self.der")
BACKUP = fixture("path/self_backup.der")
KEY = Certificate(LEAF).spki_sha256
BACKUP_KEY = Certificate(BACKUP).spki_sha256
OTHER = b"\x05" * 32
NOW = Certificate(LEAF).not_before + 86400
CLOCK = (NOW, True)


class Retired(LocalState):
    """A LocalState in which the given keys are retired."""

    def __init__(self, *keys, floor=0):
        LocalState.__init__(self, floor)
        self.keys = keys

    def is_retired(self, pin_set_name, spki_sha256):
        return spki_sha256 in self.keys


def state_of(pins, denied=b"", issued_at=0, **service):
    pin_set = PinSet("pins", pins)
    options = {"mode": MODE_KEY, "pin_set": "pins"}
    options.update(service)
    return TrustState(
        (Service("web", ("device.example",), **options),),
        (pin_set,),
        denied=denied,
        issued_at=issued_at,
    )


def verdict(pins=None, chain=(LEAF,), at=CLOCK, local=None, host="device.example", **options):
    state = state_of(pins or [Pin(KEY), Pin(OTHER, True)], **options)
    return judge(chain, Asked(state.services[0], host, 443), at, state, local or LocalState())


def test_accepts_the_leaf_whose_key_is_pinned():
    found = verdict()
    equal(found.code, "ok")
    true(found.accepted)
    equal(found.pin, 0)
    equal(found.served, KEY)
    equal(found.wanted, (KEY, OTHER))
    equal(found.time_rule, "clock")
    equal(found.events, ((EVENT_PIN_SEEN, "pins", 0, KEY),))


def test_accepts_the_backup_key_and_says_which_pin_it_was():
    found = verdict(chain=(BACKUP,), pins=[Pin(KEY), Pin(BACKUP_KEY, True)])
    equal((found.code, found.pin), ("ok", 1))
    equal(found.events, ((EVENT_PIN_SEEN, "pins", 1, BACKUP_KEY),))


def test_refuses_another_key_and_names_served_and_wanted():
    found = verdict(chain=(BACKUP,))
    false(found.accepted)
    equal(found.code, "pin.none_matched")
    equal(found.served, BACKUP_KEY)
    equal(found.wanted, (KEY, OTHER))
    equal((found.pin, found.events), (None, ()))


def test_refuses_a_pinned_key_further_up_the_chain():
    equal(verdict(chain=(BACKUP, LEAF)).code, "pin.none_matched")


def test_refuses_no_certificate_at_all():
    equal(verdict(chain=()).code, "path.no_certificate")


def test_refuses_bytes_that_are_no_certificate():
    equal(verdict(chain=(LEAF[:-1],)).code, "der.truncated")


def test_refuses_a_denied_key_even_when_pinned():
    equal(verdict(denied=OTHER + KEY).code, "path.key_denied")
    equal(verdict(denied=OTHER).code, "ok")
    # Whoever is denied is told so, pinned or not.
    equal(verdict([Pin(BACKUP_KEY), Pin(OTHER, True)], denied=KEY).code, "path.key_denied")


def test_refuses_a_retired_pin_for_ever():
    equal(verdict(local=Retired(KEY)).code, "pin.retired")
    equal(verdict(local=Retired(OTHER)).code, "ok")


def test_a_pin_matches_only_inside_its_window_both_ends_included():
    other = Pin(OTHER, True)
    equal(verdict([Pin(KEY, not_before=NOW, not_after=NOW), other]).code, "ok")
    equal(verdict([Pin(KEY, not_before=NOW + 1), other]).code, "pin.not_yet_valid")
    equal(verdict([Pin(KEY, not_after=NOW - 1), other]).code, "pin.expired")


def test_mode_key_refuses_when_all_pins_have_expired():
    pins = [Pin(KEY, not_after=NOW - 1), Pin(OTHER, True, not_after=NOW - 1)]
    equal(verdict(pins).code, "pin.expired")


def test_checks_the_dates_of_the_leaf_both_ends_included():
    leaf = Certificate(LEAF)
    equal(verdict(at=(leaf.not_after, True)).code, "ok")
    equal(verdict(at=(leaf.not_after + 1, True)).code, "path.expired")
    equal(verdict(at=(leaf.not_before, True)).code, "ok")
    equal(verdict(at=(leaf.not_before - 1, True)).code, "path.not_yet_valid")


def test_an_unknown_clock_is_judged_at_the_bound_and_holds_no_beginning():
    leaf = Certificate(LEAF)
    found = verdict(at=(0, False))
    equal((found.code, found.time_rule), ("ok", "bound"))
    begun = [Pin(KEY, not_before=NOW), Pin(OTHER, True)]
    equal(verdict(begun, at=(0, False)).code, "ok")
    expired = LocalState(floor=leaf.not_after + 1)
    equal(verdict(at=(0, False), local=expired).code, "path.expired")


def test_a_clock_below_the_bound_is_unknown_whoever_set_it():
    found = verdict(at=(NOW - 1, True), local=LocalState(floor=NOW))
    equal((found.code, found.time_rule), ("ok", "bound"))
    equal(verdict(at=(NOW, True), local=LocalState(floor=NOW)).time_rule, "clock")
    equal(verdict(at=(NOW - 1, True), issued_at=NOW).time_rule, "bound")


def test_the_bound_in_ram_counts_beside_the_durable_floor():
    local = LocalState(floor=5)
    local.bound = Certificate(LEAF).not_after + 1
    equal(verdict(at=(0, False), local=local).code, "path.expired")


def test_a_service_may_demand_a_known_clock():
    equal(verdict(needs_clock=True).code, "ok")
    equal(verdict(needs_clock=True, at=(NOW, False)).code, "time.unknown")
    equal(verdict(needs_clock=True, local=LocalState(floor=NOW + 1)).code, "time.unknown")


def test_a_service_may_demand_a_young_state():
    equal(verdict(max_state_age_s=10, issued_at=NOW - 10).code, "ok")
    equal(verdict(max_state_age_s=10, issued_at=NOW - 11).code, "time.state_too_old")


def test_names_and_purposes_count_only_when_switched_on():
    equal(verdict(host="other.example").code, "ok")
    equal(verdict(host="other.example", check_name=True).code, "name.mismatch")
    equal(verdict(check_name=True).code, "ok")
    equal(verdict(host=None, check_name=True).code, "name.missing")
    equal(verdict(host=None).code, "ok")
    no_san = fixture("path/self_no_san.der")
    pins = [Pin(Certificate(no_san).spki_sha256), Pin(OTHER, True)]
    equal(verdict(pins, chain=(no_san,)).code, "ok")
    equal(verdict(pins, chain=(no_san,), check_name=True).code, "name.no_san")
    client = fixture("path/self_client.der")
    pins = [Pin(Certificate(client).spki_sha256), Pin(OTHER, True)]
    equal(verdict(pins, chain=(client,)).code, "ok")
    equal(verdict(pins, chain=(client,), check_eku=True).code, "path.purpose")
    equal(verdict(check_eku=True).code, "ok")


def test_a_client_is_known_by_the_name_its_certificate_proves():
    found = verdict(purpose=CLIENT_AUTH, peer_name="*.example", host=None)
    equal((found.code, found.peer_name), ("ok", "device.example"))
    equal(found.events, ())
    found = verdict(purpose=CLIENT_AUTH, peer_name="*.other", host=None)
    equal((found.code, found.peer_name), ("name.mismatch", None))
    found = verdict(purpose=CLIENT_AUTH, peer_name="*.example", host="b.example")
    equal(found.code, "name.mismatch")


def test_a_literal_state_needs_no_bundle():
    state = literal([KEY, OTHER])
    asked = Asked(state.find_service(host="device.example", port=443), "device.example", 443)
    equal(judge((LEAF,), asked, CLOCK, state, LocalState()).code, "ok")
    equal(judge((BACKUP,), asked, CLOCK, state, LocalState()).code, "pin.none_matched")


def test_the_generator_ends_with_the_same_verdict():
    state = state_of([Pin(KEY), Pin(OTHER, True)])
    steps = judging((LEAF,), Asked(state.services[0], None), CLOCK, state, LocalState())
    try:
        while True:
            equal(next(steps), None)
    except StopIteration as done:
        equal(done.value.code, "ok")


def test_the_verdict_names_the_state_it_rests_on():
    found = verdict()
    equal((found.state_digest, found.retired_generation), (b"\x00" * 32, 0))


def test_where_the_heap_does_not_hold_a_chain_the_verdict_says_so():
    class Huge:
        """Bytes that find no room, wherever they are read."""

        def __len__(self):
            raise MemoryError

    found = verdict(chain=(Huge(),))
    false(found.accepted)
    equal((found.code, found.events, found.pin), ("tls.no_memory", (), None))
    state = state_of([Pin(KEY), Pin(OTHER, True)])
    asked = Asked(state.services[0], "device.example", 443)
    steps = judging((Huge(),), asked, CLOCK, state, LocalState())
    while True:
        try:
            next(steps)
        except StopIteration as done:
            equal(done.value.code, "tls.no_memory")
            break
