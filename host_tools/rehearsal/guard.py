# SPDX-License-Identifier: MIT
"""Whether a draft strands devices of a fleet: the plan is rehearsed with the draft in it.

    found = strandings(plan.load(path), draft)    # [] when nobody is stranded

The draft becomes the newest state of the plan: devices get it from its issued_at on and keep it,
with every condition of the clock. Its signatures, which nobody has made yet, are taken as valid;
those of the bundles in the plan are verified.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from host_tools.cli.errors import HostError
from host_tools.rehearsal import evaluate, findings
from host_tools.rehearsal.findings import Finding
from host_tools.rehearsal.plan import FOREVER, USUAL_CLOCKS, FleetState, Plan
from host_tools.signing import rehearsal
from host_tools.signing.describe import time_text
from host_tools.signing.draft import Draft
from trustanchor.encoding.cbor import BytesSource
from trustanchor.update import bundle
from trustanchor.update.cose import Message


def strandings(plan: Plan, made: Draft) -> list[Finding]:
    """Who loses a server, or does not take the draft, in a plan that ends with it."""
    content = rehearsal.as_if_signed(made).file()
    state: Any = bundle.parse(BytesSource(content))
    begins = max(plan.begins, state.issued_at)
    if begins >= plan.ends:
        raise HostError(
            f"The plan ends on {time_text(plan.ends)}, before the draft is issued: set its until "
            "to the end of the time that the draft has to last.",
            "plan.over",
        )
    name = f"{state.epoch}/{state.sequence}"
    if any(one.name == name for one in plan.fleet):
        name += " (draft)"
    newest = FleetState(name, state, content, begins, FOREVER, clocks=USUAL_CLOCKS)
    whole = replace(plan, fleet=(*plan.fleet, newest))
    with _draft_signed(made.state.payload):
        return findings.findings(whole, evaluate.evaluate(whole))


def refusal(found: list[Finding]) -> str:
    """What is said to whoever may accept it: every stranding, the first one first."""
    return "\n".join(["Devices would be stranded:", *[one.sentence() for one in found]])


@contextlib.contextmanager
def _draft_signed(payload: bytes) -> Iterator[None]:
    """Inside, every signature over this payload is valid, and over no other."""
    genuine = Message.verifying

    def verifying(message: Message, signature: Any, public: Any) -> Any:
        start, end = message.payload
        if (
            end - start == len(payload)
            and bytes(message.source.read(start, end - start)) == payload
        ):
            return True
        return (yield from genuine(message, signature, public))

    Message.verifying = verifying  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        Message.verifying = genuine  # type: ignore[method-assign]
