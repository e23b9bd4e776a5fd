# SPDX-License-Identifier: MIT
"""A carrier asks before it writes: the first 512 bytes decide U2 and U4 to U7."""

# isort: skip_file
from updating import Device, first
from bundling import (
    AUDIENCE, AUTHORITY, EPOCH, EXPIRES, ISSUED, KNOWN, NOW, SEQUENCE, authority, message, state,
)  # fmt: skip
from check import equal, refuses

from trustanchor.update import acceptance
from trustanchor.limits import BUNDLE_BYTES

RECORD, _ = first()
MANY = authority("a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8")


def foresee(*changes, record=RECORD, length=512, size=None):
    data = message("state", state(*changes))
    size = len(data) if size is None else size
    return acceptance.foresee(record, data[:length], size, KNOWN, Device)


def test_what_may_be_the_next_state_passes_by_its_beginning():
    equal(foresee(SEQUENCE, 2), None)
    equal(foresee(SEQUENCE, 2, AUTHORITY, MANY, length=192), None)
    equal(foresee(EPOCH, 1), None)
    equal(foresee(record=None), None)


def test_what_would_be_refused_is_refused_early():
    refuses("update.rollback", lambda: foresee())
    refuses("update.epoch_old", lambda: foresee(record=RECORD.but(epoch=1)))
    refuses("update.audience", lambda: foresee(SEQUENCE, 2, AUDIENCE, {0: ["valve"]}))
    refuses("update.expired", lambda: foresee(SEQUENCE, 2, EXPIRES, NOW - 1))
    refuses("time.issued_in_future", lambda: foresee(SEQUENCE, 2, ISSUED, NOW + 10 * 86400))
    refuses("bundle.version", lambda: foresee(0, 2, SEQUENCE, 2))
    refuses("bundle.too_large", lambda: foresee(SEQUENCE, 2, size=BUNDLE_BYTES + 1))


def test_what_may_mend_a_damaged_slot_passes_though_it_is_not_newer():
    data = message("state", state())
    size = len(data)
    acceptance.foresee(RECORD, data[:512], size, KNOWN, Device, True)
    other = message("state", state(AUDIENCE, {0: ["valve"]}))
    refuses(
        "update.audience",
        lambda: acceptance.foresee(RECORD, other[:512], size, KNOWN, Device, True),
    )


def test_what_is_no_bundle_is_refused_early():
    refuses("cbor.truncated", lambda: foresee(SEQUENCE, 2, length=60))
    refuses("cbor.truncated", lambda: foresee(SEQUENCE, 2, size=100))
    for data in (b"<!DOCTYPE html>" * 40, b"\x00" * 512, b"\xd8\x62\x84" * 170):
        try:
            acceptance.foresee(RECORD, data, 4096, KNOWN, Device)
        except Exception as error:
            if not getattr(error, "code", None):
                raise
        else:
            raise AssertionError("taken for a bundle: %r" % data[:16])
