# SPDX-License-Identifier: MIT
"""What a reading of the clock is worth: the whole decision as a table."""

import sys
import time

from check import equal, true
from trustanchor import clock
from trustanchor.kinds import CLOCK_KNOWN, CLOCK_UNKNOWN, CLOCK_VERIFIED, MODE_KEY
from trustanchor.limits import BUILD_AT
from trustanchor.state.local import LocalState
from trustanchor.state.model import Asked, Pin, PinSet, Service, TrustState
from trustanchor.verdict import policy

DAY = 86400
ISSUED = BUILD_AT + 100 * DAY
FLOOR = BUILD_AT + 50 * DAY

# What the RTC says, how it was set | bound in RAM -> the time a verdict is given at, its rule.
TABLE = (
    ("never set, ports that count from 2000", 946684800, CLOCK_UNKNOWN, 0, ISSUED, "bound"),
    ("never set, ports that count from 1970", 0, CLOCK_UNKNOWN, 0, ISSUED, "bound"),
    ("set, but below the build", BUILD_AT - 1, CLOCK_KNOWN, 0, ISSUED, "bound"),
    ("set, below the floor", FLOOR - 1, CLOCK_KNOWN, 0, ISSUED, "bound"),
    ("set, below issued_at", ISSUED - 1, CLOCK_KNOWN, 0, ISSUED, "bound"),
    ("verified, below issued_at", ISSUED - 1, CLOCK_VERIFIED, 0, ISSUED, "bound"),
    ("set, at issued_at", ISSUED, CLOCK_KNOWN, 0, ISSUED, "clock"),
    ("set, right", ISSUED + 9 * DAY, CLOCK_KNOWN, 0, ISSUED + 9 * DAY, "clock"),
    ("set, behind a leaf", ISSUED + DAY, CLOCK_KNOWN, ISSUED + 2 * DAY, ISSUED + 2 * DAY, "bound"),
    ("set, ahead", ISSUED + 9999 * DAY, CLOCK_KNOWN, 0, ISSUED + 9999 * DAY, "clock"),
    (
        "verified, behind a leaf",
        ISSUED + DAY,
        CLOCK_VERIFIED,
        ISSUED + 2 * DAY,
        ISSUED + DAY,
        "clock",
    ),
    ("unknown above the bound", ISSUED + DAY, CLOCK_UNKNOWN, 0, ISSUED, "bound"),
    ("after 2038", 1 << 33, CLOCK_KNOWN, 0, 1 << 33, "clock"),
)


def state(not_after):
    pins = [Pin(b"\x01" * 32, not_after=not_after), Pin(b"\x02" * 32, True, not_after=not_after)]
    service = Service("web", None, mode=MODE_KEY, pin_set="pins")
    return TrustState((service,), (PinSet("pins", pins),), issued_at=ISSUED)


def judged_at(reading, known, bound):
    """Return the time the judge uses: seen through the window of the pins."""
    local = LocalState(FLOOR)
    local.bound = max(FLOOR, bound)
    one = state(None)
    case = policy._Case(
        policy.Verdict(b"", 0), (), Asked(one.services[0], None), (reading, known), one, local
    )
    return case.at, case.verdict.time_rule


def test_every_row_of_the_table():
    for name, reading, known, bound, at, rule in TABLE:
        equal(judged_at(reading, known, bound), (at, rule), name)


def test_whatever_a_clock_says_nothing_is_judged_at_a_time_before_the_bound():
    for bound in (0, FLOOR, ISSUED, ISSUED + 300 * DAY):
        said = max(FLOOR, ISSUED, bound)
        for reading in (0, 946684800, BUILD_AT, FLOOR, said - 1, said, said + DAY, 1 << 33):
            for known in (CLOCK_UNKNOWN, CLOCK_KNOWN, CLOCK_VERIFIED):
                # What a leaf said of the time is not above a verified clock.
                lowest = max(FLOOR, ISSUED) if known == CLOCK_VERIFIED else said
                at, rule = judged_at(reading, known, bound)
                true(at >= lowest, (bound, reading, known))
                equal(rule == "clock", bool(known) and reading >= lowest)


def test_a_clock_that_ran_ahead_and_is_put_right_leaves_nothing_behind():
    ahead = judged_at(ISSUED + 9999 * DAY, CLOCK_KNOWN, 0)
    equal(ahead, (ISSUED + 9999 * DAY, "clock"))
    equal(judged_at(ISSUED + DAY, CLOCK_KNOWN, 0), (ISSUED + DAY, "clock"))


