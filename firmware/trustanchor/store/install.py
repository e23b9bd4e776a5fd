# SPDX-License-Identifier: MIT
"""How a bundle gets onto the flash: staged, decided, named by the record, and only then counted.

    1. stage     the one file that unverified bytes are confined to
    2. accept    acceptance.py decides over the staged bytes; a refusal leaves all as it was
    3. rename    the stage becomes the slot of its digest, which nothing names yet
    4. record    both copies; from here the new state loads
    5. tidy      slots the record no longer names

These are the parts of store.Store that a boot does not need. Deciding takes seconds on a board, so
it is cut into slices and connections go on meanwhile; only rename and record need the lock.

Depends on: compat, copies, errors, limits, trust_store.
Heap: 2.6 KB from a .mpy file, and what acceptance.py needs.
"""

import os

from ..compat import const, forget, recover
from ..errors import StoreError, TrustError
from .copies import make_folder, remove

_ENOSPC = const(28)
# Code that only a state and a verdict need; the next one loads it again.
_VERDICT = (
    "policy mode_key mode_path pins path leaf identity constraints certificate fields bundle"
    " anchors names dn model cache tables boot packing volume joining learning retired trial"
    " ratchet status rules literal"
)
# Code that nothing but an update needs; the heap has it back afterwards.
_ONLY_HERE = "acceptance admit revert rules authority cose cose_signatures hss"


def install(store, source) -> None:
    """See store.Store.install."""
    was_loaded = store.state is not None
    refusal = store.refusal
    store.state = None
    store.refusal = "store.busy"
    try:
        for _ in store.installing(source):
            pass
    except MemoryError:
        raise StoreError("store.no_memory")
    finally:
        if was_loaded and store.state is None and store.local is not None:
            store.take_up("take_state")
        if store.refusal == "store.busy":
            # It says why there is no state; there may be none later, and not because of this.
            store.refusal = refusal


def provisioning(store, source):
    """Generator: the first state, and only where no record ever was."""
    from .boot import read_record
    from .volume import check_filesystem

    check_filesystem(store.root)
    try:
        read_record(store)
    except StoreError as error:
        if error.code != "store.unprovisioned":
            raise
    else:
        raise StoreError("store.provisioned")
    store.record = None
    yield from _installing(store, source)


def installing(store, source):
    """Generator: yields None between slices of work, without the lock."""
    from .volume import check_filesystem

    check_filesystem(store.root)
    if store.record is None:
        from .boot import read_record

        store.record = read_record(store)
    yield from _installing(store, source)


def _installing(store, source):
    stage = store.root + "/stage"
    _let_go(store)
    try:
        make_folder(store.root)
        if isinstance(source, str) and source != stage:
            raise TypeError("a bundle is bytes or an open file: open(name, 'rb')")
        if not isinstance(source, str):  # else a tool on the cable has put it there
            from .stage import stage as write

            yield from write(store, source, stage, tidy_slots)
            del write  # a function keeps its module
            forget("stage extent")
        is_done = False
        while not is_done:
            record = store.record
            if (yield from _mends(store, record, stage)):
                return
            yield
            new, digest = yield from _deciding(store, record, stage)
            _check_slot(store, record, digest)
            with store.lock:
                # A handshake may have retired a pin meanwhile: then it is decided once more.
                if store.record is record:
                    os.rename(stage, store.slot(digest))
                    _commit(store, record, new)
                    is_done = True
    except OSError as error:
        discard(store, stage)
        full = error.args[0] == _ENOSPC
        raise StoreError("store.no_space" if full else "store.write_failed", "slot")
    except TrustError:
        discard(store, stage)
        raise
    except MemoryError:
        recover()
        discard(store, stage)
        raise StoreError("store.no_memory")
    finally:
        if store.local is not None and store.local.memory is None:
            try:
                from .cache import Cache

                store.local.memory = Cache(store.root + "/cache", *store._now())
            except MemoryError:
                pass  # nothing is remembered, until the next start


def _let_go(store) -> None:
    """Of what only saves time, and of all the code that comes back when it is needed."""
    from .status import writes

    kept = writes(store) - sum(copy.writes for copy in store.copies)
    store._past_writes = kept
    store._tables = None
    if store.local is not None:
        store.local.memory = None
    forget(_VERDICT)


def _deciding(store, record, stage):
    opened, file = store.source(stage)
    if opened is None:
        raise StoreError("store.no_stage")
    files = [file]
    try:
        return (
            yield from store.rules().accepting(
                record, _loaded(store, record, files), opened, store.clock.now(), store
            )
        )
    finally:
        for file in files:
            file.close()
        forget(_ONLY_HERE)


def _mends(store, record, stage):
    """Generator: put the stage in the place of a damaged slot, if its state was there (SPEC U3).

    The record has taken that very payload once; its digest is what says so, and no signature.
    """
    if record is None:
        return False
    source, file = store.source(stage)
    if file is None:
        return False
    try:
        digest = yield from store.prefix(source, None).digesting()
    except TrustError:
        return False  # deciding says what is wrong with it
    finally:
        file.close()
    if not digest or digest not in (record.active, record.trial, record.fallback):
        return False
    from .boot import open_state

    if open_state(store, digest) is not None or open_state(store, digest, stage) is None:
        return False
    with store.lock:
        if store.record is not record:
            return False
        os.rename(stage, store.slot(digest))
        notes = ("store.slot_damaged", "store.fell_back")
        store._notes = [note for note in store._notes if note[0] not in notes]
        store.adopt()
    return True


def _check_slot(store, record, digest) -> None:
    # Slots are named by 8 bytes of their digest: signers can find two bundles that share them.
    for other in () if record is None else (record.active, record.fallback, record.trial):
        if other and other != digest and store.slot(other) == store.slot(digest):
            raise StoreError("store.slot_taken")


def _commit(store, record, new) -> None:
    # What was learned since the last write is in RAM alone.
    # Loaded before the write: what comes after it must not fail for want of room.
    from . import boot, learning  # noqa: F401 - boot for adopt()

    if store.local is not None and new.epoch == record.epoch:
        new = new.but(holds=learning.holds_of(store.local))
    if not store.write(new):
        # It may be on flash all the same; then the next boot has the new state, whole.
        store.record = record
        raise StoreError("store.write_failed", "record")
    store.adopt()
    if not store._dirty:  # else the copy that lags names the slots of before
        tidy_slots(store)


def _loaded(store, record, files) -> list:
    """Return the first fields of the states in force: who signed them and what they are.

    All that deciding needs of them, and little heap; files takes what is to be closed.
    """
    loaded = []
    for digest in (record.active, record.trial) if record is not None else ():
        source, file = store.source(store.slot(digest)) if digest else (None, None)
        if source is None:
            continue
        files.append(file)
        try:
            found = store.prefix(source)
        except TrustError:
            continue
        if found.payload_digest == digest:
            loaded.append(found)
    return loaded


def discard(store, path) -> None:
    try:
        remove(path)
    except OSError as error:
        store.problem = ("store.write_failed", path, error.args[0])


def tidy_slots(store) -> None:
    """Remove slots the record does not name; they count for nothing but space."""
    record = store.record
    digests = (record.active, record.fallback, record.trial)
    named = [store.slot(digest) for digest in digests if digest]
    for name in os.listdir(store.root):
        path = store.root + "/" + name
        if len(name) == 16 and path not in named:
            discard(store, path)
