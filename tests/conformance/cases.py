# SPDX-License-Identifier: MIT
"""Decide test vectors on the interpreter this runs on; the same code on CPython and MicroPython.

    micropython -X heapsize=100K tests/conformance/cases.py FOLDER CASES SKIP COUNT

FOLDER holds the package trustanchor, compiled as a board has it.

CASES holds one case after the other, written by run.py: a line of JSON, whose "bytes" says how
many byte strings follow and how long each is. The first SKIP cases are passed over. For each of
the next COUNT one line is printed: its number, its milliseconds, and "ok" or the refusal code.
What is no coded refusal is "crash" and counts as a disagreement.
"""

import gc
import json
import sys
import time

if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])

import trustanchor.limits as limits
from trustanchor.errors import TrustError


class Stored:
    """Byte strings that stay in the file until they are asked for.

    A chain above limits.CHAIN_BYTES never reaches a device's RAM, but some suites have them: they
    are read one certificate at a time, as preloaded intermediates are from flash.
    """

    def __init__(self, file, ends, first, last):
        self.file = file
        self.ends = ends  # ends[i] is where number i begins and i - 1 ends
        self.first = first
        self.last = last

    def __len__(self):
        return self.last - self.first

    def __getitem__(self, index):
        if isinstance(index, slice):
            start, stop, _ = index.indices(len(self))
            return Stored(self.file, self.ends, self.first + start, self.first + stop)
        if not 0 <= index < len(self):
            raise IndexError(index)
        start, end = self.ends[self.first + index : self.first + index + 2]
        if end - start > limits.CERTIFICATE_BYTES:
            return TooLong(end - start)
        self.file.seek(start)
        return self.file.read(end - start)


class TooLong:
    """A certificate that is refused by its length: on 100 KB its bytes are not read."""

    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length


def decide(case, blobs) -> str:
    """Return "ok" or the code of the refusal."""
    try:
        return _decide_signature(blobs) if case.get("signature") else _decide_path(case, blobs)
    except TrustError as error:
        return error.code


def _decide_signature(blobs) -> str:
    from trustanchor.crypto import signatures

    return "ok" if signatures.verify(*blobs) else "sig.invalid"


def _decide_path(case, blobs) -> str:
    """Judge blobs = roots, the leaf, the intermediates, for a service in mode anchors."""
    from trustanchor.kinds import CLIENT_AUTH, MODE_ANCHORS, SERVER_AUTH
    from trustanchor.state.anchors import AnchorList
    from trustanchor.state.derive import anchor_of
    from trustanchor.state.local import LocalState
    from trustanchor.state.model import Asked, Service, TrustState
    from trustanchor.verdict.path import Question
    from trustanchor.verdict.policy import judge

    anchors = []
    refused = None
    for root in blobs[: case["roots"]]:
        # In these suites a root is a certificate with dates that count.
        try:
            anchors.append(anchor_of(root, dates=True, purposes=SERVER_AUTH | CLIENT_AUTH))
        except TrustError as error:
            refused = error.code
    if refused and not anchors:
        return refused
    peer = case["peer"]
    purpose = CLIENT_AUTH if case["client"] else SERVER_AUTH
    service = Service("case", None, purpose=purpose, mode=MODE_ANCHORS, peer_name=peer)
    state = TrustState((service,), anchors=AnchorList(anchors))
    usual = Question.max_intermediates
    if case["depth"] is not None:
        Question.max_intermediates = case["depth"]
    try:
        chain = blobs[case["roots"] :]
        return judge(chain, Asked(service, peer), (case["at"], True), state, LocalState()).code
    finally:
        Question.max_intermediates = usual


def _ticks_ms() -> int:
    return time.ticks_ms() if hasattr(time, "ticks_ms") else time.monotonic_ns() // 1_000_000


def main(path, skip, count) -> None:
    # Code first, as on a board that has had a verdict. The heap does not move: what is loaded in
    # the middle of a case stays in the middle.
    for name in (
        "state.anchors",
        "state.local",
        "verdict.policy",
        "verdict.path",
        "crypto.signatures",
        "crypto.ecdsa",
    ):
        __import__("trustanchor." + name)
        gc.collect()
    from trustanchor.crypto import ecdsa

    ecdsa.curve(256)
    gc.collect()
    number = 0
    with open(path, "rb") as file:
        while True:
            line = file.readline()
            if not line or number == skip + count:
                return
            case = json.loads(line)
            if number < skip:
                file.seek(sum(case["bytes"]), 1)
                number += 1
                continue
            ends = [file.tell()]
            for length in case["bytes"]:
                ends.append(ends[-1] + length)
            stored = Stored(file, ends, 0, len(ends) - 1)
            small = ends[-1] - ends[0] <= limits.CHAIN_BYTES
            blobs = [stored[i] for i in range(len(stored))] if small else stored
            gc.collect()
            start = _ticks_ms()
            try:
                code = decide(case, blobs)
            except Exception as error:  # noqa: BLE001 - any other exception is what is looked for
                code = "crash " + type(error).__name__
                if hasattr(sys, "print_exception"):
                    sys.print_exception(error, sys.stderr)
            spent = (_ticks_ms() - start) & 0x3FFFFFFF  # MicroPython's ticks wrap around
            print(number, spent, code)
            file.seek(ends[-1])
            number += 1


if __name__ == "__main__":
    main(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
