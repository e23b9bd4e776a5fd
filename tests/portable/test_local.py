# SPDX-License-Identifier: MIT
"""Floor and bound: what lifts them, what never does, and that none is a trap. Design "Time"."""

from stand_in import Holder, Verdict

from check import equal, false, true
from trustanchor.kinds import EVENT_LEAF_NOT_BEFORE
from trustanchor.limits import BOUND_AHEAD_S
from trustanchor.state.local import LocalState
from trustanchor.state.model import Pin, PinSet, TrustState
from trustanchor.store import learning
from trustanchor.store.learning import raised_bound

DAY = 86400
ISSUED = 1800000000
KEYS = (b"\x01" * 32, b"\x02" * 32)


def case(floor=ISSUED):
    found = Holder()
    pin_set = PinSet("pins", [Pin(KEYS[0]), Pin(KEYS[1], is_backup=True)])
    found.state = TrustState(pin_sets=(pin_set,), issued_at=ISSUED)
    found.local = LocalState(floor)
    return found


def accepts(found, not_before, **fields):
    events = ((EVENT_LEAF_NOT_BEFORE, not_before),)
    return learning.join(found.local, Verdict(found, "one", events=events, **fields), found.state)


def test_the_bound_begins_at_the_floor():
    equal(LocalState(ISSUED).bound, ISSUED)


def test_an_accepted_leaf_lifts_the_bound_and_never_the_floor():
    found = case()
    true(accepts(found, ISSUED + 30 * DAY))
    equal(found.local.bound, ISSUED + 30 * DAY)
    equal(found.local.floor, ISSUED)


def test_an_older_leaf_does_not_lower_the_bound():
    found = case()
    accepts(found, ISSUED + 30 * DAY)
    accepts(found, ISSUED - 30 * DAY)
    equal(found.local.bound, ISSUED + 30 * DAY)


def test_a_refused_leaf_lifts_nothing():
    found = case()
    false(accepts(found, ISSUED + 30 * DAY, accepted=False))
    false(accepts(found, ISSUED + 30 * DAY, state_digest=b"\x07" * 32))
    equal(found.local.bound, ISSUED)


def test_no_sequence_of_accepted_leaves_lifts_the_bound_beyond_400_days():
    found = case()
    for years in range(1, 9000, 500):
        accepts(found, ISSUED + years * 365 * DAY)
    equal(found.local.bound, ISSUED + BOUND_AHEAD_S)
    equal(BOUND_AHEAD_S, 400 * DAY)


def test_a_bound_above_that_is_kept():
    # Lifted under a newer state that is gone: what was believed once is not forgotten.
    equal(raised_bound(ISSUED + 500 * DAY, ISSUED + 9000 * DAY, ISSUED), ISSUED + 500 * DAY)


def test_a_newer_state_lifts_the_bound_with_the_floor():
    found = case()
    learning.moved_on(found.local, ISSUED + 10 * DAY, (), ())
    equal(found.local.floor, ISSUED + 10 * DAY)
    equal(found.local.bound, ISSUED + 10 * DAY)


def test_the_bound_outlives_a_change_of_state():
    found = case()
    accepts(found, ISSUED + 30 * DAY)
    learning.moved_on(found.local, ISSUED + DAY, (), ())
    equal(found.local.bound, ISSUED + 30 * DAY)


def test_only_a_new_epoch_lowers_floor_and_bound():
    found = case()
    accepts(found, ISSUED + 30 * DAY)
    learning.moved_on(found.local, ISSUED - 100 * DAY, (), (), True)
    equal(found.local.floor, ISSUED - 100 * DAY)
    equal(found.local.bound, ISSUED - 100 * DAY)


def test_without_a_memory_nothing_is_remembered():
    local = LocalState()
    equal(local.cached_path(b"\x00" * 32), None)
    equal(len(local.learned), 0)
    equal(local.key_table(b"\x00" * 32), None)
