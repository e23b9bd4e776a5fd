# SPDX-License-Identifier: MIT
"""Pins against keys: which matches, and if none, why."""

from check import equal, false, true
from trustanchor.state.local import LocalState, retired_entry
from trustanchor.state.model import Pin, PinSet, TrustState
from trustanchor.state.pins import change_times, first_live, has_expired, match, why_none

A, B, C = b"a" * 32, b"b" * 32, b"c" * 32
NOW = 1000
STATE = TrustState()
LOCAL = LocalState()


def pins(*listed):
    return PinSet("web", list(listed))


def found(pin_set, keys, at=NOW, known=True, state=STATE, local=LOCAL):
    return match(pin_set, keys, at, known, state, local)


def why(pin_set, keys, at=NOW, known=True, state=STATE, local=LOCAL):
    return why_none(pin_set, keys, at, known, state, local)


def retired(*keys):
    return LocalState(retired=tuple(sorted(retired_entry(key) for key in keys)))


def test_the_lowest_live_index_matches_whatever_the_order_of_the_keys():
    listed = pins(Pin(A), Pin(B))
    equal(found(listed, (B, A)), 0)
    equal(found(listed, (B, C)), 1)
    equal(found(listed, (C,)), None)


def test_a_pin_outside_its_window_does_not_match_and_the_next_does():
    listed = pins(Pin(A, not_after=NOW - 1), Pin(B, not_before=NOW))
    equal(found(listed, (A, B)), 1)
    equal(found(listed, (A, B), NOW - 1), 0)
    equal(found(listed, (A, B), NOW - 1, known=False), 0)
    equal(found(pins(Pin(B, not_before=NOW + 1)), (B,)), None)
    equal(found(pins(Pin(B, not_before=NOW + 1)), (B,), known=False), 0)


def test_a_retired_or_denied_pin_never_matches():
    listed = pins(Pin(A), Pin(B))
    equal(found(listed, (A, B), local=retired(A)), 1)
    equal(found(listed, (A, B), state=TrustState(denied=A)), 1)
    equal(found(listed, (A,), local=retired(A)), None)


def test_the_fate_of_the_pin_that_would_have_matched_is_told():
    listed = pins(Pin(A, not_after=NOW - 1), Pin(B, not_before=NOW + 1), Pin(C))
    equal(why(listed, (A,)), "pin.expired")
    equal(why(listed, (B,)), "pin.not_yet_valid")
    equal(why(listed, (C,), local=retired(C)), "pin.retired")
    equal(why(listed, (C,), state=TrustState(denied=C)), "path.key_denied")
    equal(why(listed, (b"d" * 32,)), "pin.none_matched")


def test_a_set_has_expired_when_every_pin_has():
    old = Pin(A, not_after=NOW - 1)
    true(has_expired(pins(old, Pin(B, not_after=NOW - 1)), NOW, True, STATE, LOCAL))
    false(has_expired(pins(old, Pin(B, not_after=NOW)), NOW, True, STATE, LOCAL))
    false(has_expired(pins(old, Pin(B, not_before=NOW + 1)), NOW, True, STATE, LOCAL))


def test_retired_and_denied_pins_never_count_as_expired():
    both = pins(Pin(A, not_after=NOW - 1), Pin(B, not_after=NOW - 1))
    false(has_expired(both, NOW, True, STATE, retired(A)))
    false(has_expired(both, NOW, True, TrustState(denied=B), LOCAL))


def test_the_first_live_pin_is_the_best_a_search_can_hope_for():
    listed = pins(Pin(A), Pin(B))
    equal(first_live(listed, NOW, True, STATE, LOCAL), 0)
    equal(first_live(listed, NOW, True, STATE, retired(A)), 1)
    equal(first_live(listed, NOW, True, STATE, retired(A, B)), None)


def test_between_two_changes_the_live_pins_stay_the_same():
    listed = pins(Pin(A, not_before=100, not_after=200), Pin(B, not_before=150))
    for at, expected in (
        (50, (0, 99)),
        (100, (100, 149)),
        (150, (150, 200)),
        (200, (150, 200)),
        (201, (201, None)),
    ):
        equal(change_times(listed, at, True, STATE, LOCAL), expected, at)
    equal(change_times(listed, 150, True, STATE, retired(A)), (150, None))
