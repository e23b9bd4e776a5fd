# SPDX-License-Identifier: MIT
"""A trial: confirmed, reverted on one kind of evidence, stalled, crashed (SPEC.md T1 to T6)."""

from bundling import NOW

from check import equal, false, true
from trustanchor.state.record import Record
from trustanchor.update import trial
from trustanchor.update.bundle import Probe

OLD, NEW = b"\x01" * 32, b"\x02" * 32
RETIRED, HELD = b"\x0a" * 16, b"\x0b" * 16
CALM = Record(0, 7, b"\x03" * 32, b"\x04" * 32, OLD, retired=(RETIRED,), floor=NOW)
TRIAL = CALM.but(sequence=8, trial=NEW, tries=3, trial_at=NOW, held=(HELD,))


def probe(service, host, port):
    found = Probe()
    found.service, found.host, found.port = service, host, port
    return found


class State:
    probes = (probe("web", "web.example", 443), probe("mail", "mail.example", None))
    tries = 3
    trial_s = 600


class Verdict:
    def __init__(self, accepted, audited=False, pin=0):
        self.accepted = accepted
        self.audited = audited
        self.pin = pin
        self.wanted = (b"1" * 32, b"2" * 32)


class Asked:
    def __init__(self, service="web", host="web.example", port=443):
        self.service = self
        self.name, self.host, self.port = service, host, port


WEB, MAIL = ("web", "web.example", 443), ("mail", "mail.example", 993)


def fields(record):
    return [getattr(record, name) for name in Record.FIELDS]


def test_a_trial_is_confirmed_by_every_probe():
    for seen in (
        (),
        (WEB,),
        (MAIL,),
        (("web", "web.example", 80), MAIL),
        (("web", "x", 443), MAIL),
    ):
        true(trial.probed(TRIAL, State, set(seen)) is TRIAL, str(seen))
    done = trial.probed(TRIAL, State, {WEB, MAIL, ("ftp", "ftp.example", 21)})
    equal((done.active, done.fallback, done.trial, done.tries), (NEW, OLD, b"", 0))
    equal((done.sequence, done.trial_at, done.floor), (8, 0, NOW))


def test_what_was_seen_in_a_trial_is_retired_when_it_is_confirmed():
    done = trial.probed(TRIAL, State, {WEB, MAIL})
    equal((done.retired, done.held), ((RETIRED, HELD), ()))


def test_what_was_seen_in_a_trial_is_forgotten_when_it_is_reverted():
    done = trial.reverted(TRIAL)
    equal((done.retired, done.held), ((RETIRED,), ()))


def test_a_trial_is_reverted_by_a_chain_only_the_state_before_accepts():
    done = trial.disproved(TRIAL, State, Verdict(False), Verdict(True), Asked())
    equal((done.active, done.trial, done.tries), (OLD, b"", 0))
    any_port = trial.disproved(
        TRIAL, State, Verdict(False), Verdict(True), Asked("mail", "mail.example", 25)
    )
    equal(any_port.trial, b"")


def test_nothing_else_is_evidence():
    for refused, accepted in (
        (Verdict(False), Verdict(False)),  # refused by both: a network that lies
        (Verdict(True), Verdict(True)),
        (Verdict(True), Verdict(False)),
        (Verdict(False), Verdict(True, audited=True)),  # audit accepts anything
        (Verdict(False), Verdict(True, pin=None)),  # its pins had expired: anything below a CA
    ):
        true(trial.disproved(TRIAL, State, refused, accepted, Asked()) is TRIAL)


def test_only_a_probe_gives_evidence():
    for asked in (
        Asked("web", "other.example"),
        Asked("web", "web.example", 80),
        Asked("ftp"),
        Asked("mail", "web.example"),
    ):
        true(trial.disproved(TRIAL, State, Verdict(False), Verdict(True), asked) is TRIAL)


def test_a_reverted_state_never_returns():
    # The sequence it had taken stays taken, and so do the signers it had named.
    done = trial.reverted(TRIAL.but(authority=b"\x05" * 32))
    equal((done.sequence, done.authority), (8, b"\x05" * 32))


def test_each_load_of_a_trial_costs_a_try_and_the_last_one_ends_it():
    record = TRIAL
    for left in (2, 1, 0):
        record = trial.loading(record)
        equal((record.tries, record.trial), (left, NEW))
    record = trial.loading(record)
    equal((record.trial, record.active, record.held), (b"", OLD, ()))


def test_a_load_that_judged_restores_the_tries():
    tired = TRIAL.but(tries=1)
    equal(trial.judged(tired, State).tries, 3)
    true(trial.judged(TRIAL, State) is TRIAL)


def test_outside_a_trial_nothing_changes():
    seen = {WEB, MAIL}
    true(trial.loading(CALM) is CALM)
    true(trial.judged(CALM, State) is CALM)
    true(trial.probed(CALM, State, seen) is CALM)
    true(trial.reverted(CALM) is CALM)
    true(trial.disproved(CALM, State, Verdict(False), Verdict(True), Asked()) is CALM)
    false(trial.is_stalled(CALM, State, NOW + 1000000))


def test_a_trial_stalls_after_its_deadline_and_goes_on():
    false(trial.is_stalled(TRIAL, State, NOW + 600))
    true(trial.is_stalled(TRIAL, State, NOW + 601))
    equal(trial.probed(TRIAL, State, {WEB, MAIL}).active, NEW)


def test_nobody_can_tell_that_a_trial_stalls_without_a_clock():
    false(trial.is_stalled(TRIAL, State, 0))
    false(trial.is_stalled(TRIAL.but(trial_at=0), State, NOW + 601))


def test_a_record_is_never_changed_in_place():
    before = fields(TRIAL)
    trial.loading(TRIAL)
    trial.judged(TRIAL.but(tries=1), State)
    trial.probed(TRIAL, State, {WEB, MAIL})
    trial.reverted(TRIAL)
    trial.disproved(TRIAL, State, Verdict(False), Verdict(True), Asked())
    equal(fields(TRIAL), before)
