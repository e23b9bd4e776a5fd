# SPDX-License-Identifier: MIT
"""The verdict over a chain that run.py has written. Apart and short: its heap is measured."""

from trustanchor.state.local import LocalState
from trustanchor.state.model import Asked, Pin, PinSet, Service, TrustState
from trustanchor.verdict.policy import judge


def read(name):
    """Return ([pin, pin, (anchor's name, its key,) chain ...], mode, at, code)."""
    with open("build/bench/" + name, "rb") as file:
        mode, at, ends, code = file.readline().split()
        return [file.read(int(length)) for length in ends.split(b",")], int(mode), int(at), code


def asked_of(blobs, mode):
    """Take pins and anchor off blobs: what is left is the chain. Return (Asked, TrustState)."""
    pins = PinSet("pins", (Pin(blobs.pop(0)), Pin(blobs.pop(0), True)))
    anchors = ()
    if not mode:
        from trustanchor.state.anchors import Anchor, AnchorList

        anchors = AnchorList([Anchor(blobs.pop(0), blobs.pop(0))])
    service = Service("pins", ("www.example.net",), None, 1, mode, "pins")
    state = TrustState((service,), (pins,), anchors, payload_digest=b"d" * 32)
    return Asked(service, "www.example.net", 443), state


def judging(name):
    """Return the function that judges, and returns True if the verdict is what the file says."""
    blobs, mode, at, code = read(name)
    asked, state = asked_of(blobs, mode)
    local = LocalState()

    def run():
        verdict = judge(blobs, asked, (at, True), state, local)
        if verdict.code.encode() != code:
            raise ValueError(verdict.code)
        return True

    return run
