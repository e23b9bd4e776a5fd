# SPDX-License-Identifier: MIT
"""The record: the few hundred bytes that say what this device trusts and can never unlearn.

It is the only commit point. Slots hold signed bytes, but a slot counts only when the record names
its digest. What it is on flash, packing.py says.

Here and not in acceptance.py, because every boot reads a record and few boots decide an update.

Depends on: nothing of ours.
Heap: 1.1 KB from a .mpy file; a record itself about 0.5 KB.
"""


class Record:
    """The device's position and memory (SPEC.md "Record"); a value, changed by nobody.

    epoch, sequence      position: the last state that was active or in trial
    authority, backup    SHA-256 of the authority records in force
    active               payload digest of the confirmed state
    fallback             digest to load when the active one is damaged, or b""
    trial, tries         digest of the state in trial or b"", loads left before the trial ends
    floor                Unix seconds
    retired, held        sorted tuples of 16-byte entries: retired pins, pins to retire when the
                         trial is confirmed
    trial_at             Unix seconds when the trial began; 0: unknown
    holds                hold-downs in progress, sorted: (entry of the pin seen, Unix seconds when
                         it was first seen; 0: unknown)
    generation           rises with every write; set by the store alone
    """

    FIELDS = (
        "epoch", "sequence", "authority", "backup", "active", "fallback", "trial", "tries",
        "floor", "retired", "held", "trial_at", "holds", "generation",
    )  # fmt: skip

    def __init__(
        self,
        epoch,
        sequence,
        authority,
        backup,
        active,
        fallback=b"",
        trial=b"",
        tries=0,
        floor=0,
        retired=(),
        held=(),
        trial_at=0,
        holds=(),
        generation=0,
    ):
        self.epoch = epoch
        self.sequence = sequence
        self.authority = authority
        self.backup = backup
        self.active = active
        self.fallback = fallback
        self.trial = trial
        self.tries = tries
        self.floor = floor
        self.retired = retired
        self.held = held
        self.trial_at = trial_at
        self.holds = holds
        self.generation = generation

    def but(self, **changes):
        """Return a copy with some fields changed."""
        values = {name: getattr(self, name) for name in self.FIELDS}
        values.update(changes)
        return Record(**values)


_STAYS = True  # compat.forget
