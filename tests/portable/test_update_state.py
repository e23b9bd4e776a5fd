# SPDX-License-Identifier: MIT
"""The whole of a new state keeps its rules before it is accepted (SPEC.md S1 to S5, U15, U16)."""

# isort: skip_file
from updating import accept, first
from bundling import (
    ANCHORS, PARTIAL, PIN_SETS, PROBES, REVERT, SEQUENCE, SERVICES, SPKI_1, SPKI_2, anchor,
    message, pin, state,
)  # fmt: skip
from check import equal, refuses

from trustanchor.state.local import retired_entry

RECORD, CURRENT = first()


def offer(*changes, record=RECORD):
    return accept(record, message("state", state(*((SEQUENCE, 2) + changes))), [CURRENT])[0]


def refused(code, *changes, **options):
    return refuses(code, lambda: offer(*changes, **options))


def test_without_a_probe_there_is_no_trial():
    new = offer(PROBES, None, PARTIAL, True)
    equal((new.trial, new.active != RECORD.active), (b"", True))


def test_every_enforced_service_has_a_probe_unless_the_state_is_partial():
    two = [
        {0: "web", 1: ["web.example"], 2: 443, 4: 2, 5: "web"},
        {0: "mail", 1: ["mail.example"], 4: 2, 5: "web"},
    ]
    refused("bundle.probe_missing", SERVICES, two)
    equal(len(offer(SERVICES, two, PARTIAL, True).trial), 32)
    equal(len(offer(SERVICES, two, PROBES, [{0: "web"}, {0: "mail"}]).trial), 32)
    equal(offer(SERVICES, two, REVERT, 1).trial, b"")


def test_a_probe_is_a_host_of_an_enforced_service():
    refused("service.host", PROBES, [{0: "web", 1: "other.example"}])
    wild = [{0: "web", 1: ["*.web.example"], 4: 2, 5: "web"}]
    refused("bundle.probe", SERVICES, wild)
    equal(len(offer(SERVICES, wild, PROBES, [{0: "web", 1: "a.web.example"}]).trial), 32)


def test_an_anchor_with_a_key_nobody_can_verify_is_refused():
    broken = SPKI_1[:-1] + b"\x00"
    refused("bundle.anchor", ANCHORS, [anchor("A", broken)])


def test_an_anchor_stands_once():
    refused("bundle.anchor_repeated", ANCHORS, [anchor("A"), anchor("B"), anchor("a")])
    both = [anchor("A"), anchor("B"), anchor("A", SPKI_2)]
    equal(len(offer(ANCHORS, both).trial), 32)


def test_the_rules_of_the_state_itself_hold():
    refused("pin.duplicate", REVERT, 1, PIN_SETS, [{0: "web", 1: [pin(1), pin(1)]}])
    refused("service.pin_set", REVERT, 1, PIN_SETS, [{0: "net", 1: [pin(1), pin(2)]}])


def test_a_server_has_hosts():
    refused("service.no_hosts", REVERT, 1, SERVICES, [{0: "web", 4: 2, 5: "web"}])


def test_the_retired_pins_fit_the_record():
    full = tuple(retired_entry(bytes((i,)) * 32) for i in range(100, 163))
    equal(len(offer(record=RECORD.but(retired=full)).retired), 63)
    more = full + (retired_entry(b"\x07" * 32),)
    refused("update.retired_full", record=RECORD.but(retired=more))
