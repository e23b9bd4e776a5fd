# SPDX-License-Identifier: MIT
"""The second half of an update: the signers are known, now the whole state is looked at.

    state = yield from reading(source)                      # it parses and keeps its rules
    new = next_record(record, state, authority, backup)     # what the record will say

A module of its own because a small heap does not hold it beside what has verified signatures.

Whether a server may take the state back is asked after this, by revert.py.

Depends on: bundle, compat, errors, limits, record, rules, model; certificate for intermediates,
signatures for the keys of anchors.
Heap: 2.5 KB from a .mpy file.
"""

from ..compat import forget, tidy
from ..errors import MalformedError, TrustError, UpdateError
from ..kinds import SERVER_AUTH
from ..limits import RETIRED_PINS


def reading(source):
    """Generator: U16, the whole state and its rules S1 to S5; returns the Bundle.

    What a step has loaded is gone before the next one loads its own.
    """
    from .bundle import reading as steps

    tidy()
    state = yield from steps(source)
    tidy()
    for number in range(len(state.anchors)):
        yield from _checking_anchor(number, state.anchors)  # one in RAM at a time
        yield
    forget("rsa signatures _signatures_ecdsa")
    if len(state.intermediates):
        yield from _reading_intermediates(state.intermediates)
        forget("certificate leaf fields")
    tidy()
    from ..state import rules

    yield from rules.checking(state)
    yield from _checking_probes(state)
    return state


def _checking_anchor(number: int, anchors):
    """Generator: S2, it parses, and stands once."""
    from ..crypto import signatures

    anchor = anchors[number]
    try:
        signatures.check_key(anchor.spki)
    except TrustError as error:
        raise MalformedError("bundle.anchor", "%d %s" % (number, error.code))
    # Only those that follow: nearly always none, so that nothing is read twice.
    for other in anchors.find(anchor.name, number):
        if other.spki == anchor.spki:
            raise MalformedError("bundle.anchor_repeated", number)
        yield


def _reading_intermediates(intermediates):
    """Generator: S3, each is a certificate."""
    from ..x509.certificate import Certificate

    for number, der in enumerate(intermediates):
        try:
            Certificate(der)
        except TrustError as error:
            raise MalformedError("bundle.intermediate", "%d %s" % (number, error.code))
        yield


def _checking_probes(state):
    """Generator: S5, a trial of the state can be confirmed."""
    for probe in state.probes:
        if probe.host is None or probe.host[:1] == "*":
            raise MalformedError("bundle.probe", probe.service)
        service = state.find_service(probe.service, probe.host)
        if service.purpose != SERVER_AUTH or not service.enforce:
            raise MalformedError("bundle.probe", probe.service)
        yield
    if state.is_partial or state.never_reverts:
        return
    probed = [probe.service for probe in state.probes]
    for service in state.services:
        if service.purpose == SERVER_AUTH and service.enforce and service.name not in probed:
            raise MalformedError("bundle.probe_missing", service.name)


def next_record(record, state, authority: bytes, backup: bytes):
    """The record once state is active (U15)."""
    from ..state.local import named_entry, retired_entry
    from ..state.record import Record
    from ..state.rules import may_retire

    floor = state.issued_at
    retired = ()
    holds = ()
    if record is not None:
        if state.epoch == record.epoch:
            floor = max(record.floor, floor)
            retired = record.retired
            holds = record.holds
        else:
            listed = set()
            for pin_set in state.pin_sets:
                for pin in pin_set.pins:
                    listed.add(retired_entry(pin.spki_sha256))
                    listed.add(named_entry(pin_set.name, pin.spki_sha256))
            retired = tuple(entry for entry in record.retired if entry not in listed)
    could_be = set(retired)
    for name, spki_sha256 in may_retire(state):
        if named_entry(name, spki_sha256) not in could_be:
            could_be.add(retired_entry(spki_sha256))
    if len(could_be) > RETIRED_PINS:
        if record is None or state.epoch == record.epoch:
            raise UpdateError("update.retired_full", len(could_be))
        # Stolen signers can fill the set; that must not keep the rescue from them out.
        retired = ()
    return Record(
        state.epoch,
        state.sequence,
        authority,
        backup,
        state.payload_digest,
        floor=floor,
        retired=retired,
        holds=holds,
        generation=0 if record is None else record.generation,
    )
