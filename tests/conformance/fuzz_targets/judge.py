# SPDX-License-Identifier: MIT
"""judge: mutated real chains; a Verdict comes back, and no key vouches for what it never signed.

A changed certificate fails its signature, which would hide every rule behind it. So each input is
judged behind a door that accepts all signatures first; what that accepts is judged in earnest.
The same input goes through the other modes, purposes and clocks, where only a Verdict may come
back and a pin nobody holds must not match.
"""

from tests.conformance.fuzz_targets import fixtures, real_cases
from trustanchor.crypto import signatures
from trustanchor.encoding.der import Reader
from trustanchor.errors import TrustError
from trustanchor.kinds import (
    CLIENT_AUTH,
    CLOCK_UNKNOWN,
    CLOCK_VERIFIED,
    MODE_ANCHORS,
    MODE_KEY,
    SEQUENCE,
)
from trustanchor.state.anchors import AnchorList
from trustanchor.state.derive import anchor_of
from trustanchor.state.local import LocalState
from trustanchor.state.model import Asked, Pin, PinSet, Service, TrustState
from trustanchor.verdict.policy import Verdict, judge
from trustanchor.x509.certificate import Certificate

HOST = "device.example"
CHAINS = (
    ("leaf", "inter_a"),
    ("leaf", "inter_b_expired", "inter_b", "inter_a"),
    ("leaf", "inter_constrained", "root_a"),
    ("leaf_sub", "sub", "inter_a"),
    ("leaf_of_root",),
)
_genuine = signatures.verifying


def named(name: str) -> bytes:
    return fixtures(f"fuzz/{name}.der")[0]


NOW = Certificate(named("leaf")).not_before + 3600
REAL = real_cases()
QUESTIONS = {case["chain"][0]: (case["peer"][1].lower(), case["t"]) for case in REAL}
ROOTS = {named("root_a"), named("root_b")}.union(*(case["roots"] for case in REAL))
NOBODY = (Pin(b"\x01" * 32), Pin(b"\x02" * 32, True))
KEYS = (Pin(Certificate(named("leaf")).spki_sha256), Pin(b"\x02" * 32, True))
STATE = TrustState(
    (
        Service("fuzz", None, mode=MODE_ANCHORS),
        Service("pins", None, pin_set="nobody"),
        Service("audit", None, pin_set="nobody", enforce=False),
        Service("key", None, mode=MODE_KEY, pin_set="keys", check_name=True, check_eku=True),
        Service("key", None, mode=MODE_KEY, pin_set="nobody"),
        Service(
            "client", None, mode=MODE_ANCHORS, purpose=CLIENT_AUTH, peer_name="device.example"
        ),
    ),
    (PinSet("nobody", NOBODY), PinSet("keys", KEYS)),
    AnchorList([anchor_of(root, purposes=3) for root in sorted(ROOTS)]),
)
ISSUED = {bytes(Certificate(der).tbs) for der in fixtures("fuzz/*.der")}
ISSUED |= {bytes(Certificate(der).tbs) for der in QUESTIONS}
# (host, time) to ask with, by the subject of the end entity; (HOST, NOW) for the made chains.
NAMES = {bytes(Certificate(leaf).subject): question for leaf, question in QUESTIONS.items()}


def seeds() -> list[bytes]:
    made = [b"".join(named(name) for name in chain) for chain in CHAINS]
    return made + [b"".join(case["chain"]) for case in REAL]


def accept_all(sig_alg, spki, message, signature, table=None):
    yield None
    return True


def verdict(chain: list[bytes]) -> Verdict:
    try:
        subject = bytes(Certificate(chain[0]).subject) if chain else b""
    except TrustError:
        subject = b""
    host, at = NAMES.get(subject, (HOST, NOW))
    return judged(chain, STATE.services[0], host, (at, True))


def judged(chain: list[bytes], service: Service, host: str | None, at: tuple) -> Verdict:
    found = judge(chain, Asked(service, host, 443), at, STATE, LocalState())
    assert found.accepted is (found.code == "ok"), found.code
    assert found.accepted or "." in found.code
    assert found.accepted or (found.path, found.peer_name, found.events) == (None, None, ())
    return found


def in_other_modes(chain: list[bytes]) -> None:
    for service in STATE.services[1:]:
        for host in (HOST, "192.0.2.1", None):
            for at in ((NOW, CLOCK_VERIFIED), (0, CLOCK_UNKNOWN)):
                found = judged(chain, service, host, at)
                if service.pin_set == "nobody":
                    assert found.pin is None and found.accepted is found.audited
                elif service.mode == MODE_KEY and found.accepted:
                    assert found.served == KEYS[0].spki_sha256
                elif service.purpose == CLIENT_AUTH and found.accepted:
                    assert found.peer_name == HOST and found.events == ()


def run(data: bytes) -> None:
    chain = split(data)
    signatures.verifying = accept_all
    try:
        found = verdict(chain)
        in_other_modes(chain)
    finally:
        signatures.verifying = _genuine
    assert found.accepted is (found.path is not None), found.code
    if found.accepted and verdict(chain).accepted:
        assert bytes(Certificate(chain[0]).tbs) in ISSUED


def split(data: bytes) -> list[bytes]:
    """The elements data is made of; what is left over is the last certificate."""
    chain: list[bytes] = []
    reader = Reader(data)
    while reader.more() and len(chain) < 12 and reader.peek() == SEQUENCE:
        start = reader.pos
        try:
            chain.append(bytes(reader.element(SEQUENCE)))
        except TrustError:
            chain.append(data[start:])
            break
    return chain
