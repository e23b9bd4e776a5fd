# SPDX-License-Identifier: MIT
"""The verdict over a chain that run.py has written: apart and short: its heap is measured."""

from trustanchor.local import LocalState
from trustanchor.policy import judge
from trustanchor.state import Asked, Pin, PinSet, Service, TrustState


def judging(name, *how):
    """A verdict over the chain of a file that run.py has written."""
    with open("build/bench/" + name, "rb") as file:
        mode, at, ends, code = file.readline().split()
        blobs = [file.read(int(length)) for length in ends.split(b",")]
    if name.endswith(".bundle"):
        from verdict_how import from_bundle

        del blobs[:2]
        state = from_bundle(name)
    else:
        pins = PinSet("pins", (Pin(blobs.pop(0)), Pin(blobs.pop(0), True)))
        anchors = ()
        if mode == b"0":
            from trustanchor.anchors import Anchor, AnchorList

            anchors = AnchorList([Anchor(blobs.pop(0), blobs.pop(0))])
        service = Service("web", ("www.example.net",), mode=int(mode), pin_set="pins")
        state = TrustState((service,), (pins,), anchors, payload_digest=b"d" * 32)
    question = blobs, Asked(state.services[0], "www.example.net", 443), (int(at), True), state
    local = LocalState()
    if how:
        from verdict_how import prepare

        prepare(how[0], name, local, question)

    def run():
        verdict = judge(*question, local)
        if verdict.code.encode() != code or verdict.cached is not ("cached" in how):
            raise ValueError(verdict.code)
        return True

    return run
