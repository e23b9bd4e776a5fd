# SPDX-License-Identifier: MIT
"""What MicroPython has built in, for compat on CPython; no board gets this file.

Depends on: nothing of ours.
"""

from time import monotonic  # type: ignore[attr-defined] # not on a board


def const(value):
    """MicroPython's compiler folds `_NAME = const(...)` away; CPython keeps the name."""
    return value


def ticks_ms() -> int:
    """A clock for durations; MicroPython's wraps, so take differences with ticks_diff."""
    return int(monotonic() * 1000)


def ticks_diff(later: int, earlier: int) -> int:
    return later - earlier


class gc:
    """CPython moves nothing either, but has the room."""

    @staticmethod
    def collect() -> None:
        pass

    @staticmethod
    def threshold(count: int = 0) -> int:
        return 0
