# SPDX-License-Identifier: MIT
"""What a server must not be able to take back, and how a trial starts (SPEC.md U14)."""

# isort: skip_file
from updating import accept, first
from bundling import (
    ANCHORS, AUTHORITY, DENIED, NOW, OVERRIDES, PIN_SETS, PROBES, REVERT, SEQUENCE, SERVICES,
    PARTIAL, SPKI_2, TRIAL, anchor, authority, message, pin, state,
)  # fmt: skip
from check import equal, refuses

# Name constraints: nothing under example.org.
NO_HOSTS = b"\x30\x11\xa1\x0f\x30\x0d\x82\x0bexample.org"
POLICY = {"f2": ["h.example", "*.h.example"], "f3": 3, "f4": 5, "f5": NOW + 9, "f8": 2}
BEFORE = (
    ANCHORS, [anchor("A"), anchor("B", **POLICY)],
    PIN_SETS, [{0: "web", 1: [pin(1, until=NOW + 9), pin(2, backup=True)]}],
)  # fmt: skip
RECORD, CURRENT = first(*BEFORE)


def offer(*changes, signers=("a1",), loaded=(CURRENT,), record=RECORD):
    data = message("state", state(*(BEFORE + (SEQUENCE, 2) + changes)), signers)
    return accept(record, data, loaded)[0]


def refused(code, *changes, **options):
    return refuses(code, lambda: offer(*changes, **options))


def narrows(*changes, **options):
    """Refused, unless it never reverts or says so under the signers' names."""
    error = refused("update.revert_rule", *changes, **options)
    new = offer(*(changes + (REVERT, 1)), **options)
    equal((new.trial, new.active != RECORD.active, new.fallback), (b"", True, b""))
    new = offer(*(changes + (OVERRIDES, ["revert"])), **options)
    equal((new.active, new.trial != b""), (RECORD.active, True))
    return error.detail


def test_a_state_that_widens_goes_on_trial():
    pins = [pin(1), pin(2, backup=True), pin(3)]
    for changes in (
        (PIN_SETS, [{0: "web", 1: pins}, {0: "more", 1: [pin(4), pin(5)]}]),
        (ANCHORS, [anchor("A"), anchor("B", f3=3), anchor("C")]),
        (TRIAL, {1: 9}),
    ):
        new = offer(*changes)
        equal((new.active, new.fallback, new.sequence), (RECORD.active, b"", 2))
        equal((len(new.trial), new.trial_at), (32, NOW))
        equal(new.tries, 9 if changes[0] == TRIAL else 3)


def test_denying_a_key_narrows():
    equal(narrows(DENIED, b"\x07" * 32), "denied")


def test_dropping_or_shortening_a_pin_narrows():
    for pins in (
        [pin(3), pin(2, backup=True)],
        [pin(1, until=NOW + 8), pin(2)],
        [pin(1, since=7), pin(2)],
        [pin(1), pin(2, until=NOW)],
    ):
        equal(narrows(PIN_SETS, [{0: "web", 1: pins}]), "pin web")
    service = [{0: "web", 1: ["web.example"], 2: 443, 4: 2, 5: "net"}]
    narrows(PIN_SETS, [{0: "net", 1: [pin(1), pin(2)]}], SERVICES, service)


def test_dropping_or_narrowing_an_anchor_narrows():
    for anchors in (
        [anchor("A")],
        [anchor("A"), anchor("B", SPKI_2, **POLICY)],
        [anchor("A", f2=["h.example"]), anchor("B")],
        [anchor("A", f3=2), anchor("B")],
        [anchor("A", f4=5), anchor("B")],
        [anchor("A", f5=NOW + 99), anchor("B")],
        [anchor("A", f5=NOW + 99, f6=NOW), anchor("B")],
        [anchor("A", f7=b"\x30\x00"), anchor("B")],
        [anchor("A", f8=9), anchor("B")],
        [anchor("A"), anchor("B", f2=["h.example"])],
        [anchor("A"), anchor("B", f3=2)],
        [anchor("A"), anchor("B", f4=6)],
        [anchor("A"), anchor("B", f5=NOW + 8)],
        [anchor("A"), anchor("B", f8=1)],
    ):
        if 3 not in anchors[0] and 7 not in anchors[0] and 6 not in anchors[0]:
            equal(narrows(ANCHORS, anchors), "anchor")
        else:
            refused("update.revert_rule", ANCHORS, anchors)


