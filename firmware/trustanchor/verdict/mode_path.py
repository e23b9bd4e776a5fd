# SPDX-License-Identifier: MIT
"""Modes path and anchors of the verdict: a valid path, a live pin on it, what is remembered.

The part of policy.py that a device with pinned keys alone never loads. `case` is policy's.

    yield from decide(case)         # accepts by returning, refuses by raising

Depends on: compat, errors, limits, pins, model; certificate, path when nothing is remembered.
Heap: about 2.5 KB from a .mpy file.
"""

from ..compat import sha256, tidy
from ..errors import PathError, PinError
from ..kinds import (
    CLIENT_AUTH,
    CLOCK_VERIFIED,
    EVENT_INTERMEDIATES,
    EVENT_LEAF_NOT_BEFORE,
    EVENT_PATH,
    EVENT_PIN_SEEN,
    EXPIRY_ANCHORS,
    SERVER_AUTH,
)
from ..limits import LEARNED
from ..state import pins
from ..state.model import NO_DIGEST

_CACHE_LABEL = b"ta-path-2"


def decide(case):
    """Generator: yields None between slices of work."""
    service = case.service
    needs_pin = case.pin_set is not None and not _goes_on_without_pins(case)
    key = None
    if service.purpose == SERVER_AUTH and case.state.payload_digest != NO_DIGEST:
        key = cache_key(case.chain, case.asked, case.known, case.state, case.local)
        if _accept_cached(case, key, needs_pin):
            return
    tidy()
    from ..x509.certificate import Certificate
    from .path import Question, search

    tidy()
    leaf = Certificate(case.chain[0])
    case.verdict.served = leaf.spki_sha256
    host = case.asked.host
    if service.purpose == CLIENT_AUTH:
        case.authenticate(leaf)
        host = case.verdict.peer_name
    elif host is None and service.hosts is not None:
        raise PathError("name.missing")
    question = Question(case.at, case.known, service.purpose, host, case.state, case.local)
    found = None
    seen = set()
    best = (
        pins.first_live(case.pin_set, case.at, case.known, case.state, case.local)
        if needs_pin
        else None
    )
    for step in search(leaf, case.chain[1:], question):
        if step is None:
            yield None
            continue
        if found is None:
            found = step
        if not needs_pin:
            break
        seen.update(step.keys)
        pin = case.match(step.keys)
        if pin is not None and (case.verdict.pin is None or pin < case.verdict.pin):
            case.verdict.pin = pin
            found = step
        if case.verdict.pin == best:
            break  # None: no pin can match; else: none can match that goes before
    case.verdict.path = found
    if needs_pin and case.verdict.pin is None:
        code = case.why_none(seen)
        if service.enforce:
            raise PinError(code)
        case.verdict.audited = True
        case.verdict.audit_code = code
    if service.enforce and service.purpose == SERVER_AUTH:
        case.verdict.events = _events(case, found, key, needs_pin)


def _goes_on_without_pins(case):
    """True when the set's pins have all expired and its outcome is `anchors`."""
    if case.pin_set.on_expiry != EXPIRY_ANCHORS or not pins.has_expired(
        case.pin_set, case.at, case.known, case.state, case.local
    ):
        return False
    # Whoever can move the clock could otherwise switch the pins off.
    if not case.known or case.clock < CLOCK_VERIFIED:
        if case.service.enforce:
            raise PinError("time.unverified")
        return False
    return True


def _accept_cached(case, key, needs_pin):
    """True when a remembered path still carries the verdict; else it is judged cold.

    The value is the SPKI SHA-256 of every key of the path, end entity first, anchor last.
    """
    cached = case.local.cached_path(key)
    if cached is None or not cached[0] <= case.at <= cached[1]:
        return False
    keys = [bytes(cached[2][i : i + 32]) for i in range(0, len(cached[2]), 32)]
    if any(case.state.is_denied(key) for key in keys):
        return False
    pin = case.match(keys) if needs_pin else None
    if needs_pin and pin is None:
        return False
    case.verdict.pin = pin
    case.verdict.served = keys[0]
    case.verdict.cached = True
    if needs_pin and case.service.enforce:
        # What is remembered is the path; the sighting is new, and may pause or begin a hold-down.
        case.verdict.events = _sighting(case, keys)
    return True


def _sighting(case, keys) -> tuple:
    """Return the event of a pin that is the leaf's own key, if one is.

    Possession is proved for the leaf's key alone: no other pin moves the ratchet.
    """
    pin = case.match(keys[:1])
    return () if pin is None else ((EVENT_PIN_SEEN, case.pin_set.name, pin, keys[0]),)


def _events(case, path, key, needs_pin):
    leaf = path.certificates[0]
    events: "list[tuple]" = [(EVENT_LEAF_NOT_BEFORE, leaf.not_before)]
    if needs_pin:
        events.extend(_sighting(case, path.keys))
    if key is not None:
        start, end = path.valid_from, path.valid_until
        if case.pin_set is not None:
            begun, ends = pins.change_times(
                case.pin_set, case.at, case.known, case.state, case.local
            )
            start = max(start, begun)
            end = end if ends is None else min(end, ends)
        events.append((EVENT_PATH, key, start, end, b"".join(path.keys)))
    if path.learnable:
        events.append((EVENT_INTERMEDIATES,) + path.learnable[:LEARNED])
    return tuple(events)


def cache_key(chain, asked, known, state, local) -> bytes:
    """Return the key under which a verified path is remembered (SPEC.md, "Cache")."""
    host = (asked.host or "").encode()
    pin_set = (asked.service.pin_set or "").encode()
    parts = [
        _CACHE_LABEL,
        state.payload_digest,
        bytes((asked.service.purpose,)),
        (asked.port or 0).to_bytes(2, "big"),
        len(host).to_bytes(2, "big"),
        host,
        bytes((len(pin_set),)),
        pin_set,
        local.retired_digest(),
        b"\x01" if known else b"\x00",
    ]
    for certificate in chain:
        parts.append(len(certificate).to_bytes(3, "big"))
        parts.append(certificate)
    return sha256(*parts)
