# SPDX-License-Identifier: MIT
"""A remembered path carries a verdict for exactly what it was remembered for, and nothing else.

The chains here are no certificates: a verdict that is accepted can only have come from the cache.
"""

import os
import sys

from scratch import empty_folder, key

from check import equal, false, true
from trustanchor.kinds import EVENT_PATH
from trustanchor.state.local import LocalState, retired_entry
from trustanchor.state.model import Asked, Pin, PinSet, Service, TrustState
from trustanchor.state.retired import retire
from trustanchor.store.cache import Cache
from trustanchor.store.learning import join
from trustanchor.verdict.mode_path import cache_key
from trustanchor.verdict.policy import judge

CHAIN = (b"leaf certificate", b"intermediate")
NOW = 1800000000
STATE = key("state")
KEYS = (key("leaf"), key("intermediate"), key("anchor"))


class Case:
    """A path remembered for www.example.net:443; each test changes one thing and asks again."""

    def __init__(self):
        self.chain: "tuple" = CHAIN
        self.host = "www.example.net"
        self.port: "int | None" = 443
        self.at = (NOW, True)
        self.service = Service("web", ("*.example.net",), pin_set="pins")
        self.make_state()
        folder = empty_folder("verdict")
        os.mkdir(folder)
        self.local = LocalState(memory=Cache(folder + "/cache"))
        self.remember(NOW - 1000, NOW + 1000)

    def make_state(self, payload_digest=STATE, **fields):
        pins = (Pin(KEYS[1], **fields), Pin(key("backup"), is_backup=True))
        self.state = TrustState(
            (self.service,), (PinSet("pins", pins),), payload_digest=payload_digest
        )

    def remember(self, valid_from, valid_until):
        name = cache_key(self.chain, self.asked(), self.at[1], self.state, self.local)
        self.local.memory.remember((EVENT_PATH, name, valid_from, valid_until, b"".join(KEYS)))

    def asked(self):
        return Asked(self.service, self.host, self.port)

    def judged(self):
        return judge(self.chain, self.asked(), self.at, self.state, self.local)

    def is_accepted(self):
        verdict = self.judged()
        equal(verdict.accepted, verdict.cached)
        return verdict.accepted


def test_a_cached_verdict_loads_no_signature_code():
    case = Case()
    names = [
        "trustanchor." + name
        for name in (
            "crypto.signatures",
            "verdict.path",
            "x509.certificate",
            "crypto.ecdsa",
            "crypto.rsa",
        )
    ]
    kept = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    try:
        verdict = case.judged()
        equal((verdict.code, verdict.cached, verdict.pin), ("ok", True, 0))
        for name in names:
            false(name in sys.modules, name)
    finally:
        sys.modules.update(kept)


def test_a_cached_verdict_has_no_events_and_moves_nothing():
    case = Case()
    case.make_state()
    verdict = case.judged()
    equal(verdict.events, ())
    true(join(case.local, verdict, case.state, NOW))
    equal(case.local.retired, ())


def test_it_is_for_one_host():
    case = Case()
    case.host = "mail.example.net"
    false(case.is_accepted())


def test_it_is_for_one_port():
    case = Case()
    case.port = 8443
    false(case.is_accepted())
    case.port = None
    false(case.is_accepted())


def test_it_is_for_one_purpose():
    case = Case()
    case.service = Service("peers", None, purpose=2, pin_set="pins", peer_name="*.example.net")
    false(case.is_accepted())


def test_it_is_for_one_state():
    case = Case()
    case.make_state(payload_digest=key("another state"))
    false(case.is_accepted())


def test_it_is_for_one_retired_set():
    case = Case()
    retire(case.local, (retired_entry(key("backup")),))
    false(case.is_accepted())


def test_it_is_for_a_known_clock_or_for_an_unknown_one():
    case = Case()
    case.at = (NOW, False)
    false(case.is_accepted())
    case.state.issued_at = NOW
    case.remember(0, NOW + 1000)
    true(case.is_accepted())
    case.at = (NOW + 1, True)
    case.local.memory._pending.pop(0)
    false(case.is_accepted())


def test_it_is_for_one_chain_in_one_order_and_one_framing():
    for chain in (
        (CHAIN[1], CHAIN[0]),
        CHAIN[:1],
        CHAIN + CHAIN[1:],
        (CHAIN[0] + CHAIN[1],),
        (CHAIN[0] + CHAIN[1][:1], CHAIN[1][1:]),
        (b"",) + CHAIN,
    ):
        case = Case()
        case.chain = chain
        false(case.is_accepted())


def test_host_and_port_can_not_be_shifted_into_each_other():
    seen = set()
    for host, port in (("a", 0x6162), ("ab", 0x61), ("", 0x6161), ("aba", None)):
        case = Case()
        case.host, case.port = host, port
        seen.add(cache_key(case.chain, case.asked(), True, case.state, case.local))
    equal(len(seen), 4)


def test_it_ends_with_the_path_and_has_not_begun_before_it():
    case = Case()
    for at, accepted in (
        (NOW - 1001, False),
        (NOW - 1000, True),
        (NOW + 1000, True),
        (NOW + 1001, False),
    ):
        case.at = (at, True)
        equal(case.is_accepted(), accepted, at)


def test_the_deny_list_counts_for_every_key_of_the_path():
    for denied in KEYS:
        case = Case()
        case.state.denied = key("someone") + denied
        false(case.is_accepted())


def test_a_pin_that_is_retired_or_over_does_not_match():
    case = Case()
    case.make_state(not_after=NOW - 1)
    false(case.is_accepted())
    case = Case()
    case.local.retired = (retired_entry(KEYS[1]),)
    case.remember(0, NOW + 1000)  # under the new retired set: the pins are still run
    false(case.is_accepted())


def test_it_survives_writing_and_a_restart_and_not_damage():
    case = Case()
    memory = case.local.memory
    true(memory.write_if_due(NOW, 0))
    true(case.is_accepted())
    case.local.memory = Cache(memory.path, NOW)
    true(case.is_accepted())
    with open(memory.path, "rb") as file:
        data = bytearray(file.read())
    data[-1] ^= 1
    with open(memory.path, "wb") as file:
        file.write(data)
    false(case.is_accepted())
    case.local.memory = Cache(memory.path, NOW)
    false(case.is_accepted())
