# SPDX-License-Identifier: MIT
"""SIMULATION of `time` on a board: its own clock and epoch; the ticks are the interpreter's."""

import board_shims
import utime
from utime import (
    sleep,
    sleep_ms,
    sleep_us,
    ticks_add,
    ticks_cpu,
    ticks_diff,
    ticks_ms,
    ticks_us,
)

# Seconds from 1970 to the board's epoch.
epoch = board_shims.config["epoch"]
# Seconds the board's clock is ahead of the host's.
ahead = board_shims.config["ahead"]


def unix_time():
    return int(utime.time()) + ahead


def time():
    return unix_time() - epoch


def time_ns():
    return utime.time_ns() + (ahead - epoch) * 1000000000


def gmtime(seconds=None):
    # Not the interpreter's, whose 32-bit time_t ends in 2038.
    seconds = time() if seconds is None else int(seconds)
    days, rest = divmod(seconds + epoch, 86400)
    weekday = (days + 3) % 7
    year = 1970 + days // 366
    while _days(year + 1, 1, 1) <= days:
        year += 1
    month = 1
    while month < 12 and _days(year, month + 1, 1) <= days:
        month += 1
    day = days - _days(year, month, 1) + 1
    yearday = days - _days(year, 1, 1) + 1
    return (year, month, day, rest // 3600, rest // 60 % 60, rest % 60, weekday, yearday)


localtime = gmtime


def mktime(fields):
    year, month, day, hour, minute, second = fields[:6]
    return _days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - epoch


def _days(year, month, day):
    """Days from 1970-01-01 to a date of the Gregorian calendar; month may run over."""
    year += (month - 1) // 12
    month = (month - 1) % 12 + 1
    if month <= 2:
        year -= 1
        month += 12
    leaps = year // 4 - year // 100 + year // 400
    return 365 * year + leaps + (153 * month - 457) // 5 + day - 719469
