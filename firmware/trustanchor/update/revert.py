# SPDX-License-Identifier: MIT
"""May a server take an update back? The last question of an update (SPEC.md U14).

    yield from checking(old, state, record, new)

A state with probes is in trial at first, and a server that fails its probes brings the old state
back. Whoever sits at that server must not bring back what the new state takes away: a signer, a
pin, an anchor, a stricter rule.

Depends on: errors; names where the hosts of two services are compared.
Heap: 2 KB from a .mpy file.
"""

from ..errors import UpdateError

_OVERRIDE = "revert"


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
