# SPDX-License-Identifier: MIT
"""A rescue: the backup authority begins the next epoch (SPEC.md U5, U11, U15)."""

# isort: skip_file
from updating import accept, first
from bundling import (
    AUTHORITY, BACKUP, DENIED, EPOCH, ISSUED, NOW, PIN_SETS, REVERT, SEQUENCE, authority,
    digest_of, message, pin, state,
)  # fmt: skip
from check import equal, refuses

from trustanchor.state.local import named_entry, retired_entry

RECORD, CURRENT = first()
A, B1, NEW, B2 = (authority(name) for name in ("a1", "b1", "c1", "b2"))
RESCUE = (EPOCH, 1, SEQUENCE, 1, AUTHORITY, NEW, BACKUP, B2, REVERT, 1)


def offer(*changes, signers=("b1", "c1"), kind="rescue", record=RECORD):
    data = message(kind, state(*(RESCUE + changes)), signers)
    return accept(record, data, [CURRENT])[0]


def refused(code, *changes, **options):
    return refuses(code, lambda: offer(*changes, **options))


def test_a_rescue_changes_everything_at_once():
    new = offer()
    equal((new.epoch, new.sequence), (1, 1))
    equal((new.authority, new.backup), (digest_of(NEW), digest_of(B2)))
    equal((new.trial, new.fallback), (b"", b""))
    equal(new.active != RECORD.active, True)


def test_a_rescue_is_signed_by_the_backup_and_by_whom_it_names():
    refused("update.threshold", signers=["b1"])
    refused("update.threshold", signers=["c1"])
    refused("cose.signature_foreign", signers=["a1", "c1"])
    refused("cose.signature_foreign", signers=["b1", "c1", "a1"])
    refused("cose.signature_foreign", signers=["b1", "c1", "b2"])


def test_a_rescue_may_keep_the_signers():
    equal(offer(AUTHORITY, A, BACKUP, B1, signers=["b1", "a1"]).epoch, 1)


def test_the_ordinary_authority_cannot_begin_an_epoch():
    refused("update.epoch_gap", signers=["a1", "c1"], kind="state")
    refused("update.epoch_gap", AUTHORITY, A, signers=["a1"], kind="state")


def test_a_rescue_is_of_the_very_next_epoch():
    refused("update.epoch_gap", EPOCH, 2)
    refused("update.epoch_gap", EPOCH, 0, SEQUENCE, 9)


def test_after_a_rescue_the_old_authority_counts_nowhere():
    rescued = offer()
    state_of_old = message("state", state(SEQUENCE, 1000), ["a1"])
    refuses("update.epoch_old", lambda: accept(rescued, state_of_old, [CURRENT]))
    moved = message("state", state(EPOCH, 1, SEQUENCE, 2), ["a1"])
    # Not even while a slot with its record is still loaded.
    refuses("update.authority_unknown", lambda: accept(rescued, moved, [CURRENT]))
    named = message("state", state(EPOCH, 1, SEQUENCE, 2, AUTHORITY, NEW, BACKUP, B2), ["a1"])
    refuses("cose.signature_foreign", lambda: accept(rescued, named, [CURRENT]))


def test_after_a_rescue_the_old_backup_counts_nowhere():
    rescued = offer()
    again = message("rescue", state(*(RESCUE + (EPOCH, 2))), ["b1", "c1"])
    refuses("cose.signature_foreign", lambda: accept(rescued, again, ()))
    by_new = message("rescue", state(*(RESCUE + (EPOCH, 2))), ["b2", "c1"])
    equal(accept(rescued, by_new, ())[0].epoch, 2)


def test_a_fast_forwarded_sequence_is_recovered_from():
    thief = accept(RECORD, message("state", state(SEQUENCE, (1 << 30) - 1)), [CURRENT])[0]
    refuses(
        "update.rollback", lambda: accept(thief, message("state", state(SEQUENCE, 2)), [CURRENT])
    )
    rescued = offer(record=thief)
    equal((rescued.epoch, rescued.sequence), (1, 1))


def test_a_rescue_sets_the_floor_to_its_own_issue():
    hostile = RECORD.but(floor=NOW + 4 * 366 * 86400)
    equal(offer(ISSUED, NOW, record=hostile).floor, NOW)


def test_a_rescue_revives_the_pins_it_lists_and_no_other():
    old = named_entry("web", b"\x01" * 32)  # of a version before
    equal(offer(record=RECORD.but(retired=(old,))).retired, ())
    kept = retired_entry(b"\x09" * 32)
    listed = retired_entry(b"\x01" * 32)
    record = RECORD.but(retired=tuple(sorted((kept, listed))))
    equal(offer(record=record).retired, (kept,))
    # An ordinary state revives nothing.
    data = message("state", state(SEQUENCE, 2))
    equal(accept(record, data, [CURRENT])[0].retired, record.retired)


def test_a_retired_set_that_a_thief_has_filled_does_not_keep_the_rescue_out():
    full = RECORD.but(
        retired=tuple(sorted(retired_entry(bytes([n]) * 32) for n in range(100, 164)))
    )
    equal(offer(record=full).retired, (), "no room for what this state may retire")
    state_of_old = message("state", state(SEQUENCE, 2))
    refuses("update.retired_full", lambda: accept(full, state_of_old, [CURRENT]))
    # With room for it, what the rescue does not list stays retired.
    with_room = RECORD.but(retired=full.retired[:63])
    equal(offer(record=with_room).retired, with_room.retired)


def test_a_rescue_undoes_hostile_pins():
    hostile = message(
        "state",
        state(SEQUENCE, 2, REVERT, 1, PIN_SETS, [{0: "web", 1: [pin(66), pin(67)]}],
              DENIED, b"\x01" * 32),
    )  # fmt: skip
    robbed = accept(RECORD, hostile, [CURRENT])[0]
    rescued = offer(record=robbed)
    equal((rescued.epoch, rescued.trial), (1, b""))


def test_a_rescue_never_reverts():
    equal(refused("update.revert_rule", REVERT, None).detail, "epoch")
