# SPDX-License-Identifier: MIT
"""Loading: from what flash has to the state in RAM. The part of store.Store that a boot needs.

It runs at a boot and when a state was installed or a trial has ended, and a small heap has its
code back afterwards.

    load(store)          # all of it
    adopt(store)         # after the record has changed
    read_record(store)   # the two copies joined

Depends on: cache, compat, copies, errors, limits, local, record, trust_store, volume; trial while
one runs.
Heap: 2 KB from a .mpy file.
"""

from ..compat import const
from ..errors import StoreError, TrustError
from ..limits import BUILD_AT
from ..state.local import LocalState
from ..state.packing import merge, pack, parse
from .volume import check_filesystem

_LOAD_SHIFT = const(10)  # above any number of retirements between two loads


def load(store):
    store.state = store.local = None  # type: ignore[assignment]
    check_filesystem(store.root)
    store._notes = []
    store._loaded_at = store._now()[1]
    store.record = record = read_record(store)
    if record.trial:
        _begin_trial(store, record)
    elif store._dirty:
        store.write(record)
    adopt(store)


def adopt(store):
    """Take up the state the record names, and go on with what was learned."""
    old = store.local
    take_state(store)
    record = store.record
    store._probed = set()
    floor = max(record.floor, BUILD_AT)
    if old is None:
        from .cache import Cache

        memory = Cache(store.root + "/cache", *store._now())
        store.local = LocalState(floor, record.retired, record.held, record.holds, memory)
        store.local.tables = store.tables
        # No verdict from before a reload may find its generation again.
        store._loads += 1
        store.local.retired_generation = store._loads << _LOAD_SHIFT
    else:
        # In place: who holds the LocalState must not go on with the old one.
        from .learning import moved_on

        moved_on(old, floor, record.retired, record.held, record.epoch != store._epoch)
    store._epoch = record.epoch


def take_state(store):
    """Open the state the record names; refuses with store.lost."""
    record = store.record
    state = open_state(store, record.trial or record.active)
    if state is None and record.trial:
        state = open_state(store, record.active)
        if state is not None:
            # A trial whose bytes are gone is over, and what was active stays so. With both gone
            # the record goes on naming the trial, so that its bundle is taken again (SPEC U3).
            store.write(store.trials().reverted(record))
            record = store.record
    if state is None and record.fallback:
        state = open_state(store, record.fallback)
        if state is not None:
            store._note("store.fell_back")
    store.state = state
    if state is None:
        store.local = None  # type: ignore[assignment]
        store.refusal = "store.lost"
        raise StoreError("store.lost", "slot")


def read_record(store):
    """Join the copies; _dirty says that one of them lags or is damaged."""
    found = []
    damaged = 0
    for copy in store.copies:
        record = None
        data = copy.read()
        if data is not None:
            try:
                record = parse(data)
            except StoreError:
                damaged += 1
                store._note("store.copy_damaged", copy.name)
        found.append(record)
    record = merge(found[0], found[1])
    if record is None:
        store._dirty = False
        raise (
            StoreError("store.lost", "record") if damaged else StoreError("store.unprovisioned")
        )
    for one in found:
        if one is not None:
            store._generation = max(store._generation, one.generation)
    whole = pack(record)
    store._dirty = any(one is None or pack(one) != whole for one in found)
    if store._dirty and not damaged:
        store._note("store.copy_old")
    return record


def _begin_trial(store, record):
    """Count this load of the trial state before it happens, or end the trial."""
    loading = store.trials().loading(record)
    if not loading.trial:
        store._note("trial.crashed")
    if not store.write(loading) and loading.trial:
        # Not counted, so not loaded: a state that crashes the board would do so for ever.
        store.record = store.trials().reverted(record)


def open_state(store, digest: bytes, path=None):
    """Return the state whose signed bytes are in the slot of digest, or in path; or None."""
    source, _ = store.source(path or store.slot(digest))
    if source is None:
        return None
    # The file stays open: bodies are read from it when a verdict needs them.
    try:
        state = store._parse(source)
    except (TrustError, OSError):
        state = None
    if state is None or state.payload_digest != digest:
        store._note("store.slot_damaged", digest[:4].hex())
        return None
    return state
