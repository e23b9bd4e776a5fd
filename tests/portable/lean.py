# SPDX-License-Identifier: MIT
"""Imported first by tests that load much: compile without line numbers, keep the heap compact.

From source files everything a test loads is on the heap at once, where a board has .mpy files.
"""

try:
    import gc

    import micropython  # type: ignore[import-not-found]
except ImportError:
    pass  # CPython
else:
    micropython.opt_level(3)
    gc.threshold(1024)  # type: ignore[attr-defined]
