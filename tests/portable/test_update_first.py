# SPDX-License-Identifier: MIT
"""The first state of a device, and the next one when its slots are lost (SPEC.md, U12)."""

# isort: skip_file
from updating import accept, first
from bundling import (
    AUDIENCE, AUTHORITY, BACKUP, EPOCH, EXPIRES, ISSUED, NOW, REVERT, SEQUENCE, UNKNOWN,
    authority, digest_of, key, message, state,
)  # fmt: skip
from check import equal, refuses

from trustanchor.limits import BUILD_AT, ISSUED_AHEAD_S

RECORD, CURRENT = first()


def offer(*changes, signers=("a1",), loaded=(CURRENT,)):
    return accept(RECORD, message("state", state(*changes), signers), loaded)[0]


def refused(code, *changes, **options):
    return refuses(code, lambda: offer(*changes, **options))


# The first state.


def test_an_unprovisioned_device_takes_a_state_signed_by_the_authority_it_names():
    record, current = first(ISSUED, BUILD_AT, at=UNKNOWN)
    equal((record.epoch, record.sequence, record.floor), (0, 1, BUILD_AT))
    equal((record.active, record.fallback, record.trial), (current.payload_digest, b"", b""))
    equal(record.authority, digest_of(authority("a1")))
    equal(record.backup, digest_of(authority("b1")))
    equal((record.retired, record.held, record.tries), ((), (), 0))


def test_an_unprovisioned_device_refuses_what_its_own_authority_did_not_sign():
    for signers, code in (
        (["x1"], "cose.signature_foreign"),
        (["a1", "b1"], "cose.signature_foreign"),
    ):
        data = message("state", state(), signers)
        refuses(code, lambda data=data: accept(None, data))
    data = message("state", state(AUTHORITY, authority("a1", "a2", threshold=2)), ["a1"])
    refuses("update.threshold", lambda: accept(None, data))


def test_an_unprovisioned_device_refuses_a_rescue():
    data = message("rescue", state(EPOCH, 1, REVERT, 1), ["a1"])
    refuses("update.first_is_rescue", lambda: accept(None, data))


def test_an_unprovisioned_device_takes_any_epoch():
    record, _ = first(EPOCH, 7, SEQUENCE, 3)
    equal((record.epoch, record.sequence), (7, 3))


def test_an_unprovisioned_device_checks_audience_and_times():
    for changes, code in (
        ((AUDIENCE, {0: ["valve"]}), "update.audience"),
        ((ISSUED, NOW + ISSUED_AHEAD_S + 1), "time.issued_in_future"),
        ((EXPIRES, NOW - 1), "update.expired"),
    ):
        data = message("state", state(*changes))
        refuses(code, lambda data=data: accept(None, data))


# A record without a slot (U12).


def test_with_the_slots_lost_the_same_authority_may_install():
    new = offer(SEQUENCE, 2, loaded=())
    equal((new.sequence, new.active != RECORD.active, new.trial), (2, True, b""))


def test_with_the_slots_lost_a_changed_authority_is_unknown_without_a_link():
    changes = (SEQUENCE, 2, REVERT, 1, AUTHORITY, authority("c1"))
    equal(offer(*changes, signers=["a1", "c1"]).sequence, 2)
    refused("update.authority_unknown", *changes, signers=["a1", "c1"], loaded=())


def test_with_the_slots_lost_sequence_and_authority_still_hold():
    refused("update.rollback", SEQUENCE, 1, EXPIRES, NOW + 9, loaded=())
    refused("cose.signature_foreign", SEQUENCE, 2, signers=["x1"], loaded=())
    changes = (SEQUENCE, 2, AUTHORITY, [[1, [key("x1")]]], BACKUP, authority("b1"))
    refused("update.authority_unknown", *changes, signers=["x1"], loaded=())
