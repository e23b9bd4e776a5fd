# SPDX-License-Identifier: MIT
"""What a store says of itself: plain values for people and documents.

Depends on: trust_store; trial while one runs.
Heap: 0.8 KB from a .mpy file.
"""


def status(store) -> dict:
    """See store.Store.status."""
    record = store.record
    found: "dict" = {
        "provisioned": record is not None,
        "loaded": store.state is not None,
        "problem": store.problem,
        "notes": list(store._notes),
    }
    if record is None:
        return found
    if record.trial and store.state is not None:
        unix_s, uptime_s = store._now()
        running_s = uptime_s - store._loaded_at
        if store.trials().is_stalled(record, store.state, unix_s, running_s):
            found["notes"].append(("trial.stalled", None))
    for name in ("epoch", "sequence", "floor", "tries"):
        found[name] = getattr(record, name)
    for name in ("active", "fallback", "trial"):
        digest = getattr(record, name)
        found[name] = digest.hex() if digest else ""  # MicroPython: b"".hex() is b""
    for name in ("retired", "held", "holds"):
        found[name] = len(getattr(record, name))
    return found


def writes(store) -> int:
    """See store.Store.writes."""
    count = store._past_writes + sum(copy.writes for copy in store.copies)
    for kept in (store._tables, None if store.local is None else store.local.memory):
        if kept is not None:
            count += kept.writes
    return count
