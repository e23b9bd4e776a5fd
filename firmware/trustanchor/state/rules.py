# SPDX-License-Identifier: MIT
"""The rules a trust state keeps.

    check(state)                             # refuses with state.* service.* pin.* anchor.*
    yield from checking(state)               # the same in slices

Run where a state is made, never in a verdict: on a device when a bundle is read, on the host
before one is signed.

Depends on: compat, errors, limits, model; names for patterns.
Heap: about 4 KB from a .mpy file, only while a state is made.
"""

from ..compat import finish
from ..errors import PinError
from ..kinds import (
    CLIENT_AUTH,
    EXPIRY_ANCHORS,
    EXPIRY_REFUSE,
    MODE_ANCHORS,
    MODE_KEY,
    MODE_PATH,
    RATCHET_BACKUP,
    RATCHET_NEVER,
    RATCHET_ORDERED,
    SERVER_AUTH,
)
from ..limits import DISTRUST_WINDOW_S, RETIRED_PINS
from .model import NO_DIGEST, PinSet, Service, TrustState


def check(state: TrustState) -> None:
    """Refuse a state that a device could not act on; run when a state is made, on both sides.

    Codes: state.denied state.duplicate state.retired_overflow, pin.* service.* anchor.*.
    """
    finish(checking(state))


def checking(state: TrustState):
    """check() as a generator: yields None after each pin set, anchor and service."""
    if len(state.denied) % 32:
        raise PinError("state.denied")
    _check_distinct(state.pin_sets)
    _check_distinct(state.services)
    for pin_set in state.pin_sets:
        _check_pin_set(pin_set)
        yield
    if sum(1 for _ in may_retire(state)) > RETIRED_PINS:
        raise PinError("state.retired_overflow")
    purposes = 0
    for anchor in state.anchors:
        _check_anchor(anchor)
        purposes |= anchor.purposes
        yield
    for service in state.services:
        _check_service(service, state, purposes)
        yield
    _check_unambiguous(state.services)


def may_retire(state: TrustState):
    """Yield (pin set name, spki_sha256) of every pin that the ratchet may retire.

    A device has room for limits.RETIRED_PINS of them, retired by this state or by an earlier one.
    """
    for pin_set in state.pin_sets:
        if pin_set.ratchet == RATCHET_NEVER:
            continue
        last = len(pin_set.pins) - 1
        if pin_set.ratchet == RATCHET_BACKUP:
            while last > 0 and not pin_set.pins[last].is_backup:
                last -= 1
        for pin in pin_set.pins[:last]:
            yield pin_set.name, pin.spki_sha256


def _check_distinct(named) -> None:
    names = [one.name for one in named]
    if len(set(names)) != len(names):
        raise PinError("state.duplicate")


def _check_pin_set(pin_set: PinSet) -> None:
    digests = []
    for pin in pin_set.pins:
        if len(pin.spki_sha256) != 32:
            raise PinError("pin.digest", pin_set.name)
        if bytes(pin.spki_sha256) in digests:
            raise PinError("pin.duplicate", pin_set.name)
        _check_window(pin.not_before, pin.not_after, "pin.window", pin_set.name)
        digests.append(bytes(pin.spki_sha256))
    # RFC 7469 section 4.3: without a second key the first loss is the last.
    if len(digests) < 2:
        raise PinError("pin.too_few", pin_set.name)
    if pin_set.on_expiry not in (EXPIRY_REFUSE, EXPIRY_ANCHORS):
        raise PinError("pin.on_expiry", pin_set.name)
    if pin_set.ratchet not in (RATCHET_BACKUP, RATCHET_ORDERED, RATCHET_NEVER):
        raise PinError("pin.ratchet", pin_set.name)
    if not 0 <= pin_set.hold_s <= pin_set.hold_max_s:
        raise PinError("pin.hold", pin_set.name)


def _check_window(first, last, code, detail=None) -> None:
    if first is not None and last is not None and first > last:
        raise PinError(code, detail)


def _check_anchor(anchor) -> None:
    if not 1 <= anchor.purposes <= SERVER_AUTH | CLIENT_AUTH:
        raise PinError("anchor.purposes")
    _check_window(anchor.trust_from, anchor.trust_until, "anchor.window")
    if anchor.distrust_leaf_after is not None and (
        # notBefore is what the CA wrote: a dishonest one backdates, so the end must be near.
        anchor.trust_until is None
        or anchor.trust_until - anchor.distrust_leaf_after > DISTRUST_WINDOW_S
    ):
        raise PinError("anchor.distrust_open")
    if anchor.hosts is not None:
        _check_patterns(anchor.hosts, None)


def _check_patterns(patterns, detail) -> None:
    from ..x509.names import pattern_matches

    if not patterns:
        raise PinError("service.no_hosts", detail)
    for pattern in patterns:
        # A pattern that does not stand for its own best example is none.
        example = "x" + pattern[1:] if pattern.startswith("*.") else pattern
        if not pattern_matches(pattern, example):
            raise PinError("service.pattern", pattern)


def _check_service(service: Service, state: TrustState, purposes: int) -> None:
    name = service.name
    if service.mode not in (MODE_PATH, MODE_ANCHORS, MODE_KEY):
        raise PinError("service.mode", name)
    if service.purpose not in (SERVER_AUTH, CLIENT_AUTH):
        raise PinError("service.purpose", name)
    if service.mode == MODE_KEY and not service.enforce:
        # Audit waives the pin match, and in mode key nothing else would be left.
        raise PinError("service.audit_key", name)
    if service.mode == MODE_ANCHORS:
        if service.pin_set is not None:
            raise PinError("service.pins_unused", name)
    else:
        pin_set = None if service.pin_set is None else state.pin_set(service.pin_set)
        if pin_set is None:
            raise PinError("service.pin_set", name)
        if service.mode == MODE_KEY and pin_set.on_expiry == EXPIRY_ANCHORS:
            # Mode key builds no path, so there are no anchors to go on with.
            raise PinError("service.expiry_key", name)
    if service.mode != MODE_KEY and not purposes & service.purpose:
        raise PinError("service.no_anchor", name)
    if service.hosts is not None:
        _check_patterns(service.hosts, name)
    elif service.purpose == SERVER_AUTH and state.payload_digest != NO_DIGEST:
        # Only a literal state has one: here it would answer for whatever has no service.
        raise PinError("service.no_hosts", name)
    if service.purpose == CLIENT_AUTH:
        if not service.peer_name:
            raise PinError("service.peer_name", name)
        _check_patterns((service.peer_name,), name)


def _check_unambiguous(services) -> None:
    """Two services for one host and port would make the answer depend on their order."""
    seen = set()
    for service in services:
        if service.purpose != SERVER_AUTH:
            continue
        for host in service.hosts or ("",):
            if (host, service.port) in seen:
                raise PinError("service.ambiguous", service.name)
            seen.add((host, service.port))
