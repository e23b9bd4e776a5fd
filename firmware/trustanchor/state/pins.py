# SPDX-License-Identifier: MIT
"""Pins against keys: which pin matches, and if none, why.

A pin is live when it is neither retired (for ever, per pin set) nor denied and its window is
open. While the clock is unknown a window counts as begun (design "Time"). The match is the live
pin with the lowest index; the order of the keys plays no part.

    index = match(pin_set, keys, at, known, state, local)

keys are SPKI SHA-256 digests: of the leaf alone in mode key, of a whole verified path otherwise.

Depends on: model.
Heap: about 1 KB from a .mpy file.
"""

from ..compat import const

_LIVE = const(0)
_NOT_BEGUN = const(1)
_ENDED = const(2)
_RETIRED = const(3)
_DENIED = const(4)

_WHY = (None, "pin.not_yet_valid", "pin.expired", "pin.retired", "path.key_denied")


def match(pin_set, keys, at: int, known, state, local) -> "int | None":
    """Return the lowest index of a live pin that equals one of keys, or None."""
    for index, pin in enumerate(pin_set.pins):
        if pin.spki_sha256 in keys and _status(pin_set, pin, at, known, state, local) == _LIVE:
            return index
    return None


def first_live(pin_set, at: int, known, state, local) -> "int | None":
    """Return the lowest index a match could have, or None when no pin is live."""
    for index, pin in enumerate(pin_set.pins):
        if _status(pin_set, pin, at, known, state, local) == _LIVE:
            return index
    return None


def has_expired(pin_set, at: int, known, state, local) -> bool:
    """True when every pin of the set has outlived its window.

    A retired or denied pin never counts as expired: a set that lost a key to a thief must not
    fall back to anchors the thief may satisfy.
    """
    return all(_status(pin_set, pin, at, known, state, local) == _ENDED for pin in pin_set.pins)


def why_none(pin_set, keys, at: int, known, state, local) -> str:
    """Return the refusal code when match() is None: the fate of a pin that would have matched."""
    worst = 0
    for pin in pin_set.pins:
        if pin.spki_sha256 in keys:
            worst = max(worst, _status(pin_set, pin, at, known, state, local))
    return _WHY[worst] or "pin.none_matched"


def change_times(pin_set, at: int, known, state, local):
    """Return (last change up to at or 0, next change after it or None) of the set's live pins.

    Between the two a verdict on the same keys does not change, unless a pin is retired.
    """
    begin = 0
    end = None
    for pin in pin_set.pins:
        if _status(pin_set, pin, at, known, state, local) >= _RETIRED:
            continue
        # A window [a, b] changes the answer at a and at b + 1.
        for change in (pin.not_before, None if pin.not_after is None else pin.not_after + 1):
            if change is None:
                continue
            if change <= at:
                begin = max(begin, change)
            elif end is None or change - 1 < end:
                end = change - 1
    return begin, end


def _status(pin_set, pin, at, known, state, local) -> int:
    if state.is_denied(pin.spki_sha256):
        return _DENIED
    if local.is_retired(pin_set.name, pin.spki_sha256):
        return _RETIRED
    if pin.not_after is not None and at > pin.not_after:
        return _ENDED
    if known and pin.not_before is not None and at < pin.not_before:
        return _NOT_BEGUN
    return _LIVE
