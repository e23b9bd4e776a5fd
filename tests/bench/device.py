# SPDX-License-Identifier: MIT
"""What the bench runs on MicroPython: one operation, timed, in a fresh interpreter.

    micropython -m device OPERATION REFERENCE REPEATS      # REFERENCE "-": none

Prints `us OPERATION REFERENCE` (best of the repeats, the two taking turns; 0 without reference),
then `loaded BYTES`: what is on the heap once everything but loaded code is given back.
"""

import gc
import sys
import time


def _prepare(operation):
    name, *arguments = operation.split(":")
    if name == "judge":
        from verdict import judging

        return judging(*arguments)
    from operations import OPERATIONS

    return OPERATIONS[name](*arguments)


def _timed(function):
    gc.collect()
    start = time.ticks_us()
    if function() is not True:
        raise ValueError("the operation failed")
    return time.ticks_diff(time.ticks_us(), start)


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
    ecdsa = sys.modules.get("trustanchor.ecdsa")
    if ecdsa:
        ecdsa._curves.clear()
    gc.collect()
    print("loaded", gc.mem_alloc())


main(*sys.argv[1:])