def test_every_limit_of_an_anchor_narrows_alone():
    equal(offer(ANCHORS, [anchor("A"), anchor("B", **POLICY)]).trial != b"", True)
    for limit in (
        {"f2": ["h.example"]},
        {"f3": 2},
        {"f4": 6},
        {"f5": NOW + 8},
        {"f6": NOW},
        {"f7": NO_HOSTS},
        {"f8": 1},
    ):
        narrower = dict(POLICY)
        narrower.update(limit)
        equal(
            refused("update.revert_rule", ANCHORS, [anchor("A"), anchor("B", **narrower)]).detail,
            "anchor",
            str(limit),
        )


def test_changing_how_a_service_is_pinned_narrows():
    service = {0: "web", 1: ["web.example"], 2: 443, 5: "web"}
    equal(narrows(SERVICES, [service]), "service web")


def test_a_stricter_service_narrows_whatever_it_is_called():
    web = {0: "web", 1: ["web.example"], 2: 443, 4: 2, 5: "web"}
    for switch in ({7: True}, {8: True}, {9: True}, {10: 3600}):
        service = dict(web)
        service.update(switch)
        equal(narrows(SERVICES, [service]), "service web")
    # A server that was judged by one service is judged by another now.
    for moved in (
        {0: "new", 1: ["web.example"], 2: 443, 5: "web"},
        {0: "new", 1: ["*.example"], 5: "web"},
    ):
        probes = [{0: "new", 1: "web.example", 2: 443}]
        equal(narrows(SERVICES, [moved], PROBES, probes), "service new")
    # Others are nobody's loss.
    for other in (
        {0: "new", 1: ["other.example"], 2: 443, 5: "web"},
        {0: "new", 1: ["web.example"], 2: 8443, 5: "web"},
    ):
        equal(offer(SERVICES, [web, other], PARTIAL, True).trial != b"", True)


def test_what_happens_when_pins_expire_narrows():
    sets = [{0: "web", 1: [pin(1, until=NOW + 9), pin(2, backup=True)], 2: 1}]
    before = (
        ANCHORS,
        [anchor("A")],
        PIN_SETS,
        sets,
        SERVICES,
        [{0: "web", 1: ["w.example"], 5: "web"}],
    )
    record, current = first(*before)
    without = [{0: "web", 1: [pin(1, until=NOW + 9), pin(2, backup=True)]}]
    data = message("state", state(*(before + (SEQUENCE, 2, PIN_SETS, without))), ("a1",))
    error = refuses("update.revert_rule", lambda: accept(record, data, (current,)))
    equal(error.detail, "on_expiry web")


def test_changing_the_signers_narrows():
    detail = narrows(AUTHORITY, authority("c1"), signers=["a1", "c1"])
    equal(detail, "signers")


def test_a_state_compares_with_what_the_device_would_revert_to():
    # On trial is a state with pin 3; the confirmed one never had it.
    more = [{0: "web", 1: [pin(1), pin(2), pin(3)]}]
    on_trial = offer(PIN_SETS, more)
    new = offer(SEQUENCE, 3, record=on_trial)
    equal((new.active, new.sequence), (RECORD.active, 3))
    equal(new.trial != on_trial.trial, True)


def test_without_a_state_to_revert_to_the_new_one_is_active_at_once():
    new = offer(DENIED, b"\x07" * 32, loaded=())
    equal((new.trial, new.active != RECORD.active), (b"", True))
