# SPDX-License-Identifier: MIT
"""What becomes of a state in trial (SPEC.md T1 to T7). Decides and does no I/O.

Each function returns the record to be written; the same one when nothing changes. A module of its
own because a device on trial needs it with every handshake, and an update not at all.

Depends on: record.
Heap: 1.2 KB from a .mpy file.
"""


def loading(record):
    """The record to write before a state is loaded: a try less, or the trial is over (T4)."""
    if not record.trial:
        return record
    if record.tries == 0:
        return reverted(record)
    return record.but(tries=record.tries - 1)


def judged(record, state):
    """The record once the trial state has shown that it does not crash the board (T4).

    It has reached a verdict, whatever it was, or the program has run for TRIAL_RUN_S.
    """
    if not record.trial or record.tries >= state.tries:
        return record
    return record.but(tries=state.tries)


def probed(record, state, seen):
    """The record after completed handshakes the trial state accepted (T1).

    seen  set of (service, host, port) as they were asked for
    """
    if not record.trial:
        return record
    for probe in state.probes:
        if not any(probe.fits(*one) for one in seen):
            return record
    from ..state.retired import union

    return record.but(
        active=record.trial,
        fallback=record.active,
        trial=b"",
        tries=0,
        trial_at=0,
        retired=union(record.retired, record.held),
        held=(),
    )


def disproved(record, state, refused, accepted, asked):
    """The record after the one kind of evidence against a trial (T2).

    refused    the trial state's Verdict over the chain of a completed handshake
    accepted   the Verdict of the state before over the same chain
    asked      what was asked for, a probe of the trial state
    """
    if not record.trial or refused.accepted or not accepted.accepted or accepted.audited:
        return record
    if accepted.wanted and accepted.pin is None:
        return record  # its pins had expired: anyone below its anchors is accepted
    if any(probe.fits(asked.service.name, asked.host, asked.port) for probe in state.probes):
        return reverted(record)
    return record


def reverted(record):
    """The record without its trial; the position stays where the trial took it (T5)."""
    if not record.trial:
        return record
    return record.but(trial=b"", tries=0, trial_at=0, held=())


def is_stalled(record, state, unix_s: int, running_s: int = 0) -> bool:
    """True when a trial is past its deadline (T3).

    unix_s     0 while the clock is unknown
    running_s  how long this start of the device has run: what tells without a clock
    """
    if not record.trial:
        return False
    if record.trial_at and unix_s and unix_s - record.trial_at > state.trial_s:
        return True
    return running_s > state.trial_s
