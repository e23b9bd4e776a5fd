# SPDX-License-Identifier: MIT
"""A trust state without a bundle: what `Context(pins=[primary, backup])` stands for.

    state = literal([primary, backup])       # the first ten minutes: no bundle, no store

Apart from rules.py, which an update loads when heap is shortest.

Depends on: digests, kinds, model, rules; anchors, given where there are any.
Heap: 1 KB from a .mpy file, only while a state is made.
"""

from ..kinds import MODE_ANCHORS, MODE_KEY, MODE_PATH
from .digests import digests_of
from .model import Pin, PinSet, Service, TrustState
from .rules import check


def literal(pins=(), anchors=(), hosts=None, check_name=False, issued_at=0) -> TrustState:
    """Return the state behind `Context(pins=[primary, backup])`, checked; no bundle, no store.

    pins are 32-byte digests or their text (hex, or base64 with or without "sha256/"); the first
    is the primary and the others are backups. Without anchors the leaf's key is pinned (mode
    key). anchors are what given.anchors_of() takes; with them a pin may match any key on a valid
    path; anchors alone is mode anchors.
    """
    pin_sets: "tuple[PinSet, ...]" = ()
    if pins:
        digests = digests_of(pins)
        listed = [Pin(digest, is_backup=i > 0) for i, digest in enumerate(digests)]
        pin_sets = (PinSet("pins", listed),)
    mode = MODE_ANCHORS if not pins else MODE_PATH if anchors else MODE_KEY
    service = Service(
        "default",
        hosts,
        mode=mode,
        pin_set="pins" if pins else None,
        check_name=check_name,
    )
    if anchors:
        from .anchors import AnchorList

        if not isinstance(anchors, (list, tuple)) or not all(
            hasattr(anchor, "spki") for anchor in anchors
        ):
            from .given import anchors_of

            anchors = anchors_of(anchors)
        anchors = AnchorList(anchors)
    state = TrustState((service,), pin_sets, anchors, issued_at=issued_at)
    check(state)
    return state
