# SPDX-License-Identifier: MIT
"""The one file that asks which Python this is.

Everything below it is written once and runs unchanged on MicroPython 1.25 or newer and on
CPython 3.11 or newer. A difference between the two is resolved here, by name.

Depends on: nothing of ours.
Heap: about 0.3 KB from a .mpy file.
"""

import sys

IS_MICROPYTHON = sys.implementation.name == "micropython"

try:
    from micropython import const
except ImportError:

    def const(value):
        """MicroPython's compiler folds `_NAME = const(...)` away; CPython keeps the name."""
        return value


try:
    from time import ticks_diff, ticks_ms
except ImportError:
    from time import monotonic  # type: ignore[attr-defined]

    def ticks_ms() -> int:
        """A clock for durations; MicroPython's wraps, so take differences with ticks_diff."""
        return int(monotonic() * 1000)

    def ticks_diff(later: int, earlier: int) -> int:  # type: ignore[no-redef]
        return later - earlier


def tidy() -> None:
    """Collect garbage before work that allocates a lot; does nothing on CPython.

    MicroPython's collector does not move objects: whatever is allocated between garbage stays
    there, and after a while no kilobyte is left in one piece. Called before, not when it is late.
    """
    if IS_MICROPYTHON:
        import gc

        gc.collect()


LOADING_BYTES = 1024  # for collect_every(): less makes an import slow, more leaves holes


def collect_every(count: int) -> int:
    """Let the collector run after count bytes were allocated; return what it was before.

    For the time of work that loads code: what is loaded then lies close together, instead of
    wherever the garbage of the moment left room. Nothing and 0 on CPython.
    """
    if not IS_MICROPYTHON:
        return 0
    import gc

    before = gc.threshold()
    gc.threshold(count)
    return before


def sha256(*parts: "bytes | bytearray | memoryview") -> bytes:
    """Return SHA-256 over the parts, one after the other, 32 bytes."""
    # Imported late: boot needs no hash before the first record is read.
    import hashlib

    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()


def forget(*names: str) -> None:
    """Let the heap have the code of these modules back, until somebody imports them again.

    For work in phases that a small heap does not hold together. CPython has the room, and its
    classes would no longer be equal to themselves.
    """
    if not IS_MICROPYTHON:
        return
    package = sys.modules[__name__[: __name__.rindex(".")]]
    for name in names:
        sys.modules.pop(package.__name__ + "." + name, None)
        # The package holds a module too, by name.
        if name in package.__dict__:
            delattr(package, name)
    tidy()


# Modules that hold what must not be begun anew, and what a store stands on: each with the name it
# defines last where that says whether it is whole.
_KEPT = {
    "trustanchor.compat": None,
    "trustanchor.errors": None,
    "trustanchor.limits": None,
    "trustanchor.state": None,
    "trustanchor.record": None,
    "trustanchor.local": None,
    "trustanchor.copies": None,
    "trustanchor.store": None,
    "trustanchor.clock": "_read",  # loaded with the first verdict, and has state
    "trustanchor.tap": None,
    "trustanchor.handshake": None,
    "trustanchor.client": None,
}


def recover() -> None:
    """After a MemoryError: give back the heap that lazily loaded code holds; it loads again.

    Allocates nothing before it has freed something.
    """
    if IS_MICROPYTHON:
        while _forgets_one():
            pass
        tidy()


def _forgets_one() -> bool:
    for name in sys.modules:
        if not name.startswith("trustanchor."):
            continue
        module = sys.modules[name]
        if name in _KEPT:
            last = _KEPT[name]
            if last is None or hasattr(module, last):
                continue
        del sys.modules[name]
        package = sys.modules["trustanchor"]
        for attribute in package.__dict__:
            if getattr(package, attribute) is module:
                delattr(package, attribute)  # the package holds a module too, by name
                break
        return True
    return False
