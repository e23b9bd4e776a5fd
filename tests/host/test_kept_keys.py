# SPDX-License-Identifier: MIT
"""A real verdict through a store: its CA keys have tables in the next one, after a restart too."""

import time
from pathlib import Path

import pytest
from stand_in import Clock, SmallStore, bundle

from tests.certs.make_fixtures import FIXTURES
from trustanchor.crypto import _signatures_ecdsa, signatures
from trustanchor.kinds import CLOCK_KNOWN
from trustanchor.state.derive import anchor_of
from trustanchor.state.literals import literal
from trustanchor.state.model import Asked
from trustanchor.verdict.policy import Verdict, judge


def read(name: str) -> bytes:
    return (FIXTURES / "path" / f"{name}.der").read_bytes()


def booted(path: Path) -> SmallStore:
    """A store whose slot is a stand-in, and whose state is an anchor that judge() takes."""
    store = SmallStore(Clock(int(time.time()), CLOCK_KNOWN), str(path), None)
    if not path.exists():
        store.provision(bundle(1))
    store.load()
    state = literal((), [anchor_of(read("root_a"))])
    state.payload_digest = store.state.payload_digest
    store.state = state
    return store


def connects(store: SmallStore, port: int) -> Verdict:
    """Judge and join; every port is another remembered path, so that the verdict is cold."""
    asked = Asked(store.state.services[0], "device.example", port)
    chain = [read("leaf"), read("inter_a")]
    verdict = judge(chain, asked, store.clock.now(), store.state, store.local)
    assert verdict.code == "ok"
    assert verdict.cached is False
    assert store.join(verdict, asked)
    return verdict


def test_ca_keys_of_a_connection_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used = []
    genuine = _signatures_ecdsa.verifying

    def verifying(parameters, key, spki, bits, message, numbers, table, *more):
        used.append(table is not None and signatures.is_key_table(spki, table))
        return genuine(parameters, key, spki, bits, message, numbers, table, *more)

    monkeypatch.setattr(_signatures_ecdsa, "verifying", verifying)
    store = booted(tmp_path / "trust")
    for port in (1, 2):
        connects(store, port)
    assert used == [False] * 4
    store.tick()
    assert (tmp_path / "trust" / "tables").stat().st_size == 12 + 2 * (7 + 32 + 1041)
    for device in (store, booted(tmp_path / "trust")):
        used.clear()
        verdict = connects(device, 3 + (device is store))
        assert used == [True, True]
        assert verdict.path is not None
        assert device.local.key_table(verdict.path.keys[0]) is None
