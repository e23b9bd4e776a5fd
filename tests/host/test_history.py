# SPDX-License-Identifier: MIT
"""What has happened to public roots, rehearsed with the real dates and judged on the real days.

The chains are tests/history.py; a simulated board and stock `tls` meet the same ones in
tests/integration/test_history.py.
"""

import datetime

import pytest

from host_tools.rehearsal import margins
from tests import history
from tests.certs import pki
from tests.history import Case, Past, Root
from tests.planned import DAY, HOST, at, dates, fleet, plan, sent, state, told
from trustanchor.kinds import CLOCK_KNOWN, CLOCK_UNKNOWN
from trustanchor.limits import BUILD_AT
from trustanchor.state import derive
from trustanchor.state.local import LocalState
from trustanchor.state.model import Asked, Pin
from trustanchor.verdict.policy import judge

CASES = list(history.cases(Past()))


def anchors(trusted):
    return [derive.anchor_of(root.entity.der, **root.policy) for root in trusted]


def judged(case: Case) -> str:
    """The verdict of a device that has nothing but its literal state."""
    pins = [Pin(pin, place > 0) for place, pin in enumerate(case.pins)]
    made = state(pins=pins, anchors=anchors(case.trusted), issued="1970-01-01", denied=case.denied)
    reading = case.at if case.clock is None else case.clock
    is_set = case.clock is None or case.clock >= BUILD_AT
    asked = Asked(made.find_service(host=HOST, port=443), HOST, 443)
    moment = (reading, CLOCK_KNOWN if is_set else CLOCK_UNKNOWN)
    return judge([one.der for one in case.chain], asked, moment, made, LocalState()).code


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_verdict_on_that_day(case):
    assert judged(case) == case.ours


def test_a_case_is_the_same_wherever_its_dates_are_moved_to():
    """Else what a board says today of moved dates would say nothing of the day that was."""
    shift = 40 * 365 * DAY + 12345
    for case, moved in zip(CASES, history.cases(Past(shift)), strict=True):
        assert case.name == moved.name
        for one, other in zip(case.chain, moved.chain, strict=True):
            gone = other.certificate.not_valid_after_utc - one.certificate.not_valid_after_utc
            assert (gone.total_seconds(), one.spki) == (shift, other.spki)


def states(begins, **trusted):
    """States by name, each with anchors alone."""
    return [
        fleet(
            name.replace("_", " "), state(anchors=anchors(roots), digest=bytes([number])), begins
        )
        for number, (name, roots) in enumerate(trusted.items(), 1)
    ]


def test_dst_root_x3_expired_and_only_a_state_that_read_its_dates_was_cut_off():
    old, new = pki.authority("DST Root CA X3"), pki.authority("ISRG Root X1")
    cross = pki.authority(
        "ISRG Root X1", issuer=old, key=new.key, **dates("2021-01-20", "2024-09-30")
    )
    inter = pki.authority("R3", issuer=new, **dates("2020-09-04", "2025-09-15"))
    leaf = pki.end_entity(HOST, issuer=inter, **dates("2021-08-01", "2021-10-30"))
    until = at("2021-09-30") + 14 * 3600 + 61 + 14  # 14:01:15 UTC
    dated = state(anchors=[derive.anchor_of(old.der, trust_until=until)])
    undated = state(anchors=[derive.anchor_of(old.der)], digest=b"\x08")
    both = state(
        anchors=[derive.anchor_of(old.der, trust_until=until), derive.anchor_of(new.der)],
        digest=b"\x09",
    )
    begins, ends = "2021-09-01", "2021-10-29"
    chain = sent("long", begins, ends, leaf, inter, cross)
    states = [fleet(name, made, begins) for name, made in
              (("dated", dated), ("undated", undated), ("both", both))]  # fmt: skip
    assert told(plan(begins, ends, states, chain)) == [
        ("dated", "long", "anchor.expired", "2021-09-30")
    ]


