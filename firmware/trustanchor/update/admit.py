# SPDX-License-Identifier: MIT
"""The second half of an update: the signers are known, now the whole state is looked at.

    state = yield from reading(source)                      # it parses and keeps its rules
    new = next_record(record, state, authority, backup)     # what the record will say
    yield from checking(old, state, record, new)     # may a server take it back?

A module of its own because a small heap does not hold it beside what has verified signatures.

Depends on: bundle, compat, errors, limits, record, rules, model; certificate for intermediates,
signatures for the keys of anchors.
Heap: 4 KB from a .mpy file.
"""

from ..compat import forget, tidy
from ..errors import MalformedError, TrustError, UpdateError
from ..kinds import SERVER_AUTH
from ..limits import RETIRED_PINS

_OVERRIDE = "revert"


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
    forget("rsa", "signatures", "_signatures_ecdsa")
    if len(state.intermediates):
        yield from _reading_intermediates(state.intermediates)
        forget("certificate", "leaf", "fields")
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


def checking(old, state, record, new):
    """Generator: U14, a state that takes trust away must not be taken back by a server."""
    if state.never_reverts:
        return
    if new.epoch != record.epoch:
        raise UpdateError("update.revert_rule", "epoch")
    if _OVERRIDE in state.overrides:
        return
    if (new.authority, new.backup) != (record.authority, record.backup):
        raise UpdateError("update.revert_rule", "signers")
    for at in range(0, len(state.denied), 32):
        if not old.is_denied(state.denied[at : at + 32]):
            raise UpdateError("update.revert_rule", "denied")
    yield from _checking_pins_kept(old, state)
    for anchor in old.anchors:
        yield from _checking_kept(anchor, state.anchors)


def _checking_pins_kept(old, state):
    for pin_set in old.pin_sets:
        new_set = state.pin_set(pin_set.name)
        new_pins = {} if new_set is None else {pin.spki_sha256: pin for pin in new_set.pins}
        for pin in pin_set.pins:
            new_pin = new_pins.get(pin.spki_sha256)
            if new_pin is None or not _covers(new_pin.not_before, new_pin.not_after, pin):
                raise UpdateError("update.revert_rule", "pin " + pin_set.name)
        if new_set.on_expiry != pin_set.on_expiry:
            raise UpdateError("update.revert_rule", "on_expiry " + pin_set.name)
    for service in state.services:
        for before in old.services:
            if _is_stricter(service, before) and (yield from _overlapping(service, before)):
                raise UpdateError("update.revert_rule", "service " + service.name)
        yield


def _overlapping(service, before):
    """Generator: whether some server is judged by both: by name, or by a host and port of both."""
    if service.name == before.name:
        return True
    if service.purpose != before.purpose or (
        service.port != before.port and None not in (service.port, before.port)
    ):
        return False
    if service.hosts is None or before.hosts is None:
        return True
    from ..x509.names import pattern_matches

    for new in service.hosts:
        for old in before.hosts:
            if new == old or pattern_matches(old, new) or pattern_matches(new, old):
                return True
        yield
    return False


def _is_stricter(service, before) -> bool:
    """Whether a server that satisfies before may fail service: another mode, or any switch."""
    return (
        service.mode != before.mode
        or service.pin_set != before.pin_set
        or service.peer_name != before.peer_name
        or (service.enforce and not before.enforce)
        or (service.check_name and not before.check_name)
        or (service.check_eku and not before.check_eku)
        or (service.needs_clock and not before.needs_clock)
        or not _at_least(service.max_state_age_s, before.max_state_age_s)
    )


def _covers(first, last, pin) -> bool:
    return _at_most(first, pin.not_before) and _at_least(last, pin.not_after)


def _at_most(bound, old) -> bool:
    """A new lower bound that excludes nothing the old one allowed."""
    return bound is None or (old is not None and bound <= old)


def _at_least(bound, old) -> bool:
    return bound is None or (old is not None and bound >= old)


def _checking_kept(anchor, anchors):
    """Generator: an anchor with this name and key is still there and speaks for no less."""
    for other in anchors.find(anchor.name):
        yield
        if other.spki == anchor.spki and _is_no_less(other, anchor):
            return
    raise UpdateError("update.revert_rule", "anchor")


def _is_no_less(other, anchor) -> bool:
    return (
        (
            other.hosts is None
            or (anchor.hosts is not None and set(anchor.hosts) <= set(other.hosts))
        )
        and not anchor.purposes & ~other.purposes
        and _at_most(other.trust_from, anchor.trust_from)
        and _at_least(other.trust_until, anchor.trust_until)
        and _at_least(other.distrust_leaf_after, anchor.distrust_leaf_after)
        and (other.name_constraints is None or other.name_constraints == anchor.name_constraints)
        and _at_least(other.path_len, anchor.path_len)
    )
