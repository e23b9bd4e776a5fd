# SPDX-License-Identifier: MIT
"""Acceptance of a bundle, rule by rule (SPEC.md U3 to U5)."""

# isort: skip_file
from updating import Device, accept, accept_source, first
from bundling import (
    AUDIENCE, EPOCH, EXPIRES, ISSUED, KNOWN, NOW, REVERT, SEQUENCE, message, state,
)  # fmt: skip
from check import equal, refuses
from trustanchor.update import acceptance
from trustanchor.encoding.cbor import BytesSource

RECORD, CURRENT = first()


def offer(*changes, signers=("a1",), kind="state", record=None, at=KNOWN, loaded=None):
    data = message(kind, state(*changes), signers)
    loaded = [CURRENT] if loaded is None else loaded
    return accept(RECORD if record is None else record, data, loaded, at)[0]


def refused(code, *changes, **options):
    return refuses(code, lambda: offer(*changes, **options))


class Changing(BytesSource):
    """A file that is another one once its signatures are verified."""

    def __init__(self, data, then):
        BytesSource.__init__(self, data)
        self.then = then

    def changes(self):
        self._view = memoryview(self.then)


def test_what_was_verified_is_what_is_read():
    offers = [message("state", state(SEQUENCE, 2, ISSUED, NOW + n, REVERT, 1)) for n in (0, 1)]
    equal(len(offers[0]), len(offers[1]))
    genuine = acceptance._unload
    try:
        for then, code in ((offers[0], None), (offers[1], "bundle.changed")):
            source = Changing(offers[0], then)
            acceptance._unload = source.changes
            if code is None:
                equal(accept_source(RECORD, source, [CURRENT])[0].sequence, 2)
            else:
                refuses(code, lambda source=source: accept_source(RECORD, source, [CURRENT]))
    finally:
        acceptance._unload = genuine


# U3, U5: sequence.


def test_the_next_sequence_is_accepted():
    new = offer(SEQUENCE, 2)
    equal((new.epoch, new.sequence), (0, 2))


def test_a_sequence_may_skip():
    equal(offer(SEQUENCE, 1000).sequence, 1000)
    equal(offer(SEQUENCE, (1 << 30) - 1).sequence, (1 << 30) - 1)


def test_the_same_state_again_is_current():
    refused("update.current")
    trial = offer(SEQUENCE, 2)
    refused("update.current", SEQUENCE, 2, record=trial)


def test_another_state_with_the_same_sequence_is_a_rollback():
    refused("update.rollback", EXPIRES, NOW + 9)


def test_a_lower_sequence_is_a_rollback_even_from_the_trial():
    record = offer(SEQUENCE, 5)
    refused("update.rollback", SEQUENCE, 4, record=record)
    refused("update.rollback", SEQUENCE, 5, EXPIRES, NOW + 9, record=record)
    equal(offer(SEQUENCE, 6, record=record).sequence, 6)


def test_after_the_last_sequence_only_a_new_epoch_helps():
    full = RECORD.but(sequence=(1 << 30) - 1)
    refused("update.rollback", SEQUENCE, (1 << 30) - 1, record=full)
    new = offer(EPOCH, 1, SEQUENCE, 1, REVERT, 1, signers=["b1", "a1"], kind="rescue", record=full)
    equal((new.epoch, new.sequence), (1, 1))


# U4: audience.


def test_a_bundle_for_this_product_and_device_is_accepted():
    for audience in (
        {0: ["pump"]},
        {0: ["valve", "pump"]},
        {1: ["pump-1"]},
        {0: ["pump"], 1: ["pump-1"]},
    ):
        equal(offer(SEQUENCE, 2, AUDIENCE, audience).sequence, 2)


def test_a_bundle_for_another_product_or_device_is_refused():
    for audience in ({0: ["valve"]}, {1: ["pump-2"]}, {0: ["pump"], 1: ["pump-2"]}, {0: ["Pump"]}):
        refused("update.audience", SEQUENCE, 2, AUDIENCE, audience)


def test_a_device_without_a_name_is_in_no_narrow_audience():
    class Nameless:
        product = None
        device_id = None

    data = message("state", state(SEQUENCE, 2, AUDIENCE, {0: ["pump"]}))
    refuses("update.audience", lambda: accept(RECORD, data, [CURRENT], KNOWN, Nameless))
    equal(accept(RECORD, data, [CURRENT], KNOWN, Device)[0].sequence, 2)