@pytest.mark.parametrize(("distrusted", "ends"), [("2016-06-01", "2017-07-01"),
                                                  ("2024-11-12", "2025-12-15")])  # fmt: skip
def test_a_ca_distrusted_for_new_leaves_serves_old_ones_on(distrusted, ends):
    """Symantec (leaves from 2016-06-01) and Entrust (leaves after 2024-11-11)."""
    bad, good = pki.authority("Distrusted"), pki.authority("Other")
    policy = {"distrust_leaf_after": at(distrusted) - 1, "trust_until": at(ends) - 1}
    anchors = [derive.anchor_of(bad.der, **policy), derive.anchor_of(good.der)]
    start = str(datetime.date.fromisoformat(distrusted) - datetime.timedelta(days=60))
    switch = str(datetime.date.fromisoformat(distrusted) + datetime.timedelta(days=30))
    old = pki.end_entity(HOST, issuer=bad, **dates(start, ends))
    renewed = pki.end_entity(HOST, issuer=bad, **dates(switch, ends))
    moved = pki.end_entity(HOST, issuer=good, **dates(switch, ends))
    states = [fleet("7", state(anchors=anchors), start)]
    kept = sent("old", start, switch, old)
    assert told(plan(start, ends, states, kept, sent("new", switch, ends, renewed))) == [
        ("7", "new", "anchor.distrusted", switch)
    ]
    assert told(plan(start, ends, states, kept, sent("new", switch, ends, moved))) == []


def test_a_fleet_that_never_updates_loses_the_server_that_goes_from_baltimore_to_g2():
    first, second = pki.authority("Baltimore CyberTrust Root"), pki.authority("DigiCert G2")
    begins, switch, ends = "2022-06-01", "2022-10-01", "2023-03-01"
    old = pki.end_entity(HOST, issuer=first, **dates(begins, ends))
    new = pki.end_entity(HOST, issuer=second, **dates(begins, ends))
    chains = (sent("baltimore", begins, switch, old), sent("g2", switch, ends, new))
    only = state(anchors=[derive.anchor_of(first.der)])
    both = state(anchors=[derive.anchor_of(one.der) for one in (first, second)], digest=b"\x08")
    legacy = [fleet("old", only, begins, devices=1240), fleet("new", both, begins)]
    found = told(plan(begins, ends, legacy, *chains))
    assert found == [("old", "g2", "path.no_issuer", switch)]
    left = [fleet("old", only, begins, "2022-09-01"), fleet("new", both, begins)]
    made = plan(begins, ends, left, *chains)
    assert told(made) == []
    assert [(one.state, one.days) for one in margins.margins(made)] == [("old", 30)]


def test_pins_of_leaf_and_intermediate_that_are_both_replaced_strand_the_fleet():
    root = pki.authority("Root")
    one, two = (pki.authority(f"Intermediate {n}", issuer=root) for n in range(2))
    begins, switch, ends = "2027-01-01", "2027-03-01", "2027-05-01"
    old = pki.end_entity(HOST, issuer=one, **dates(begins, ends))
    new = pki.end_entity(HOST, issuer=two, **dates(begins, ends))
    same = pki.end_entity(HOST, issuer=two, key=old.key, **dates(begins, ends))
    pinned = state(pins=[Pin(old.pin), Pin(one.pin, True)], anchors=[derive.anchor_of(root.der)])
    states = [fleet("7", pinned, begins)]
    kept = sent("old", begins, switch, old, one)
    wrong = plan(begins, ends, states, kept, sent("new", switch, ends, new, two))
    assert told(wrong) == [("7", "new", "pin.none_matched", switch)]
    right = plan(begins, ends, states, kept, sent("new", switch, ends, same, two))
    assert told(right) == []


