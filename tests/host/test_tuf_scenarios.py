# SPDX-License-Identifier: MIT
"""The scenarios of the TUF conformance suite, and what stands for each of them here.

tuf-conformance asks every client of The Update Framework the same questions. A trust state is not
a repository: it has one role where TUF has four, and is one file, so mixing targets, snapshots and
mirrors cannot happen. What remains is below: a row a scenario, and the tests that answer it. The
key rotations are a table as in TUF (python-tuf, test_updater_key_rotations), run here.
"""

import ast
from pathlib import Path
from typing import Any

import pytest
from stand_in import Clock

from host_tools.signing.bundle_encode import Authority, Description, KeySigner, encode_state, sign
from tests.certs import pki
from trustanchor.encoding.cbor import BytesSource
from trustanchor.errors import TrustError
from trustanchor.kinds import CLOCK_KNOWN, MODE_KEY
from trustanchor.limits import BUILD_AT
from trustanchor.state import packing
from trustanchor.state.model import Pin, PinSet, Service
from trustanchor.store.trust_store import Store
from trustanchor.update import acceptance
from trustanchor.update.bundle import parse

TESTS = Path(__file__).resolve().parents[1]

# Scenario: the tests that answer it, file::test.
SCENARIOS: dict[str, tuple[str, ...]] = {
    "root: initial trusted metadata must verify": (
        "portable/test_update_first.py::test_an_unprovisioned_device_refuses_what_its_own_authority_did_not_sign",
    ),
    "root: an unsigned or wrongly signed successor is refused": (
        "host/test_bundle_attacks.py::test_every_flipped_byte_is_refused",
        "portable/test_update_signers.py::test_an_invalid_signature_refuses_the_bundle_though_enough_are_valid",
    ),
    "root: several versions are caught up one after the other": (
        "portable/test_update_links.py::test_three_changes_are_caught_up_from_one_file",
    ),
    "root: a missing version ends the walk": (
        "portable/test_update_links.py::test_a_missing_link_ends_the_walk",
    ),
    "root: signed by the old and the new threshold": (
        "portable/test_update_signers.py::test_a_new_authority_signs_together_with_the_old_one",
        "portable/test_update_links.py::test_a_link_is_signed_by_old_and_new",
    ),
    "rollback: an older version is refused": (
        "portable/test_update.py::test_another_state_with_the_same_sequence_is_a_rollback",
        "portable/test_update.py::test_a_lower_sequence_is_a_rollback_even_from_the_trial",
    ),
    "rollback: the same version again changes nothing": (
        "portable/test_update.py::test_the_same_state_again_is_current",
    ),
    "fast-forward: recovery by a rotation of the keys": (
        "host/test_bundle_attacks.py::test_a_rescue_undoes_what_a_stolen_signer_installed",
        "portable/test_update_rescue.py::test_a_fast_forwarded_sequence_is_recovered_from",
        "portable/test_update.py::test_after_the_last_sequence_only_a_new_epoch_helps",
    ),
    "threshold: fewer signatures than it are refused": (
        "portable/test_update_signers.py::test_two_of_three_is_not_met_by_one",
    ),
    "threshold: one key does not count twice": (
        "portable/test_update_signers.py::test_one_signer_does_not_count_twice",
        "portable/test_update_signers.py::test_an_authority_is_well_formed",
    ),
    "threshold: two key ids for one key do not count twice": (
        "portable/test_update_signers.py::test_an_authority_is_well_formed",
    ),
    "threshold: signatures of unknown keys": (
        "portable/test_update_signers.py::test_a_foreign_signature_refuses_the_bundle_though_enough_are_valid",
    ),
    "key rotation: 1-of-1 to 3-of-5": (
        "host/test_tuf_scenarios.py::test_a_rotation_is_accepted_as_tuf_accepts_it",
    ),
    "key rotation: revoked keys no longer count": (
        "portable/test_update_rescue.py::test_after_a_rescue_the_old_authority_counts_nowhere",
        "portable/test_update_links.py::test_a_forked_link_of_stolen_old_signers_leads_nowhere",
    ),
    "expiry: expired metadata is refused": (
        "portable/test_update_time.py::test_installed_up_to_the_second_it_expires",
    ),
    "expiry: what is installed goes on after its expiry, a successor is found": (
        "host/test_tuf_scenarios.py::test_what_expired_stays_in_use_until_its_successor_comes",
        "portable/test_update_time.py::test_expiry_counts_from_the_floor_while_the_clock_is_unknown",
    ),
    "freeze: a device says how old its state is": (
        "portable/test_policy_key.py::test_a_service_may_demand_a_young_state",
    ),
    "endless data: size limits end a download": (
        "host/test_bundle_attacks.py::test_hostile_bundle_sizes_end_early",
    ),
    "metadata: duplicate or unsorted keys, other types": (
        "portable/test_cbor.py::test_refuses_repeated_keys",
        "portable/test_cbor.py::test_refuses_keys_out_of_order",
    ),
    "metadata: unknown fields": (
        "portable/test_bundle_fields.py::test_an_addition_below_20_is_critical_and_from_20_on_is_ignored",
    ),
    "metadata: an unsupported version is refused": (
        "portable/test_bundle_fields.py::test_refuses_another_version",
    ),
    "keys: several algorithms": (
        "portable/test_bundle_signed_hybrid.py::test_ps256_and_es256_together",
        "portable/test_bundle_signed_hybrid.py::test_hss_and_es256_together",
    ),
    "nothing persists of an update that fails half way": (
        "portable/test_update_link_form.py::test_nothing_persists_unless_the_state_is_accepted",
        "host/test_bundle_attacks.py::test_an_attack_has_its_code_and_changes_nothing",
    ),
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_scenario_has_the_tests_it_names(scenario: str) -> None:
    for named in SCENARIOS[scenario]:
        file, _, test = named.partition("::")
        tree = ast.parse((TESTS / file).read_text())
        found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert test in found, named


class Device:
    product = None
    device_id = None


KEYS = [KeySigner(pki.make_key()) for _ in range(10)]
BACKUP = Authority([(1, [KeySigner(pki.make_key())])])


def payload(sequence: int, threshold: int, keys: list[int], **fields: Any) -> bytes:
    return encode_state(
        Description(
            sequence=sequence,
            issued_at=BUILD_AT,
            authority=Authority([(threshold, [KEYS[number] for number in keys])]),
            backup=BACKUP,
            services=[Service("web", ["web.example"], mode=MODE_KEY, pin_set="web")],
            pin_sets=[PinSet("web", [Pin(b"\x01" * 32), Pin(b"\x02" * 32)])],
            never_reverts=True,
            **fields,
        )
    )


ONE, FIVE, NEXT, OTHERS = [0], [0, 1, 2, 3, 4], [0, 1, 3, 4, 5], [5, 6, 7, 8, 9]

# (threshold, keys) before and after; who signs the successor, by number; what comes of it.
ROTATIONS = [
    ("1-of-1 key rotation", (1, ONE), (1, [1]), [1, 0], "ok"),
    ("1-of-1 key rotation, unused signatures", (1, ONE), (1, [1]), [2, 1, 3, 0], "foreign"),
    ("1-of-1 key rotation fail: no old key", (1, ONE), (1, [1]), [1], "threshold"),
    ("1-of-1 key rotation fail: no new key", (1, ONE), (1, [1]), [0], "threshold"),
    ("3-of-5, all signatures", (3, FIVE), (3, FIVE), FIVE, "ok"),
    ("3-of-5, three signatures", (3, FIVE), (3, FIVE), [0, 2, 4], "ok"),
    ("3-of-5 fail: two signatures", (3, FIVE), (3, FIVE), [2, 4], "threshold"),
    ("3-of-5, one key rotated out", (3, FIVE), (3, NEXT), [0, 3, 4], "ok"),
    ("3-of-5, one rotated out, it signs too", (3, FIVE), (3, NEXT), [0, 2, 4, 5, 3], "ok"),
    ("3-of-5 fail: rotated key counts for the old", (3, FIVE), (3, NEXT), [0, 2, 4], "threshold"),
    ("3-of-5 fail: new key counts for the new", (3, FIVE), (3, NEXT), [0, 4, 5], "threshold"),
    ("3-of-5, all keys rotated", (3, FIVE), (3, OTHERS), [0, 2, 4, 5, 6, 7], "ok"),
    ("threshold up", (1, ONE), (3, [1, 2, 3, 4, 5]), [0, 3, 4, 5], "ok"),
    ("threshold up fail: only the old one met", (1, ONE), (3, FIVE), [0, 1], "threshold"),
    ("threshold down", (3, FIVE), (1, ONE), [0, 1, 2], "ok"),
    ("threshold down fail: only the new one met", (3, FIVE), (1, ONE), [0], "threshold"),
]
CODES = {"foreign": "cose.signature_foreign", "threshold": "update.threshold", "ok": "ok"}


@pytest.mark.parametrize(
    ("before", "after", "signers", "outcome"),
    [row[1:] for row in ROTATIONS],
    ids=[row[0] for row in ROTATIONS],
)
def test_a_rotation_is_accepted_as_tuf_accepts_it(
    before: tuple[int, list[int]], after: tuple[int, list[int]], signers: list[int], outcome: str
) -> None:
    """One difference: TUF passes over signatures of unknown keys, here they refuse the bundle."""
    first = sign("state", payload(1, *before), [KEYS[number] for number in before[1]])
    record, _ = acceptance.accept(None, (), BytesSource(first), (BUILD_AT, 0), Device)
    successor = sign("state", payload(2, *after), [KEYS[number] for number in signers])
    loaded = (parse(BytesSource(first)),)
    kept = packing.pack(record)
    code = "ok"
    try:
        acceptance.accept(record, loaded, BytesSource(successor), (BUILD_AT, 0), Device)
    except TrustError as refusal:
        code = refusal.code
    assert code == CODES[outcome]
    assert packing.pack(record) == kept


def test_what_expired_stays_in_use_until_its_successor_comes(tmp_path: Path) -> None:
    clock = Clock(BUILD_AT + 3600, CLOCK_KNOWN)
    first = sign("state", payload(1, 1, ONE, expires_at=BUILD_AT + 86400), [KEYS[0]])
    Store(clock, str(tmp_path / "trust"), None).provision(first)
    clock.passes(10 * 86400)
    store = Store(clock, str(tmp_path / "trust"), None)
    store.load()
    assert store.state.sequence == 1
    late = sign("state", payload(2, 1, ONE, expires_at=BUILD_AT + 86400), [KEYS[0]])
    with pytest.raises(TrustError) as refusal:
        store.install(late)
    assert (refusal.value.code, store.state.sequence) == ("update.expired", 1)
    store.install(sign("state", payload(3, 1, ONE), [KEYS[0]]))
    assert store.state.sequence == 3
