# SPDX-License-Identifier: MIT
"""What handshakes teach, joined into the store: retired pins, trials, what is remembered.

The part of store.Store that a boot does not need, and an update neither: it is loaded with the
first completed handshake, and a small heap has its code back while a bundle is decided.

    stands = join(store, verdict, asked)

Depends on: errors, learning, trust_store; boot and trial when a trial ends.
Heap: 2.5 KB from a .mpy file.
"""

from ..limits import TRIAL_RUN_S
from . import learning


def join(store, verdict, asked=None) -> bool:
    """Join the events of an accepted verdict of a completed handshake.

    What it retires is on flash when this returns. False: the verdict rests on what is gone;
    nothing may be sent before the chain is judged again.
    """
    with store.lock:
        if store.state is None:
            return False
        local = store.local
        before = local.retired_generation
        unix_s, uptime_s = store.sure_time()
        record = store.record
        holds_back = _holds_back(store, unix_s, uptime_s)
        stands = learning.join(local, verdict, store.state, unix_s, uptime_s, holds_back)
        if stands and record.trial:
            record = _judged_in_trial(store, record, verdict, asked)
        if not record.trial or not holds_back:
            learning.end_holds(local, store.state, unix_s, uptime_s)
            stands = stands and do_stand(store, verdict)
        holds = learning.holds_of(local)
        if (
            record is not store.record
            or store._dirty
            or local.retired != record.retired
            or local.held != record.held
            or holds != record.holds
        ):
            store.write(record.but(retired=local.retired, held=local.held, holds=holds))
        _write_cache(store)
        # No events: audited, or of a client.
        if stands and verdict.events and verdict.path is not None and not holds_back:
            store.tables().want(verdict.path)
        changed = local.retired_generation != before
    if changed:
        store._changed()
    return stands


def _holds_back(store, unix_s, uptime_s) -> bool:
    """True while a trial holds back what is seen in it; past its deadline it does no more (T6).

    Else one probe that stays silent would keep the key of a thief alive for as long.
    """
    record = store.record
    if not record.trial:
        return False
    running_s = uptime_s - store._loaded_at
    if not store.trials().is_stalled(record, store.state, unix_s, running_s):
        return True
    learning.confirmed(store.local, store.state, unix_s, uptime_s)
    return False


def judged(store) -> None:
    """The state in trial has reached a verdict: the try of this start comes back (T4)."""
    with store.lock:
        if store.state is not None:
            _restore_try(store)


def _restore_try(store) -> None:
    record = store.trials().judged(store.record, store.state)
    if record is not store.record:
        store.write(record)


def _judged_in_trial(store, record, verdict, asked):
    """Return the record after the trial state accepted a completed handshake."""
    rules = store.trials()
    record = rules.judged(record, store.state)
    if asked is not None:
        store._probed.add((asked.service.name, asked.host, asked.port))
        confirmed = rules.probed(record, store.state, store._probed)
        if confirmed is not record:
            learning.confirmed(store.local, store.state, *store.sure_time())
            record = confirmed
    return record


def disprove(store, refused, accepted, asked) -> bool:
    """The one evidence against a trial; True when it ended the trial.

    refused    the trial state's verdict over the chain of a completed handshake to a probe
    accepted   the verdict over the same chain under previous()
    """
    with store.lock:
        if (
            store.state is None
            or not store.record.trial
            or refused.state_digest != store.state.payload_digest
            or accepted.state_digest != store.record.active
        ):
            return False
        record = store.trials().disproved(store.record, store.state, refused, accepted, asked)
        if record is store.record:
            return False
        _end_trial(store, record)
    store._changed()
    return True


def revert(store) -> None:
    """End a trial by hand (the cable, or a program that knows better)."""
    with store.lock:
        if store.record is None or not store.record.trial:
            return
        _end_trial(store, store.trials().reverted(store.record))
    store._changed()


def _end_trial(store, record):
    learning.reverted(store.local)
    store.write(record.but(held=()))
    store.adopt()


def do_stand(store, verdict) -> bool:
    if verdict.state_digest != store.state.payload_digest:
        return False
    if verdict.retired_generation == store.local.retired_generation or verdict.pin is None:
        return True
    matched = verdict.wanted[verdict.pin]
    for pin_set in store.state.pin_sets:
        # A verdict names its pins, not their set: any set with the same pins will do.
        pins = tuple(pin.spki_sha256 for pin in pin_set.pins)
        if pins == verdict.wanted and store.local.is_retired(pin_set.name, matched):
            return False
    return True


def ticking(store):
    """tick() as a generator that yields None between slices of work."""
    with store.lock:
        if store.state is None:
            return
        before = store.local.retired_generation
        unix_s, uptime_s = store.sure_time()
        if store.record.trial and uptime_s - store._loaded_at >= TRIAL_RUN_S:
            _restore_try(store)
        if not _holds_back(store, unix_s, uptime_s):
            learning.end_holds(store.local, store.state, unix_s, uptime_s)
        local, record = store.local, store.record
        if store._dirty or (local.retired, local.held) != (record.retired, record.held):
            holds = learning.holds_of(local)
            store.write(record.but(retired=local.retired, held=local.held, holds=holds))
        _write_cache(store)
        changed = store.local.retired_generation != before
    if changed:
        store._changed()
    tables = store._tables
    if tables is not None:
        yield from tables.making(store._now()[1])
        with store.lock:
            _write_memory(store, tables.write, *store._now())


def _write_cache(store):
    if store._dirty:
        # A remembered path hides its leaf from the ratchet: only after what it retired.
        return
    memory = store.local.memory
    if memory is not None:  # an update has let it go for a while
        _write_memory(store, memory.write_if_due, *store._now())


def _write_memory(store, write, unix_s, uptime_s):
    try:
        write(unix_s, uptime_s)
    except OSError as error:
        # Losing it costs time and nothing else.
        store._note("store.cache_failed", error.args[0])
