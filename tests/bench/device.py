# SPDX-License-Identifier: MIT
"""What the bench runs on MicroPython: one operation, timed, in a fresh interpreter.

    micropython -m device OPERATION REFERENCE REPEATS      # REFERENCE "-": none

Prints `us OPERATION REFERENCE` (best of the repeats, the two taking turns; 0 without reference),
then `loaded BYTES`: what is on the heap once everything but loaded code is given back.
"""

import gc
import sys
import time

_BATCH_S = 0.04


def _prepare(operation):
    name, *arguments = operation.split(":")
    if name == "judge":
        before = gc.threshold()
        is_plain = len(arguments) == 1 and not operation.endswith(".bundle")
        judging = __import__("verdict" if is_plain else "verdict_how").judging
        gc.threshold(before)  # its own is for the smallest heap
        return judging(*arguments)
    from operations import OPERATIONS

    return OPERATIONS[name](*arguments)


def _timed(function):
    """Microseconds of this process: what others do on the machine does not count."""
    gc.collect()
    runs = 0
    start = spent = time.clock()  # in milliseconds, so short operations are run again and again
    while spent - start < _BATCH_S:
        if function() is not True:
            raise ValueError("the operation failed")
        runs += 1
        spent = time.clock()
    return int(1000000 * (spent - start) / runs)


def main(operation, reference, repeats):
    runs = [_prepare(operation)]
    if reference != "-":
        runs.append(_prepare(reference))
    best = [1 << 29, 0 if len(runs) == 1 else 1 << 29]
    for _ in range(int(repeats)):
        for i, run in enumerate(runs):
            best[i] = min(best[i], _timed(run))
    print("us", best[0], best[1])
    runs = run = None
    # What an operation keeps to be quick (the parameters of a curve) is not code.
    ecdsa = sys.modules.get("trustanchor.crypto.ecdsa")
    if ecdsa:
        ecdsa._curves.clear()
    gc.collect()
    print("loaded", gc.mem_alloc())


main(*sys.argv[1:])