def test_after_a_stolen_key_a_server_that_goes_back_to_it_strands_who_saw_the_backup():
    primary, backup = pki.end_entity(HOST, days=200), pki.end_entity(HOST, days=200)
    today = datetime.datetime.now(datetime.UTC).date()
    days = [str(today + datetime.timedelta(days=n)) for n in (1, 10, 20, 30)]
    made = state(pins=[Pin(primary.pin), Pin(backup.pin, True)])
    chains = [
        sent("primary", days[0], days[1], primary),
        sent("backup", days[1], days[2], backup),
    ]
    again = sent("again", days[2], days[3], primary)
    stays = sent("stays", days[2], days[3], backup)
    states = [fleet("7", made, days[0])]
    assert told(plan(days[0], days[3], states, *chains, again)) == [
        ("7", "again", "pin.retired", days[2])
    ]
    assert told(plan(days[0], days[3], states, *chains, stays)) == []


def test_leaves_of_45_days_are_safe_where_the_root_is_trusted_and_not_where_an_old_one_is():
    """The roll-over to another hierarchy on 2026-05-13 and back: cross-signs carry old states."""
    x1, ye = pki.authority("ISRG Root X1"), pki.authority("ISRG Root YE", kind="p384")
    cross = pki.authority(
        "ISRG Root YE", issuer=x1, key=ye.key, **dates("2025-09-03", "2032-09-02")
    )
    inter = pki.authority("YE1", issuer=ye, **dates("2025-09-03", "2028-09-02"))
    begins, switch, ends = "2026-05-01", "2026-05-13", "2026-06-20"
    old = pki.end_entity(HOST, issuer=x1, **dates("2026-04-20", "2026-06-04"))
    new = pki.end_entity(HOST, issuer=inter, **dates("2026-05-12", "2026-06-26"))
    states = [fleet("x1", state(anchors=[derive.anchor_of(x1.der)]), begins)]
    kept = sent("old", begins, switch, old)
    crossed = sent("new", switch, ends, new, inter, cross)
    bare = sent("new", switch, ends, new, inter)
    assert told(plan(begins, ends, states, kept, crossed)) == []
    assert told(plan(begins, ends, states, kept, bare)) == [
        ("x1", "new", "path.no_issuer", switch)
    ]


def test_generation_y_forward_back_and_forward_again_strands_who_knows_ye_alone():
    """2026-05-08: switched on, found wrong, rolled back within hours; on again on 2026-05-13."""
    le = history._LetsEncrypt(Past())
    past = le.past
    new = past.leaf(le.ye1, "2026-05-07", "2026-06-21")
    old = past.leaf(le.e8, "2026-05-07", "2026-08-05")
    forward = (new, le.ye1, le.first_cross, le.x2_cross)
    again = (new, le.ye1, le.second_cross, le.x2_cross)
    chains = (
        sent("before", "2026-05-07", "2026-05-08", old, le.e8),
        sent("forward", "2026-05-08", "2026-05-09", *forward),
        sent("back", "2026-05-09", "2026-05-13", old, le.e8),
        sent("again", "2026-05-13", "2026-06-20", *again),
    )
    made = states("2026-05-08", YE_alone=[Root(le.ye)], X1_alone=[Root(le.x1)],
                  X1_X2_YE=[Root(le.x1), Root(le.x2), Root(le.ye)])  # fmt: skip
    assert told(plan("2026-05-08", "2026-06-20", made, *chains)) == [
        ("YE alone", "back", "path.no_issuer", "2026-05-09")
    ]
    # And a device that came with YE alone the day before never had the server at all.
    early = states("2026-05-07", YE_alone=[Root(le.ye)])
    assert told(plan("2026-05-07", "2026-06-20", early, *chains))[0][3] == "2026-05-07"


