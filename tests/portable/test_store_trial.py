# SPDX-License-Identifier: MIT
"""The store and a trial: tries, confirmation, the one evidence against it. SPEC.md T1 to T7."""

from scratch import key
from stand_in import Verdict, asked, bundle
from store_board import both, provisioned

from check import equal, false, refuses, true
from trustanchor.kinds import CLOCK_VERIFIED, EVENT_PATH

NEXT = ("one", "two", "three")


def on_trial(board, tries=2):
    store = board.boots()
    store.install(bundle(2, trial=tries, pins=NEXT))
    return store


def test_the_accepted_sequence_rises_when_a_trial_starts():
    def start(board):
        store = on_trial(board)
        equal(store.state.sequence, 2)
        equal(store.record.sequence, 2)
        store.revert()
        equal(store.state.sequence, 1)
        refuses("update.rollback", store.install, bundle(2, trial=3, pins=NEXT))
        equal(board.boots().record.sequence, 2)

    both(start)


def test_a_try_is_spent_before_the_trial_state_loads_and_crash_loops_end():
    def crash(board):
        on_trial(board)
        for tries in (1, 0):
            store = board.boots()
            equal((store.state.sequence, store.record.tries), (2, tries))
        store = board.boots()
        equal(store.state.sequence, 1)
        equal(store.status()["notes"], [("trial.crashed", None)])
        equal(board.boots().status()["notes"], [])

    both(crash)


def test_tries_are_restored_once_it_has_judged():
    board = provisioned()
    on_trial(board)
    store = board.boots()
    equal(store.record.tries, 1)
    store.join(Verdict(store, "one"))
    equal(store.record.tries, 2)
    equal(board.boots().record.tries, 1)


def test_silence_and_refusals_spend_no_try():
    def quiet(board):
        on_trial(board)
        for _ in range(9):
            store = board.boots()
            equal(store.state.sequence, 2)
            store.judged()  # a verdict, and it was a refusal
            equal(store.record.tries, 2)
        for _ in range(9):
            store = board.boots()
            equal(store.state.sequence, 2)
            board.clock.passes(9)
            store.tick()
            equal(store.record.tries, 1, "a crash may still come")
            board.clock.passes(1)
            store.tick()
            equal(store.record.tries, 2)

    both(quiet)


def test_a_trial_that_has_stalled_holds_nothing_back():
    def stalls(board):
        board.clock.known = CLOCK_VERIFIED
        store = on_trial(board)
        store.join(Verdict(store, "two"))
        false(store.local.is_retired("pins", key("one")))
        store = board.boots()
        store.judged()
        board.clock.passes(3601)
        store.tick()
        true(store.local.is_retired("pins", key("one")))
        again = board.boots()
        true(again.local.is_retired("pins", key("one")))
        equal(again.state.sequence, 2, "and it is on trial as before")
        true(again.join(Verdict(again, "three")))
        true(board.boots().local.is_retired("pins", key("two")), "from now on at once")

    both(stalls)


def test_without_a_clock_the_uptime_tells_that_a_trial_has_stalled():
    board = provisioned()
    store = on_trial(board)
    board.clock.known = 0
    store.join(Verdict(store, "two"))
    board.clock.up_s += 3602
    store.tick()
    true(board.boots().local.is_retired("pins", key("one")))


def test_when_a_try_can_not_be_written_the_trial_state_does_not_load():
    board = provisioned()
    on_trial(board)
    store = board.store()
    store.copies = [Broken(copy) for copy in store.copies]
    store.load()
    equal(store.state.sequence, 1)
    equal(store.problem[0], "store.write_failed")


class Broken:
    """A copy whose flash is worn out."""

    def __init__(self, copy):
        self.name = copy.name
        self.writes = 0
        self.read = copy.read

    def write(self, data):
        self.writes += 1
        raise OSError(5)


def test_a_completed_handshake_to_the_probe_confirms():
    def confirm(board):
        store = on_trial(board)
        store.join(Verdict(store, "one"))
        true(store.record.trial != b"", "not one that was asked for nothing")
        store.join(Verdict(store, "one"), asked(store))
        equal(store.record.trial, b"")
        again = board.boots()
        equal(again.state.sequence, 2)
        true(again.record.fallback != b"")

    both(confirm)


