# SPDX-License-Identifier: MIT
"""Run portable test files on the interpreter this is started with; no test framework needed.

    micropython -X heapsize=100K tests/portable/run.py [--compiled=FOLDER ...] [test_der ...]

A FOLDER holds the package trustanchor, or these tests, compiled as a board has its code; what is
in none of them is run from source.
Without names every test_*.py beside this file is run, found by listing the folder. Prints one
line a failure and a count; exits 1 when a test failed or none ran.
"""

import gc
import os
import sys

HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
OPTION = "--compiled="
NAMES = [argument for argument in sys.argv[1:] if not argument.startswith(OPTION)]
COMPILED = [argument[len(OPTION) :] for argument in sys.argv[1:] if argument.startswith(OPTION)]
sys.path[0:0] = COMPILED + [HERE, HERE + "/../../firmware"]


# Values a test keeps are then not strewn over a heap full of garbage, whatever the machine.
if hasattr(gc, "threshold"):
    gc.threshold(2048)


def main(names):
    if not names:
        names = sorted(n[:-3] for n in os.listdir(HERE) if n.startswith("test_"))
    passed = failed = 0
    for name in names:
        module = __import__(name)
        for test in sorted(t for t in dir(module) if t.startswith("test_")):
            gc.collect()
            try:
                getattr(module, test)()
                passed += 1
            except Exception as error:  # noqa: BLE001 - a test may fail in any way
                failed += 1
                print("FAILED %s.%s" % (name, test))
                if hasattr(sys, "print_exception"):
                    sys.print_exception(error)
                else:
                    print(repr(error))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


sys.exit(main(NAMES))