def test_a_cross_sign_that_ends_is_no_stranding_while_the_one_issued_again_is_sent_too():
    le = history._LetsEncrypt(Past())
    leaf = le.past.leaf(le.ye1, "2026-05-10", "2026-06-24")
    ending = le.cross("2025-09-03", "2026-06-01")
    span = ("2026-05-14", "2026-06-20")
    made = states(span[0], X2=[Root(le.x2)])
    for crosses, found in (
        ((ending,), [("X2", "sent", "path.expired", "2026-06-01")]),
        ((ending, le.second_cross), []),
        ((le.second_cross, ending), []),
    ):
        assert told(plan(*span, made, sent("sent", *span, leaf, le.ye1, *crosses))) == found


def test_the_cross_sign_of_gts_root_r4_ends_and_strands_who_knows_globalsign_alone():
    """esp-idf 18674 was the same the other way round: the root left the device's list."""
    past = Past()
    globalsign = past.ca("GlobalSign Root CA", "1998-09-01", "2028-01-29", kind="rsa2048")
    r4 = past.ca("GTS Root R4", "2016-06-22", "2036-06-22", kind="p384")
    cross = past.ca("GTS Root R4", "2023-11-15", "2028-01-28", globalsign, "p384")
    we1 = past.ca("WE1", "2023-12-13", "2029-02-20", r4)
    leaf = past.leaf(we1, "2028-01-10", "2028-02-24")
    span = ("2028-01-11", "2028-02-20")
    made = states(span[0], R4=[Root(r4)], GlobalSign=[Root(globalsign)],
                  both=[Root(r4), Root(globalsign)])  # fmt: skip
    for chain in ((leaf, we1, cross), (leaf, cross, we1)):
        assert told(plan(*span, made, sent("sent", *span, *chain))) == [
            ("GlobalSign", "sent", "path.expired", "2028-01-28")
        ]
    # Sent without it, nobody who lacks R4 ever gets through.
    assert told(plan(*span, made, sent("bare", *span, leaf, we1))) == [
        ("GlobalSign", "bare", "path.no_issuer", "2028-01-11")
    ]


def test_a_root_removed_at_fifteen_years_is_found_on_its_day():
    past = Past()
    x1 = past.ca("ISRG Root X1", "2015-06-04", "2035-06-04", kind="rsa2048")
    x2 = past.ca("ISRG Root X2", "2020-09-04", "2040-09-17", kind="p384")
    leaf = past.leaf(x1, "2030-05-20", "2030-07-04")
    moved = past.leaf(x2, "2030-05-20", "2030-07-04")
    removed = Root(x1, {"trust_until": past.until("2030-06-04")})
    span = ("2030-05-21", "2030-07-01")
    made = states(span[0], X1=[removed], X1_and_X2=[removed, Root(x2)])
    assert told(plan(*span, made, sent("X1", *span, leaf))) == [
        ("X1", "X1", "anchor.expired", "2030-06-04"),
        ("X1 and X2", "X1", "anchor.expired", "2030-06-04"),
    ]
    in_time = (sent("X1", span[0], "2030-06-01", leaf), sent("X2", "2030-06-01", span[1], moved))
    assert told(plan(*span, made[1:], *in_time)) == []


@pytest.mark.parametrize(("days", "last"), [(6, "2026-11-28"), (45, "2027-01-06")])
def test_leaves_of_few_days_need_a_clock_only_to_be_refused(days, last):
    """Without CN, SKI and addresses for revocation; a device without a clock takes them on."""
    past = Past()
    root = past.ca("ISRG Root X1", "2015-06-04", "2035-06-04", kind="rsa2048")
    leaf = past.leaf(root, "2026-11-22", last, bare=True)
    made = state(anchors=anchors([Root(root)]), issued="2026-11-01")
    clocks = ("known", "floor", "unset")
    states = [fleet("7", made, "2026-11-23", clocks=clocks)]
    ends = str(datetime.date.fromisoformat(last) + datetime.timedelta(days=3))
    good = plan("2026-11-23", last, states, sent("good", "2026-11-23", last, leaf))
    late = plan("2026-11-23", ends, states, sent("late", "2026-11-23", ends, leaf))
    assert told(good) == []
    assert told(late) == [("7", "late", "path.expired", last)]
