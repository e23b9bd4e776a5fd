# SPDX-License-Identifier: MIT
"""The ratchet in RAM: what retires a pin, what does not, and hold-downs. Design section 4."""

from scratch import key
from stand_in import Holder, Verdict

from check import equal, false, true
from trustanchor.kinds import RATCHET_BACKUP, RATCHET_NEVER, RATCHET_ORDERED
from trustanchor.limits import HOLD_DOWNS, RETIRED_PINS
from trustanchor.state.local import LocalState, retired_entry
from trustanchor.state.model import Pin, PinSet, TrustState
from trustanchor.state.retired import retire
from trustanchor.store import learning
from trustanchor.store.ratchet import moves


def pin_set(name="pins", ratchet=RATCHET_BACKUP, hold_s=0, hold_max_s=0, backups=("two", "three")):
    pins = [Pin(key(one), is_backup=one in backups) for one in ("one", "two", "three")]
    return PinSet(name, pins, ratchet=ratchet, hold_s=hold_s, hold_max_s=hold_max_s)


class Case(Holder):
    """A state with one pin set and a LocalState; sees(key) is a completed handshake."""

    def __init__(self, **fields):
        self.state = TrustState(pin_sets=(pin_set(**fields),))
        self.local = LocalState()
        self.unix_s = 1800000000
        self.up_s = 0

    def sees(self, leaf, in_trial=False, **fields):
        return learning.join(
            self.local, Verdict(self, leaf, **fields), self.state, self.unix_s, self.up_s, in_trial
        )

    def passes(self, seconds):
        if self.unix_s:
            self.unix_s += seconds
        self.up_s += seconds

    def alive(self):
        return [
            name
            for name in ("one", "two", "three")
            if not self.local.is_retired("pins", key(name))
        ]

    def restarts(self):
        """Keep what a record keeps."""
        local = self.local
        self.local = LocalState(0, local.retired, local.held, learning.holds_of(local))
        self.up_s = 0


def test_the_backup_retires_the_pins_before_it():
    case = Case()
    true(case.sees("two"))
    equal(case.alive(), ["two", "three"])
    true(case.sees("three"))
    equal(case.alive(), ["three"])


def test_the_primary_retires_nothing():
    case = Case()
    true(case.sees("one"))
    equal(case.alive(), ["one", "two", "three"])
    equal(case.local.retired_generation, 0)


def test_by_default_only_a_pin_marked_backup_retires():
    case = Case(backups=("three",))
    case.sees("two")
    equal(case.alive(), ["one", "two", "three"])
    case.sees("three")
    equal(case.alive(), ["three"])


def test_in_an_ordered_set_every_pin_retires_those_before_it():
    case = Case(ratchet=RATCHET_ORDERED, backups=())
    case.sees("two")
    equal(case.alive(), ["two", "three"])


def test_a_set_that_says_never_never_moves():
    case = Case(ratchet=RATCHET_NEVER)
    case.sees("three")
    equal(case.alive(), ["one", "two", "three"])
    false(moves(case.state.pin_sets[0], 2))


def test_retirement_is_of_the_key_in_every_pin_set():
    case = Case()
    case.sees("two")
    true(case.local.is_retired("pins", key("one")))
    true(case.local.is_retired("others", key("one")))
    false(case.local.is_retired("others", key("two")))


def test_without_a_sighting_of_the_leaf_nothing_moves():
    # An intermediate pin, an audit service, a client-auth peer: judge() sends no such event.
    case = Case()
    true(case.sees("two", events=()))
    equal(case.alive(), ["one", "two", "three"])


def test_a_refused_verdict_moves_nothing():
    case = Case()
    false(case.sees("two", accepted=False))
    equal(case.alive(), ["one", "two", "three"])


def test_an_audited_verdict_does_not_move_it():
    case = Case()
    true(case.sees("two", audited=True))
    equal(case.alive(), ["one", "two", "three"])


def test_a_sighting_over_a_remembered_path_moves_it():
    case = Case()
    true(case.sees("two", cached=True))
    equal(case.alive(), ["two", "three"])


def test_a_verdict_under_a_state_that_is_gone_is_judged_again():
    case = Case()
    false(case.sees("two", state_digest=b"\x01" * 32))
    equal(case.alive(), ["one", "two", "three"])


