# SPDX-License-Identifier: MIT
"""One operation of the bench, run once: what the smallest heap is measured with.

micropython -m heap OPERATION
"""

import gc
import sys

gc.threshold(1024)  # type: ignore[attr-defined] # as trustanchor sets it for who imports from it
name, *how = sys.argv[1].split(":")
if name == "judge":
    from verdict import judging as prepare  # type: ignore[import-not-found] # beside it there
else:
    from operations import OPERATIONS  # type: ignore[import-not-found]

    prepare = OPERATIONS[name]
if prepare(*how)() is not True:
    raise ValueError("the operation failed")
print("passed")
