# SPDX-License-Identifier: MIT
"""How little flash a store lives in: a whole life on ever smaller volumes, with 4 KB blocks.

    micropython -X heapsize=1M tests/powercut/space.py

Prints, with and without NVS and for two sizes of bundle, the smallest volume in KB and what of
it is neither the two bundles nor LittleFS's own root.
"""

import sys

HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
sys.path[:0] = [HERE, HERE + "/../portable", HERE + "/../../firmware"]

import vfs  # noqa: E402
from flash import BLOCK, Flash, blank  # noqa: E402
from powercut import Device, _learn  # noqa: E402
from scratch import key  # noqa: E402
from stand_in import Verdict, asked, bundle  # noqa: E402

from trustanchor.errors import StoreError  # noqa: E402
from trustanchor.limits import KEY_TABLE_BYTES  # noqa: E402

PINS = ("one", "two", "three")
ROOT_BLOCKS = 2  # littlefs' superblock and root folder, there before the store


def lives(blocks, nvs, size):
    """True when everything a store does works on a volume of so many blocks."""
    image = blank(blocks)
    vfs.VfsLfs2.mkfs(Flash(image))
    device = Device(image, {} if nvs else None)
    try:
        device.store().provision(bundle(1, pins=PINS, size=size))
        store = device.booted()
        for sequence in range(2, 6):
            store.install(bundle(sequence, pins=PINS + (str(sequence),), trial=2, size=size))
            store.join(Verdict(store, "one"), asked(store))
            store = device.booted()
            store.tables().keep(key(str(sequence)), b"t" * KEY_TABLE_BYTES)
            store.tick()
        store.install(bundle(6, pins=("two", "three"), size=size))
        store.join(Verdict(store, "three"), asked(store))
        _learn(store, 1)
        return store.problem is None and device.booted().state.sequence == 6
    except (OSError, StoreError):
        return False
    finally:
        device.off()


def main():
    print("%-12s %8s %12s %22s" % ("record in", "bundle", "smallest KB", "KB beside two bundles"))
    for nvs in (True, False):
        for size in (3600, 65000):
            blocks = 4 + 2 * (size // BLOCK)
            while not lives(blocks, nvs, size):
                blocks += 1
            whole = -(-size // BLOCK)
            beside = blocks - ROOT_BLOCKS - 2 * whole
            where = "NVS, folder" if nvs else "two folders"
            print("%-12s %8d %12d %22d" % (where, size, 4 * blocks, 4 * beside))


main()
