# SPDX-License-Identifier: MIT
"""Install a bundle through the store, as a board does: run by tests/host/test_bundle_size.py.

    micropython -X heapsize=64K tests/heap_store.py PACKAGES FOLDER NAME

FOLDER/trust is the store, FOLDER/NAME the bundle. The board boots, loads the state it has, if it
has one, and installs. Prints the position and how many anchors the new state has, or the code of
the refusal.
"""

import sys

sys.path.insert(0, sys.argv[1])


class Clock:
    @staticmethod
    def now():
        return 0, 0

    @staticmethod
    def uptime_s():
        return 0


def main(folder, name):
    from trustanchor.errors import TrustError
    from trustanchor.store.trust_store import Store

    store = Store(Clock, folder + "/trust", None)
    install = store.install
    try:
        store.load()
    except TrustError as refusal:
        if refusal.code != "store.unprovisioned":
            raise
        install = store.provision
    try:
        with open(folder + "/" + name, "rb") as file:
            install(file)
    except TrustError as refusal:
        print("refused", refusal.code)
    else:
        record = store.record
        print("installed", record.epoch, record.sequence, len(store.state.anchors))


main(sys.argv[2], sys.argv[3])
