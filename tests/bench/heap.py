# SPDX-License-Identifier: MIT
"""One operation of cryptography, run once: what the smallest heap is measured with.

micropython -m heap OPERATION
"""

import gc
import sys

gc.threshold(1024)  # type: ignore[attr-defined] # as trustanchor sets it for who imports from it
name, *how = sys.argv[1].split(":")
from operations import OPERATIONS  # type: ignore[import-not-found] # noqa: E402 - beside it there

if OPERATIONS[name](*how)() is not True:
    raise ValueError("the operation failed")
print("passed")
