# SPDX-License-Identifier: MIT
"""The set of retired pins grows: in a device's memory, a record and an update alike.

Apart from local.py, because a function keeps its whole module in the heap.

Depends on: limits.
Heap: 0.3 KB from a .mpy file.
"""

from ..limits import RETIRED_PINS


def union(entries: tuple, more) -> tuple:
    """Return the sorted union. Beyond limits.RETIRED_PINS nothing is added, and nothing is lost.

    A state that could get there is refused (update.retired_full); a fallback might.
    """
    new = sorted(set(more) - set(entries))
    return tuple(sorted(entries + tuple(new[: max(0, RETIRED_PINS - len(entries))])))


def retire(local, entries) -> None:
    """Retire entries for ever."""
    retired = union(local.retired, entries)
    if retired != local.retired:
        local.retired = retired
        local.retired_generation += 1
