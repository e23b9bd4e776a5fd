# SPDX-License-Identifier: MIT
"""Apply a bundle from flash, as a board does: run by tests/host/test_bundle_heap.py.

    micropython -X heapsize=64K tests/heap_update.py PACKAGES FOLDER NAME

FOLDER has `record`, the state in force as `current` (neither on an unprovisioned device), and the
bundle NAME. Prints the new position, or the code of the refusal.
"""

import os
import sys

sys.path.insert(0, sys.argv[1])


def source_of(path):
    from trustanchor.encoding.cbor import FileSource

    return FileSource(open(path, "rb"), os.stat(path)[6])


class Device:
    product = None
    device_id = None


def main(folder, name):
    from trustanchor.errors import TrustError
    from trustanchor.limits import BUILD_AT
    from trustanchor.state import packing
    from trustanchor.update import acceptance
    from trustanchor.update.prefix import Prefix

    position = None
    loaded: tuple = ()
    if "record" in os.listdir(folder):
        with open(folder + "/record", "rb") as file:
            position = packing.parse(file.read())
        current = Prefix(source_of(folder + "/current"))
        if current.payload_digest != position.active:
            raise ValueError("current is not what the record names")
        loaded = (current,)
    source = source_of(folder + "/" + name)
    try:
        new, _ = acceptance.accept(position, loaded, source, (BUILD_AT, 0), Device)
    except TrustError as refusal:
        print("refused", refusal.code)
    else:
        print("accepted", new.epoch, new.sequence)


main(sys.argv[2], sys.argv[3])
