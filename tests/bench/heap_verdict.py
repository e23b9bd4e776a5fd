# SPDX-License-Identifier: MIT
"""One verdict, once: what its smallest heap is measured with. This file's own heap counts too.

micropython -m heap_verdict CHAIN[:HOW]
"""

import gc
import sys

gc.threshold(1024)  # type: ignore[attr-defined] # as trustanchor sets it for who imports from it
name, _, how = sys.argv[1].partition(":")
if how or name.endswith(".bundle"):
    __import__("verdict_how").judging(name, how)()
else:
    __import__("verdict").judging(name)()
print("passed")
