# SPDX-License-Identifier: MIT
"""The verdict with real signatures behind the door."""

import time

from check import equal, false, fixture, true
from trustanchor.state.literals import literal
from trustanchor.state.local import LocalState
from trustanchor.state.model import Asked
from trustanchor.verdict.policy import judge, judging
from trustanchor.x509.certificate import Certificate

HOST = "device.example"


def read(name):
    return fixture("path/" + name + ".der")


def now():
    """Unix seconds; the epoch of a port may be another."""
    return int(time.time()) + (946684800 if time.gmtime(0)[0] == 2000 else 0)


def asked_of(roots, pins=()):
    from trustanchor.state.derive import anchor_of

    state = literal(pins, [anchor_of(read(root)) for root in roots])
    return state, Asked(state.services[0], HOST, 443)


def code(names, roots=("root_a",), pins=()):
    state, asked = asked_of(roots, pins)
    chain = [read(name) for name in names]
    return judge(chain, asked, (now(), True), state, LocalState()).code


def test_a_genuine_chain_is_accepted():
    equal(code(["leaf", "inter_a"]), "ok")
    equal(code(["leaf", "inter_a"], ["root_b"]), "path.no_issuer")


def test_a_forged_end_entity_with_the_genuine_intermediate_is_refused():
    equal(code(["leaf_forged", "inter_a"]), "path.bad_signature")


def test_a_forged_intermediate_is_refused():
    equal(code(["leaf", "inter_forged"]), "path.bad_signature")
    equal(code(["leaf", "inter_forged", "inter_a"]), "ok")


def test_a_cross_sign_serves_either_root_in_any_order():
    for names in (["leaf", "inter_a", "inter_b"], ["leaf", "inter_b", "inter_a"]):
        equal(code(names), "ok")
        equal(code(names, ["root_b"]), "ok")
    equal(code(["leaf", "inter_b_old", "inter_b"], ["root_b"]), "ok")
    equal(code(["leaf", "inter_b_old"], ["root_b"]), "path.expired")


def test_a_weak_algorithm_is_a_dead_end():
    equal(code(["leaf", "inter_weak"]), "sig.unsupported")
    equal(code(["leaf", "inter_weak", "inter_a"]), "ok")


def test_rsa_and_pss_chains_are_accepted():
    equal(code(["leaf_r", "inter_r"], ["root_r"]), "ok")
    equal(code(["leaf_r"], ["root_r"]), "path.no_issuer")


def test_an_end_entity_with_a_breakable_key_is_refused():
    equal(code(["leaf_rsa1024", "inter_a"]), "sig.key_size")


def test_pins_match_on_the_path():
    for name in ("leaf", "inter_a", "root_a"):
        key = Certificate(read(name)).spki_sha256
        equal(code(["leaf", "inter_a"], pins=[key, b"\x05" * 32]), "ok")
    key = Certificate(read("inter_r")).spki_sha256
    equal(code(["leaf", "inter_a"], pins=[key, b"\x05" * 32]), "pin.none_matched")


def test_a_cold_verdict_is_cut_into_slices():
    state, asked = asked_of(("root_a",))
    steps = judging([read("leaf"), read("inter_a")], asked, (now(), True), state, LocalState())
    slices = 0
    try:
        while True:
            next(steps)
            slices += 1
    except StopIteration as done:
        true(done.value.accepted)
        false(done.value.path is None)
    true(slices > 10)
