# SPDX-License-Identifier: MIT
"""First state and updates, decided by the board itself. Runs on the board (boards/talk.py).

The bundle is on flash already, as the store's own stage. One line of JSON says how it ended.

Depends on: the package.
"""

import gc
import json
import time

from trustanchor import Store, TrustError, clock


def _told(work):
    gc.collect()
    begun = time.ticks_ms()
    said = {"code": "ok", "detail": None}
    try:
        work()
    except TrustError as error:
        said["code"] = error.code
        said["detail"] = error.detail
    except MemoryError:
        said["code"] = "store.no_memory"
    said["ms"] = time.ticks_diff(time.ticks_ms(), begun)
    print(json.dumps(said))


def set_clock(unix_s):
    """The cable is as good as an accepted connection: who holds it holds the board."""
    clock.set(unix_s, True)


def provision(root, product, device_id):
    _told(lambda: Store(clock, root, True, product, device_id).provision(root + "/stage"))


def install(root, product, device_id):
    _told(lambda: Store(clock, root, True, product, device_id).install(root + "/stage"))


def erase(root):
    _told(lambda: Store(clock, root).erase())
