# SPDX-License-Identifier: MIT
"""The rehearsal at length: random plans against brute force by day and against devices with the
real store, and its time on a large fleet.

PYTHONPATH=tests/portable python -m tests.bench.rehearsal [plans]
"""

import random
import sys
import tempfile
import time
from pathlib import Path

from host_tools.rehearsal import evaluate
from host_tools.rehearsal.plan import FleetState, Plan, Sent, Server
from tests import rehearsed
from tests.certs import pki
from tests.host import test_rehearse as small
from tests.model.world import remembered_signatures
from trustanchor.state import derive
from trustanchor.state.model import Pin

_YEAR = 365 * small.DAY


def fleet(states_of: int, servers_of: int, chains_of: int, backup: int | None = 2) -> Plan:
    """5 years; chains_of for each server; three pins with windows, of which the one at `backup` is
    a backup pin; three kinds of clock."""
    chance = random.Random(1)
    start = small.at("2027-01-01")
    roots = [pki.authority(f"Root {number}") for number in range(4)]
    middle = [pki.authority(f"Middle {n}", issuer=roots[n % 4]) for n in range(8)]
    keys = [pki.make_key() for _ in range(10)]
    servers = []
    for number in range(servers_of):
        chains = []
        for turn in range(chains_of):
            begins = start + turn * 5 * _YEAR // chains_of
            ends = start + (turn + 1) * 5 * _YEAR // chains_of + 30 * small.DAY
            issuer = chance.choice(middle)
            leaf = pki.end_entity(
                small.HOST,
                issuer=issuer,
                key=chance.choice(keys),
                not_before=pki.utc(begins - small.DAY),
                not_after=pki.utc(ends - 1),
            )
            chains.append(Sent(f"{turn}", (leaf.der, issuer.der), begins, ends))
        servers.append(Server(f"server {number}", small.HOST, 443, tuple(chains)))
    states = []
    for number in range(states_of):
        pins = [
            Pin(
                pki.spki_sha256(key), place == backup, None, start + chance.randrange(1, 8) * _YEAR
            )
            for place, key in enumerate(chance.sample(keys, 3))
        ]
        anchors = [derive.anchor_of(root.der) for root in roots]
        digest = bytes([number % 255 + 1])
        made = small.state(pins=pins, anchors=anchors, digest=digest, issued="2026-12-01")
        begins = start + number * 5 * _YEAR // states_of
        clocks = ("known", "floor", "unset")
        last = begins + 2 * _YEAR
        states.append(FleetState(str(number), made, b"", begins, last, clocks=clocks))
    return Plan(start, start + 5 * _YEAR, tuple(states), tuple(servers))


def safe_plans(wanted: int, folder: Path, lives: int = 4) -> tuple[int, list[int]]:
    """Return how many random plans were called safe, and the seeds of those in which a device
    refused something all the same."""
    safe, seed, refused = 0, 0, []
    while safe < wanted:
        made = rehearsed.signed_plan(seed)
        if all(one.accepted for one in evaluate.evaluate(made).stretches):
            safe += 1
            chance = random.Random(seed)
            if any(rehearsed.lives(made, folder, chance) for _ in range(lives)):
                refused.append(seed)
        seed += 1
    return safe, refused


def main() -> int:
    plans = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    wrong = [seed for seed in range(plans) if not small.agrees_with_brute_force(seed)]
    print(f"{plans} random plans against brute force by day: {len(wrong)} differ {wrong or ''}")
    with tempfile.TemporaryDirectory() as scratch, remembered_signatures():
        safe, refused = safe_plans(plans, Path(scratch) / "board")
    print(
        f"{safe} plans called safe, lived through by devices: {len(refused)} fail {refused or ''}"
    )
    # In the large one nothing is retired: every set of retired keys is a fleet of its own.
    for states_of, servers_of, chains_of, backup in ((50, 5, 4, 2), (1000, 10, 5, None)):
        large = fleet(states_of, servers_of, chains_of, backup)
        begun = time.process_time()
        outcome = evaluate.evaluate(large)
        spent = time.process_time() - begun
        print(
            f"{states_of} states x {servers_of * chains_of} chains over 5 years: "
            f"{outcome.moments} moments, {outcome.verdicts} verdicts, {spent:.1f} s of one core"
        )
    return 1 if wrong or refused else 0


if __name__ == "__main__":
    sys.exit(main())