def test_silence_and_refusals_by_both_are_no_evidence():
    board = provisioned()
    store = on_trial(board)
    refused = Verdict(store, "thief", accepted=False)
    before = board.content()
    also = Verdict(store, "thief", accepted=False, state_digest=store.record.active)
    false(store.disprove(refused, also, asked(store)))
    accepted = Verdict(store, "one", state_digest=store.record.active)
    false(store.disprove(Verdict(store, "one"), accepted, asked(store)))
    false(store.disprove(refused, Verdict(store, "one"), asked(store)), "not the state before")
    other = Verdict(store, "x", accepted=False, state_digest=store.record.active)
    false(store.disprove(other, accepted, asked(store)), "not refused by the trial")
    board.clock.passes(10000000)
    store.tick()
    equal(store.state.sequence, 2)
    equal(board.content(), before)


def test_a_chain_the_trial_refuses_and_the_state_before_accepts_reverts():
    def revert(board):
        store = on_trial(board)
        dropped = []
        store.on_change.append(lambda: dropped.append(1))
        accepted = Verdict(store, "one", state_digest=store.record.active)
        true(store.disprove(Verdict(store, "x", accepted=False), accepted, asked(store)))
        equal(store.state.sequence, 1)
        equal(dropped, [1])
        equal(board.boots().state.sequence, 1)
        false(store.disprove(Verdict(store, "x", accepted=False), accepted, asked(store)))

    both(revert)


def test_the_state_before_can_be_asked():
    board = provisioned()
    store = board.boots()
    equal(store.previous(), None)
    on_trial(board)
    store = board.boots()
    equal(store.previous().sequence, 1)
    equal(store.state.sequence, 2)


def test_a_deadline_ends_in_a_report_and_nothing_else():
    board = provisioned()
    store = on_trial(board)
    equal(store.status()["notes"], [])
    board.clock.passes(3601)
    equal(store.status()["notes"], [("trial.stalled", None)])
    equal(store.state.sequence, 2)
    store.install(bundle(3, trial=2, pins=NEXT))
    equal(store.state.sequence, 3)
    equal(store.previous().sequence, 1, "compared with the state that was confirmed")


def test_a_trial_does_not_move_the_ratchet_until_it_is_confirmed():
    def trial(board):
        store = on_trial(board)
        true(store.join(Verdict(store, "two")))
        false(store.local.is_retired("pins", key("one")))
        store = board.boots()
        false(store.local.is_retired("pins", key("one")))
        store.join(Verdict(store, "three"), asked(store))
        true(store.local.is_retired("pins", key("one")))
        true(board.boots().local.is_retired("pins", key("one")))
        true(board.boots().local.is_retired("pins", key("two")))

    both(trial)


def test_what_a_trial_saw_is_forgotten_with_it():
    def trial(board):
        store = on_trial(board)
        store.join(Verdict(store, "two"))
        board.boots().revert()
        store = board.boots()
        false(store.local.is_retired("pins", key("one")))
        store.install(bundle(3, trial=2, pins=NEXT))
        store.join(Verdict(store, "one"), asked(store))
        false(board.boots().local.is_retired("pins", key("one")))

    both(trial)


def test_a_trial_is_not_remembered_in_the_cache():
    # A cached verdict does not move the ratchet: it would hide what was seen during the trial.
    board = provisioned()
    store = on_trial(board)
    store.join(Verdict(store, "two", events=((EVENT_PATH, key("p"), 0, 1 << 33, b"v"),)))
    equal(store.local.cached_path(key("p")), None)


def test_a_trial_whose_bytes_are_gone_is_over():
    def lose(board):
        import os

        store = on_trial(board)
        os.remove(store.slot(store.record.trial))
        store = board.boots()
        equal(store.state.sequence, 1)
        equal(store.record.trial, b"")
        equal(board.boots().status()["notes"], [])

    both(lose)