def test_a_verdict_from_before_a_retirement_is_judged_again():
    case = Case()
    early = Verdict(case, "three")
    case.sees("two")
    false(learning.join(case.local, early, case.state, case.unix_s, case.up_s))
    equal(case.alive(), ["two", "three"])


def test_the_generation_changes_with_every_retirement_and_only_then():
    case = Case()
    case.sees("two")
    equal(case.local.retired_generation, 1)
    case.sees("two")
    equal(case.local.retired_generation, 1)
    case.sees("three")
    equal(case.local.retired_generation, 2)


def test_the_digest_of_the_retired_set_follows_it():
    case = Case()
    before = case.local.retired_digest()
    case.sees("two")
    false(case.local.retired_digest() == before)
    equal(len(before), 32)


def test_a_sighting_in_a_trial_takes_effect_when_it_is_confirmed():
    case = Case()
    true(case.sees("two", in_trial=True))
    equal(case.alive(), ["one", "two", "three"])
    equal(case.local.held, (retired_entry(key("one")),))
    learning.confirmed(case.local, case.state)
    equal(case.alive(), ["two", "three"])
    equal(case.local.held, ())


def test_a_sighting_in_a_trial_that_ends_is_forgotten():
    case = Case()
    case.sees("two", in_trial=True)
    learning.reverted(case.local)
    learning.confirmed(case.local, case.state)
    equal(case.alive(), ["one", "two", "three"])


def test_a_hold_down_begins_when_its_trial_is_confirmed():
    case = Case(hold_s=100, hold_max_s=1000)
    case.sees("two", in_trial=True)
    equal(learning.holds_of(case.local), ())
    learning.confirmed(case.local, case.state, case.unix_s, case.up_s)
    equal(len(learning.holds_of(case.local)), 1)
    equal(case.alive(), ["one", "two", "three"])


def test_a_hold_down_waits_for_its_seconds():
    case = Case(hold_s=100, hold_max_s=1000)
    true(case.sees("two"))
    case.passes(99)
    true(case.sees("two"))
    equal(case.alive(), ["one", "two", "three"])
    case.passes(1)
    true(case.sees("two"))
    equal(case.alive(), ["two", "three"])
    equal(learning.holds_of(case.local), ())


def _moved_on(new_pins):
    """A hold-down of the backup `two` behind `one`, then a state with other pins; a day later."""
    case = Case(hold_s=100, hold_max_s=1000)
    case.sees("two")
    case.state = TrustState(
        pin_sets=(
            PinSet(
                "pins",
                [Pin(key(name), is_backup=name == "two") for name in new_pins],
                hold_s=100,
                hold_max_s=1000,
            ),
        )
    )
    case.restarts()
    case.passes(101)
    learning.end_holds(case.local, case.state, case.unix_s, case.up_s)
    equal(learning.holds_of(case.local), ())
    return case.local


def test_a_hold_down_retires_no_pin_that_came_after_it_began():
    equal(_moved_on(("new", "two", "three")).retired, ())
    equal(_moved_on(("new", "one", "two")).retired, ())


def test_hold_downs_of_states_that_are_gone_take_no_room():
    case = Case(hold_s=100, hold_max_s=1000)
    case.local.hold_downs = [[bytes((n,)) * 16, 0, 0, 0, 0] for n in range(HOLD_DOWNS)]
    case.sees("two")
    equal((case.alive(), len(learning.holds_of(case.local))), (["one", "two", "three"], 1))


def test_a_hold_down_goes_on_over_a_state_with_the_same_pins_before_it():
    equal(_moved_on(("one", "two", "new")).retired, (retired_entry(key("one")),))


def test_a_hold_down_ends_without_another_sighting():
    case = Case(hold_s=100, hold_max_s=1000)
    case.sees("two")
    case.passes(100)
    learning.end_holds(case.local, case.state, case.unix_s, case.up_s)
    equal(case.alive(), ["two", "three"])


def test_sightings_of_the_primary_pause_a_hold_down():
    case = Case(hold_s=100, hold_max_s=1000)
    case.sees("two")
    for _ in range(5):
        case.passes(90)
        true(case.sees("one"))
        case.sees("two")
    equal(case.alive(), ["one", "two", "three"])
    case.passes(100)
    case.sees("two")
    equal(case.alive(), ["two", "three"])


