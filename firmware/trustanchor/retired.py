# SPDX-License-Identifier: MIT
"""Entries of retired pins: what a record, a device's memory and an update count with.

Apart from pins.py, because a function keeps its whole module in the heap.

Depends on: compat, limits.
Heap: 0.6 KB from a .mpy file.
"""

from .compat import sha256
from .limits import RETIRED_PINS


def retired_entry(pin_set_name: str, spki_sha256: bytes) -> bytes:
    """Return the 16 bytes a retired pin is remembered by (SPEC.md "Record")."""
    name = pin_set_name.encode()
    return sha256(b"ta-retired-1", bytes((len(name),)), name, spki_sha256)[:16]


def union(entries: tuple, more) -> tuple:
    """Return the sorted union. Beyond limits.RETIRED_PINS nothing is added, and nothing is lost.

    A state that could get there is refused (update.retired_full); a fallback might.
    """
    new = sorted(set(more) - set(entries))
    return tuple(sorted(entries + tuple(new[: max(0, RETIRED_PINS - len(entries))])))
