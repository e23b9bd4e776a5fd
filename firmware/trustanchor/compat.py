# SPDX-License-Identifier: MIT
"""The one file that asks which Python this is.

Everything below it is written once and runs unchanged on MicroPython 1.25 or newer and on
CPython 3.11 or newer. A difference between the two is resolved here, by name.

Depends on: nothing of ours.
Heap: about 0.3 KB from a .mpy file.
"""

import sys

IS_MICROPYTHON = sys.implementation.name == "micropython"

if IS_MICROPYTHON:
    import gc
    from time import ticks_diff, ticks_ms

    from micropython import const
else:
    from ._cpython import const, gc, ticks_diff, ticks_ms  # type: ignore # noqa: F401 - re-exported

# Collect garbage before work that allocates a lot; does nothing on CPython.
# MicroPython's collector does not move objects: whatever is allocated between garbage stays
# there, and after a while no kilobyte is left in one piece. Called before, not when it is late.
tidy = gc.collect


def collect_every(count: int = 1024) -> int:
    """Let the collector run after count bytes were allocated; return what it was before.

    For the time of work that loads code: what is loaded then lies close together, instead of
    wherever the garbage of the moment left room. Less than 1,024 makes an import slow, more leaves
    holes. Nothing and 0 on CPython.
    """
    before = gc.threshold()
    gc.threshold(count)
    return before


def collecting(steps, count: int = 1024):
    """Generator: run steps with collect_every(count) during each step, and not between them.

    MicroPython runs no `finally` of a generator that is abandoned: what a step has set it has to
    put back itself.
    """
    while True:
        before = collect_every(count)
        try:
            next(steps)
        except StopIteration as done:
            return done.value
        finally:
            collect_every(before)
        yield


def finish(steps):
    """Run a generator to its end; return what it returned."""
    try:
        while True:
            next(steps)
    except StopIteration as done:
        return done.value


def sha256(*parts: "bytes | bytearray | memoryview") -> bytes:
    """Return SHA-256 over the parts, one after the other, 32 bytes."""
    # Imported late: boot needs no hash before the first record is read.
    import hashlib

    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()


# A module ends with `_STAYS = True` when its code must not be given back to the heap: it holds
# what must not be begun anew, a store stands on it, or it is native, and an ESP32 has executable
# memory back only at a soft reset. Last in the file, so that half a module does not have it.


def forget(names: str) -> None:
    """Let the heap have the code of these modules back, until somebody imports them again.

    For work in phases that a small heap does not hold together, and after a MemoryError: next to
    nothing is allocated. A module is named without its folder: no two of the package have one
    name. CPython has the room, and its classes would no longer be equal to themselves.

    names   with spaces between them: a list, or the arguments of a call, would want a piece of
            heap at the very moment when there is none
    """
    if IS_MICROPYTHON:
        while _forgets_one(names):
            pass
        tidy()


def recover() -> None:
    """After a MemoryError: give back the heap that lazily loaded code holds; it loads again."""
    forget("")


def _forgets_one(names: str) -> bool:
    for path in sys.modules:
        name = path[path.rfind(".") + 1 :]
        at = names.find(name)
        size = len(name)
        while at >= 0 and (names[at - 1 : at] > " " or names[at + size : at + size + 1] > " "):
            at = names.find(name, at + 1)  # it was a part of a longer one
        if (at >= 0 or not names) and path.startswith("trustanchor.") and _may_go(path):
            _forget(path)
            return True  # the table has changed: it is looked through from the start
    return False


def _may_go(path) -> bool:
    # A folder holds the modules in it by name, and those may have to stay.
    module = sys.modules[path]
    return not hasattr(module, "_STAYS") and not hasattr(module, "__path__")


def _forget(path) -> None:
    module = sys.modules.pop(path)
    folder = sys.modules[path[: path.rfind(".")]]
    for attribute in folder.__dict__:
        if getattr(folder, attribute) is module:
            delattr(folder, attribute)  # the folder holds a module too, by name
            break


_STAYS = True
