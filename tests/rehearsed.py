# SPDX-License-Identifier: MIT
"""Random plans of signed bundles, and devices with the real store that live through them.

    made = signed_plan(seed)
    lives(made, folder, chance)     # one device, day by day: the codes it refused with
    refusal_of(made, one, folder)   # a device put where a stranding is said to be: its code

The device is the real Store on a folder, with a clock and an NVS of tests/portable; bundles
and certificates are really signed. TLS is left out: a chain is judged and the verdict joined, as a
completed handshake does.
"""

import random
import shutil
from pathlib import Path

from stand_in import Clock, Nvs

from host_tools.rehearsal import evaluate
from host_tools.rehearsal.evaluate import Stretch
from host_tools.rehearsal.plan import FOREVER, FleetState, Plan, Sent, Server
from host_tools.signing.bundle_encode import Authority, Description, KeySigner, encode_state, sign
from tests.certs import pki
from trustanchor.encoding.cbor import BytesSource
from trustanchor.errors import TrustError
from trustanchor.kinds import MODE_KEY, MODE_PATH
from trustanchor.state import derive
from trustanchor.state.model import Asked, Pin, PinSet, Service
from trustanchor.store.trust_store import Store
from trustanchor.update import bundle
from trustanchor.verdict.policy import judge

DAY, HOST, PORT, DAYS = 86400, "api.example.com", 443, 40
START = 1798761600  # 2027-01-01
SIGNER, BACKUP = KeySigner(pki.make_key()), KeySigner(pki.make_key())


def signed_plan(seed: int) -> Plan:
    """Three states, three chains, forty days: about every other one strands somebody."""
    chance = random.Random(seed)

    def day(low: int, high: int) -> int:
        return START + chance.randrange(low, high) * DAY

    roots = [pki.authority(f"Root {number}") for number in range(2)]
    keys = [pki.make_key() for _ in range(2)]
    switch, over = day(10, 20), day(20, 30)
    chains = []
    for number, (begins, ends) in enumerate(
        ((START, over), (switch, START + DAYS * DAY), (over, START + DAYS * DAY))
    ):
        issuer = chance.choice(roots)
        leaf = pki.end_entity(
            HOST,
            issuer=issuer,
            key=keys[min(number, 1) if chance.random() < 0.9 else 0],
            not_before=pki.utc(begins - 2 * DAY),
            not_after=pki.utc(ends + chance.choice((-3, 2, 9)) * DAY)
            if chance.random() < 0.3
            else pki.utc(ends + 90 * DAY),
        )
        chains.append(Sent(f"c{number}", (leaf.der,), begins, ends))
    states = []
    reached = START
    for number in range(3):
        mode = chance.choice((MODE_KEY, MODE_PATH))
        chosen = keys if chance.random() < 0.9 else [keys[0], pki.make_key()]
        until = day(20, 60) - 1 if chance.random() < 0.15 else None
        pins = [
            Pin(pki.spki_sha256(key), place == 1, None, until if place == 0 else None)
            for place, key in enumerate(chosen)
        ]
        trusted = roots if chance.random() < 0.9 else roots[:1]
        described = Description(
            sequence=number + 1,
            issued_at=reached - DAY,
            authority=Authority([(1, [SIGNER])]),
            backup=Authority([(1, [BACKUP])]),
            services=[Service("api", [HOST], mode=mode, pin_set="pins")],
            pin_sets=[PinSet("pins", pins)],
            anchors=[derive.anchor_of(root.der) for root in trusted] if mode == MODE_PATH else [],
            never_reverts=True,
        )
        content = sign("state", encode_state(described), [SIGNER])
        ends = reached + chance.randrange(12, 25) * DAY if number < 2 else FOREVER
        parsed = bundle.parse(BytesSource(content))
        clocks = ("known", "floor", "unset")
        states.append(FleetState(f"s{number}", parsed, content, reached, ends, clocks=clocks))
        reached += chance.randrange(3, 12) * DAY
    server = Server("api", HOST, PORT, tuple(chains))
    return Plan(START, START + DAYS * DAY, tuple(states), (server,))


class Board:
    """A device: a folder, an NVS and a clock that the test sets."""

    def __init__(self, folder: Path, one: FleetState) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self.folder = folder
        self.clock, self.nvs = Clock(one.begins, 2), Nvs()
        self.store = Store(self.clock, str(folder), self.nvs)
        self.store.provision(one.content)
        self.boots()

    def boots(self) -> None:
        self.store = Store(self.clock, str(self.folder), self.nvs)
        self.store.load()

    def shows(self, at: int, clock: str) -> None:
        self.clock.unix_s, self.clock.known = (at, 1) if clock == "known" else (0, 0)

    def meets(self, chain: Sent) -> str:
        """The code of a handshake, which is completed and joined if it is accepted."""
        store = self.store
        asked = Asked(store.state.find_service(host=HOST, port=PORT), HOST, PORT)
        verdict = judge(
            list(chain.certificates), asked, self.clock.now(), store.state, store.local
        )
        if verdict.accepted:
            store.join(verdict, asked)
        return verdict.code


def lives(made: Plan, folder: Path, chance: random.Random) -> list[str]:
    """What one device refused in its life: it starts with some state, restarts now and then, is
    updated on some day before its state is gone, and meets some chain four times a day."""
    number = chance.randrange(len(made.fleet))
    clock = chance.choice(("known", "unset"))
    board = Board(folder, made.fleet[number])
    refused = []
    for at in range(made.fleet[number].begins, made.ends, DAY):
        board.shows(at, clock)
        if chance.random() < 0.2:
            board.boots()
        out = [n for n in range(number + 1, len(made.fleet)) if made.fleet[n].begins <= at]
        if out and (at >= made.fleet[number].ends or chance.random() < 0.2):
            number = chance.choice(out) if at < made.fleet[out[0]].ends else out[-1]
            try:
                board.store.install(made.fleet[number].content)
            except TrustError as error:
                refused.append(error.code)
                return refused
        sent = [one for one in made.servers[0].chains if one.begins <= at < one.ends]
        for _ in range(4):
            code = board.meets(chance.choice(sent))
            if code != "ok":
                refused.append(code)
    return refused


def refusal_of(made: Plan, one: Stretch, folder: Path, at: int) -> str:
    """The code with which a device refuses at `at` that is as a stranding says."""
    fleet = {state.name: state for state in made.fleet}
    board = Board(folder, fleet[one.state])
    store = board.store
    store.write(store.record.but(retired=one.retired))
    board.boots()
    board.shows(at, one.clock)
    # As high as accepted leaves may raise it: whether these do is left to chance.
    board.store.local.bound = evaluate.asked_at(fleet[one.state].state, one.clock, at)[1]
    return board.meets(next(c for c in made.servers[0].chains if c.name == one.chain))