def test_a_sighting_after_its_seconds_does_not_begin_it_anew():
    # Nobody had looked meanwhile: a program need not call tick() for a hold-down to end.
    case = Case(hold_s=100, hold_max_s=1000)
    case.sees("two")
    case.passes(100)
    false(case.sees("one"), "the connection that ends it is the thief's own")
    equal(case.alive(), ["two", "three"])
    case = Case(hold_s=100, hold_max_s=1000)
    case.sees("two")
    case.passes(99)
    true(case.sees("one"))
    equal(case.alive(), ["one", "two", "three"])


def test_a_hold_down_is_never_paused_beyond_its_maximum():
    case = Case(hold_s=100, hold_max_s=1000)
    case.sees("two")
    for _ in range(11):
        case.passes(90)
        case.sees("one")
    equal(case.alive(), ["one", "two", "three"])
    case.passes(10)
    false(case.sees("one"), "the connection that ends it is the thief's own")
    equal(case.alive(), ["two", "three"])


def test_a_restart_does_not_prolong_a_hold_down():
    case = Case(hold_s=100, hold_max_s=1000)
    case.sees("two")
    case.passes(60)
    case.restarts()
    case.passes(40)
    case.sees("two")
    equal(case.alive(), ["two", "three"])


def test_a_restart_does_not_shorten_a_hold_down_while_the_clock_is_known():
    case = Case(hold_s=100, hold_max_s=1000)
    case.sees("two")
    case.passes(60)
    case.restarts()
    case.passes(39)
    case.sees("two")
    equal(case.alive(), ["one", "two", "three"])


def test_without_a_clock_the_uptime_counts():
    case = Case(hold_s=100, hold_max_s=1000)
    case.unix_s = 0
    case.sees("two")
    case.passes(99)
    case.sees("two")
    equal(case.alive(), ["one", "two", "three"])
    case.passes(1)
    case.sees("two")
    equal(case.alive(), ["two", "three"])


def test_a_restart_without_a_clock_ends_a_hold_down():
    # Else cutting the power again and again would prolong it for ever.
    for known_before in (False, True):
        case = Case(hold_s=100, hold_max_s=1000)
        if not known_before:
            case.unix_s = 0
        case.sees("two")
        case.restarts()
        case.unix_s = 0
        case.sees("two")
        equal(case.alive(), ["two", "three"])


def test_a_clock_that_goes_back_ends_a_hold_down():
    case = Case(hold_s=100, hold_max_s=1000)
    case.sees("two")
    case.unix_s -= 5000
    case.sees("two")
    equal(case.alive(), ["two", "three"])


def test_hold_downs_are_bounded_and_one_more_ends_at_once():
    sets = [pin_set("set%d" % n, hold_s=100, hold_max_s=1000) for n in range(HOLD_DOWNS + 1)]
    state = TrustState(pin_sets=sets)
    local = LocalState()
    case = Holder()
    case.state = state
    case.local = local
    for number in range(HOLD_DOWNS + 1):
        seen = ((1, "set%d" % number, 1, key("two")),)
        learning.join(local, Verdict(case, "two", events=seen), state, 1800000000, 0)
    equal(len(learning.holds_of(local)), HOLD_DOWNS)
    equal(local.retired, (retired_entry(key("one")),))


def test_a_hold_down_of_a_pin_no_longer_listed_is_dropped():
    case = Case(hold_s=100, hold_max_s=1000)
    case.sees("two")
    other = TrustState(
        pin_sets=(PinSet("pins", [Pin(key("four")), Pin(key("five"), is_backup=True)]),)
    )
    learning.end_holds(case.local, other, case.unix_s, case.up_s)
    equal(learning.holds_of(case.local), ())
    equal(case.local.retired, ())


def test_a_new_epoch_ends_hold_downs_and_takes_its_own_retired_set():
    case = Case(hold_s=100, hold_max_s=1000)
    case.sees("two")
    learning.moved_on(case.local, 5, (), (), True)
    equal(learning.holds_of(case.local), ())
    case = Case()
    case.sees("two")
    learning.moved_on(case.local, 5, (), (), True)
    equal(case.alive(), ["one", "two", "three"])
    equal(case.local.retired_generation, 2)


def test_the_retired_set_is_as_large_as_its_limit_says():
    local = LocalState()
    retire(local, [retired_entry(key(str(n))) for n in range(RETIRED_PINS)])
    equal(len(local.retired), RETIRED_PINS)
    equal(len(local.retired[0]), 16)
