# SPDX-License-Identifier: MIT
"""Plans of a rehearsal in a few words, for tests: days as text, one server, literal states.

kept, moved = sent("old", *days[:2], leaf), sent("new", *days[1:], other)
states = [fleet("7", state(pins=[...]), "2027-01-01")]
told(plan("2027-01-01", "2027-06-01", states, kept, moved))
"""

import datetime
from typing import Any

from host_tools.rehearsal import evaluate, findings
from host_tools.rehearsal.plan import FOREVER, FleetState, Plan, Sent, Server
from tests.certs import pki
from trustanchor.kinds import MODE_ANCHORS, MODE_KEY, MODE_PATH
from trustanchor.state.anchors import AnchorList
from trustanchor.state.model import PinSet, Service, TrustState

DAY = 86400
HOST = "api.example.com"


def at(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text + "T00:00:00+00:00").timestamp())


def dates(first: str, last: str) -> dict[str, Any]:
    return {
        "not_before": pki.utc(at(first)),
        "not_after": pki.utc(at(last) - 1),
    }


def state(*, pins=(), anchors=(), issued="2016-01-01", mode=None, digest=b"\x07", **fields):
    mode = mode if mode is not None else MODE_PATH if anchors and pins else (
        MODE_ANCHORS if anchors else MODE_KEY
    )  # fmt: skip
    service = Service("api", [HOST], mode=mode, pin_set="pins" if pins else None)
    sets = (PinSet("pins", list(pins)),) if pins else ()
    return TrustState(
        (service,),
        sets,
        AnchorList(list(anchors)),
        payload_digest=digest * 32,
        issued_at=at(issued),
        **fields,
    )


def fleet(name, made, begins, ends=None, clocks=("known",), **more):
    last = FOREVER if ends is None else at(ends)
    return FleetState(name, made, b"", at(begins), last, clocks=clocks, **more)


def sent(name, begins, ends, *chain):
    return Sent(name, tuple(one.der for one in chain), at(begins), at(ends))


def plan(begins, ends, states, *chains, planned=frozenset()):
    server = Server("api", HOST, 443, chains)
    return Plan(at(begins), at(ends), tuple(states), (server,), planned)


def told(made: Plan) -> list[tuple[str, str, str, str]]:
    """(state, chain, code, day) of every finding."""
    found = findings.findings(made, evaluate.evaluate(made))
    days = [datetime.datetime.fromtimestamp(one.at, datetime.UTC).date() for one in found]
    return [
        (one.state, one.chain, one.code, str(day)) for one, day in zip(found, days, strict=True)
    ]
