# SPDX-License-Identifier: MIT
"""The one file that touches the real-time clock.

    at = clock.now()                    # (Unix seconds, CLOCK_UNKNOWN / _KNOWN / _VERIFIED)
    clock.set(unix_s)                   # from SNTP, which anybody on the network may answer
    clock.set(unix_s, verified=True)    # over an accepted connection, or on the cable

Seconds count from 1970 here, whatever the port counts from. What the reading is worth against
floor and bound is decided in one place, judge(); what lifts those is in local.py and in
acceptance.py.

Depends on: compat, limits.
Heap: about 1 KB from a .mpy file.
"""

import time

from .compat import const
from .kinds import CLOCK_KNOWN, CLOCK_UNKNOWN, CLOCK_VERIFIED
from .limits import BUILD_AT

# ESP32 counts from 2000, Unix builds from 1970. gmtime(0) tells; time.time() does not.
_EPOCH_S = 946684800 if time.gmtime(0)[0] == 2000 else 0

# A verified time is trusted on while it agrees with the uptime: 2 s and a part in 256, where a
# crystal is good for one in 20,000 and the RTC of a sleeping ESP32 for one in 200.
_SLACK_S = const(2)
_SLACK_SHIFT = const(8)

_offset_s = 0  # what set() adds where there is no RTC to set
_verified = None  # (reading, uptime) when the time was last known to come from a verified source
_uptime_ms = 0
_ticks = None


def now() -> "tuple[int, int]":
    """Return (Unix seconds, how far to believe them): the `at` of judge()."""
    global _verified
    reading = _read()
    if reading < BUILD_AT:  # never set since power on, or set to before this code existed
        return reading, CLOCK_UNKNOWN
    if _verified is None:
        return reading, CLOCK_KNOWN
    up = uptime_s()
    passed = up - _verified[1]
    if abs(reading - _verified[0] - passed) > _SLACK_S + (passed >> _SLACK_SHIFT):
        _verified = None  # somebody else has set the clock
        return reading, CLOCK_KNOWN
    return reading, CLOCK_VERIFIED


def set(unix_s: int, verified: bool = False) -> None:
    """Set the clock. verified: the time came over an accepted connection or by hand."""
    global _offset_s, _verified
    try:
        from machine import RTC
    except ImportError:
        _offset_s += unix_s - _read()
    else:
        year, month, day, hour, minute, second, weekday = time.gmtime(unix_s - _EPOCH_S)[:7]
        RTC().datetime((year, month, day, weekday, hour, minute, second, 0))
    _verified = (unix_s, uptime_s()) if verified else None


def uptime_s() -> int:
    """Return seconds since the first call, which no setting of the clock changes.

    ticks_ms() wraps: between two calls more than six days count as less.
    """
    global _uptime_ms, _ticks
    if not hasattr(time, "ticks_ms"):
        return int(time.monotonic())  # type: ignore[attr-defined]
    ticks = time.ticks_ms()
    if _ticks is not None:
        _uptime_ms += max(0, time.ticks_diff(ticks, _ticks))
    _ticks = ticks
    return _uptime_ms // 1000


def _read() -> int:
    return int(time.time()) + _EPOCH_S + _offset_s


_STAYS = True  # compat.forget
