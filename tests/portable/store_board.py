# SPDX-License-Identifier: MIT
"""A made-up board with a store on it, for the tests of the store."""

import os

from scratch import empty_folder
from stand_in import Clock, Nvs, SmallStore, bundle


class Board:
    """A folder, an NVS or none, a clock; boots() is a store after a restart."""

    def __init__(self, nvs=True):
        self.root = empty_folder("store")
        self.nvs = Nvs() if nvs else None
        self.clock = Clock()

    def store(self):
        if self.nvs is not None:
            self.nvs.power_cut(False)
        return SmallStore(self.clock, self.root, self.nvs)

    def boots(self):
        store = self.store()
        store.load()
        return store

    def content(self):
        """Everything on flash, to be compared."""
        found: "list" = []
        for folder in (self.root, self.root + ".2"):
            try:
                names = sorted(os.listdir(folder))
            except OSError:
                continue
            for name in names:
                with open(folder + "/" + name, "rb") as file:
                    found.append((folder, name, file.read()))
        if self.nvs is not None:
            found.append(dict(self.nvs.kept))
        return found


def provisioned(nvs=True):
    board = Board(nvs)
    board.store().provision(bundle(1))
    return board


def both(function):
    for nvs in (True, False):
        function(provisioned(nvs))


def slots(board):
    return sorted(name for name in os.listdir(board.root) if len(name) == 16)
