# SPDX-License-Identifier: MIT
"""SIMULATION of `machine`: reset, clock, watchdog and identity; there are no pins."""

import board_shims
import link
import time
from umachine import idle, mem8, mem16, mem32

PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5

_cause = board_shims.config["cause"]
_identity = bytes.fromhex(board_shims.config["identity"])
_frequency = 160000000


def reset():
    link.stop(b"R")


def soft_reset():
    link.stop(b"S")


def reset_cause():
    return _cause


def unique_id():
    return _identity


def freq(hertz=None):
    global _frequency
    if hertz is not None:
        if hertz not in (20000000, 40000000, 80000000, 160000000, 240000000):
            raise ValueError("frequency must be 20MHz, 40MHz, 80Mhz, 160MHz or 240MHz")
        _frequency = hertz
        return None
    return _frequency


class RTC:
    """The clock: (year, month, day, weekday, hours, minutes, seconds, microseconds)."""

    def datetime(self, fields=None):
        if fields is None:
            now = time.gmtime()
            return now[:3] + (now[6],) + now[3:6] + (0,)
        year, month, day, _, hour, minute, second, _ = fields
        wanted = time.mktime((year, month, day, hour, minute, second, 0, 0))
        time.ahead += wanted - time.time()
        link.ask(b"T", str(time.ahead).encode())
        return None

    def init(self, fields):
        self.datetime(fields)


class WDT:
    """The task watchdog: it cannot be stopped, and a board that starves it is reset."""

    def __init__(self, id=0, timeout=5000):
        if id != 0:
            raise ValueError("WDT(%d) doesn't exist" % id)
        if timeout <= 0:
            raise ValueError("WDT timeout too short")
        self._timeout = timeout
        self.feed()

    def feed(self):
        link.ask(b"W", self._timeout.to_bytes(4, "little"))
