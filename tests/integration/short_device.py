# SPDX-License-Identifier: MIT
"""Connects with ever more of the heap free, and after each time once more with all of it.

    micropython -X heapsize=100K -m short_device cases.json

Prints "times outcome", a line for each outcome of the first, and for the second after "then". The
first of each pair has no code of the verdict loaded: imports, too, fail half way.
"""

import gc
import json
import sys

import trustanchor
from trustanchor.compat import forget

_STEP = 160


def attempt(tls, port):
    try:
        sock = tls.connect("127.0.0.1", port)
        sock.write(b"secret")
        sock.close()
    except trustanchor.Refused as refusal:
        return refusal.code
    return "ok"


def with_free(tls, port, free):
    ballast: tuple | None = None
    try:
        while gc.mem_free() > free:  # type: ignore[attr-defined]
            ballast = (ballast, bytearray(64))
    except MemoryError:
        pass
    try:
        return attempt(tls, port)
    except MemoryError:
        return "MemoryError"  # not even a refusal fits
    except Exception as error:  # noqa: BLE001 - exactly what is being looked for
        ballast = None
        return "raised " + repr(error)


def unload(loaded):
    for name in list(sys.modules):
        if name.startswith("trustanchor.") and name not in loaded:
            forget(name.rsplit(".", 1)[-1])


with open(sys.argv[1]) as file:
    case = json.load(file)
tls = trustanchor.Context(pins=case["pins"], timeout_s=10)
loaded = tuple(sys.modules)
seen: "dict[str, int]" = {}
for free in range(512, 28000, _STEP):
    unload(loaded)
    outcomes = with_free(tls, case["port"], free), "then " + with_free(tls, case["port"], 1 << 20)
    for outcome in outcomes:
        seen[outcome] = seen.get(outcome, 0) + 1
for outcome in seen:
    print(seen[outcome], outcome)
