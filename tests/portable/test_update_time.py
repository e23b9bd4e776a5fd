# SPDX-License-Identifier: MIT
"""When a bundle may be installed: issued_at and expires_at against clock and floor (U6, U7)."""

# isort: skip_file
from updating import accept, first
from bundling import EPOCH, EXPIRES, ISSUED, KNOWN, NOW, REVERT, SEQUENCE, UNKNOWN, message, state
from check import equal, refuses
from trustanchor.kinds import CLOCK_VERIFIED
from trustanchor.limits import ISSUED_AHEAD_S, ISSUED_AHEAD_UNKNOWN_S

RECORD, CURRENT = first()
YEAR = 366 * 86400


def offer(*changes, signers=("a1",), kind="state", record=None, at=KNOWN, loaded=None):
    data = message(kind, state(*changes), signers)
    loaded = [CURRENT] if loaded is None else loaded
    return accept(RECORD if record is None else record, data, loaded, at)[0]


def refused(code, *changes, **options):
    return refuses(code, lambda: offer(*changes, **options))


# U6: issued_at.


def test_issued_up_to_a_day_ahead_of_a_known_clock():
    equal(offer(SEQUENCE, 2, ISSUED, NOW + ISSUED_AHEAD_S).floor, NOW + ISSUED_AHEAD_S)
    refused("time.issued_in_future", SEQUENCE, 2, ISSUED, NOW + ISSUED_AHEAD_S + 1)


def test_issued_up_to_five_years_above_the_floor_while_the_clock_is_unknown():
    latest = RECORD.floor + ISSUED_AHEAD_UNKNOWN_S
    equal(offer(SEQUENCE, 2, ISSUED, latest, at=UNKNOWN).floor, latest)
    refused("time.issued_in_future", SEQUENCE, 2, ISSUED, latest + 1, at=UNKNOWN)


def test_a_clock_below_the_floor_is_unknown():
    behind = (RECORD.floor - 1, 1)
    latest = RECORD.floor + ISSUED_AHEAD_UNKNOWN_S
    equal(offer(SEQUENCE, 2, ISSUED, latest, at=behind).floor, latest)


def test_a_bundle_from_the_year_2099_is_refused():
    for at in (KNOWN, UNKNOWN):
        refused("time.issued_in_future", SEQUENCE, 2, ISSUED, 4070908800, at=at)


def test_no_row_of_bundles_drives_the_floor_away_from_a_verified_clock():
    record, at = RECORD, (NOW, CLOCK_VERIFIED)
    record = offer(SEQUENCE, 2, ISSUED, NOW + ISSUED_AHEAD_S, at=at)
    for ahead in (ISSUED_AHEAD_S + 1, ISSUED_AHEAD_UNKNOWN_S):
        data = message("state", state(SEQUENCE, 3, ISSUED, NOW + ahead), ("a1",))
        refuses("time.issued_in_future", lambda: accept(record, data, [CURRENT], at))  # noqa: B023
    # A clock that anybody may have set counts as unknown below the floor.
    data = message("state", state(SEQUENCE, 3, ISSUED, NOW + ISSUED_AHEAD_UNKNOWN_S), ("a1",))
    equal(accept(record, data, [CURRENT], KNOWN)[0].sequence, 3)


def test_the_floor_rises_with_issued_at_and_never_falls():
    equal(RECORD.floor, NOW - 86400)
    equal(offer(SEQUENCE, 2, ISSUED, NOW).floor, NOW)
    equal(offer(SEQUENCE, 2, ISSUED, NOW - 10 * 86400).floor, NOW - 86400)


# U7: expires_at.


def test_installed_up_to_the_second_it_expires():
    equal(offer(SEQUENCE, 2, EXPIRES, NOW).sequence, 2)
    refused("update.expired", SEQUENCE, 2, EXPIRES, NOW - 1)


def test_expiry_counts_from_the_floor_while_the_clock_is_unknown():
    equal(offer(SEQUENCE, 2, EXPIRES, RECORD.floor, at=UNKNOWN).sequence, 2)
    refused("update.expired", SEQUENCE, 2, EXPIRES, RECORD.floor - 1, at=UNKNOWN)


def test_a_hostile_floor_does_not_keep_a_rescue_out():
    hostile = RECORD.but(floor=NOW + 4 * YEAR)
    changes = (EPOCH, 1, REVERT, 1, EXPIRES, NOW + 9)
    for at in (KNOWN, UNKNOWN):
        new = offer(*changes, signers=["b1", "a1"], kind="rescue", record=hostile, at=at)
        equal(new.floor, NOW - 86400)
    refused("update.expired", SEQUENCE, 2, EXPIRES, NOW + 9, record=hostile)


def test_an_expired_rescue_is_refused_by_a_known_clock():
    refused(
        "update.expired",
        EPOCH,
        1,
        REVERT,
        1,
        EXPIRES,
        NOW - 1,
        signers=["b1", "a1"],
        kind="rescue",
    )