class Rtc:
    """Stands for time.time, so that a test can be any port at any time."""

    def __init__(self, unix_s, epoch_s=0):
        self.unix_s = unix_s
        self.epoch_s = epoch_s
        self.up_ms = 5000
        self.kept = (time.time, getattr(time, "ticks_ms", None))

    def time(self):
        return self.unix_s - self.epoch_s

    def passes(self, seconds):
        self.unix_s += seconds
        self.up_ms += 1000 * seconds


class FakeTime:
    """The parts of the module time that clock uses."""

    def __init__(self, rtc):
        self._rtc = rtc
        self.gmtime = time.gmtime

    def time(self):
        return self._rtc.time()

    def ticks_ms(self):
        return self._rtc.up_ms

    def ticks_diff(self, one, other):
        return one - other


class NoRtc:
    """The module machine of a port without an RTC."""


def with_rtc(unix_s, epoch_s, function):
    """Run function(rtc) with the clock module on a made-up RTC."""
    rtc = Rtc(unix_s, epoch_s)
    kept = clock.time, clock._EPOCH_S, clock._offset_s, clock._verified
    clock.time = FakeTime(rtc)  # type: ignore[assignment]
    clock._EPOCH_S, clock._offset_s, clock._verified = epoch_s, 0, None
    clock._uptime_ms, clock._ticks = 0, None
    had = sys.modules.get("machine")
    # A board has one, which says what its crystal says.
    sys.modules["machine"] = NoRtc()  # type: ignore[assignment]
    try:
        function(rtc)
    finally:
        del sys.modules["machine"]
        if had is not None:
            sys.modules["machine"] = had
        clock.time, clock._EPOCH_S, clock._offset_s, clock._verified = kept
        clock._uptime_ms, clock._ticks = 0, None


def test_seconds_count_from_1970_on_every_port():
    for epoch_s in (0, 946684800):
        with_rtc(ISSUED, epoch_s, lambda rtc: equal(clock.now(), (ISSUED, CLOCK_KNOWN)))


def test_a_clock_never_set_is_unknown_on_every_port():
    with_rtc(0, 0, lambda rtc: equal(clock.now()[1], CLOCK_UNKNOWN))
    with_rtc(946684800, 946684800, lambda rtc: equal(clock.now()[1], CLOCK_UNKNOWN))
    with_rtc(BUILD_AT - 1, 0, lambda rtc: equal(clock.now()[1], CLOCK_UNKNOWN))
    with_rtc(BUILD_AT, 0, lambda rtc: equal(clock.now()[1], CLOCK_KNOWN))


def test_only_a_verified_source_makes_a_verified_clock():
    def sets(rtc):
        clock.set(ISSUED)
        equal(clock.now(), (ISSUED, CLOCK_KNOWN))
        clock.set(ISSUED + 5, verified=True)
        equal(clock.now(), (ISSUED + 5, CLOCK_VERIFIED))
        rtc.passes(3600)
        equal(clock.now(), (ISSUED + 3605, CLOCK_VERIFIED))

    with_rtc(0, 0, sets)


def test_a_clock_set_again_by_somebody_else_is_no_longer_verified():
    def jumps(rtc):
        clock.set(ISSUED, verified=True)
        rtc.passes(100)
        rtc.unix_s += 60
        equal(clock.now(), (ISSUED + 160, CLOCK_KNOWN))
        rtc.unix_s -= 60
        equal(clock.now()[1], CLOCK_KNOWN, "and does not become so again")

    with_rtc(0, 0, jumps)

    def sets_again(rtc):
        clock.set(ISSUED, verified=True)
        clock.set(ISSUED)
        equal(clock.now()[1], CLOCK_KNOWN)

    with_rtc(0, 0, sets_again)


def test_a_crystal_may_drift_and_stay_verified():
    def drifts(rtc):
        clock.set(ISSUED, verified=True)
        rtc.passes(DAY)
        rtc.unix_s += 300  # one part in 288, the RTC of a sleeping ESP32
        equal(clock.now()[1], CLOCK_VERIFIED)
        rtc.unix_s += 120
        equal(clock.now()[1], CLOCK_KNOWN)

    with_rtc(0, 0, drifts)


def test_the_uptime_does_not_follow_the_clock():
    def jumps(rtc):
        equal(clock.uptime_s(), 0)
        rtc.unix_s += 100000
        rtc.up_ms += 7000
        equal(clock.uptime_s(), 7)

    with_rtc(ISSUED, 0, jumps)


def test_the_real_clock_reads():
    seconds, known = clock.now()
    true(seconds > 0)
    true(known in (CLOCK_UNKNOWN, CLOCK_KNOWN, CLOCK_VERIFIED))
