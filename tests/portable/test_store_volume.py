# SPDX-License-Identifier: MIT
"""Which volume a folder is on, and that FAT is refused: it can not replace a file in one step."""

import os
import sys

from check import IS_MICROPYTHON, equal, refuses
from trustanchor.store.volume import check_filesystem, volume_of


class VfsFat:
    pass


class VfsLfs2:
    pass


def test_the_volume_that_counts_is_the_one_the_folder_is_on():
    flash, card = (VfsLfs2(), "/"), (VfsFat(), "/sd")
    for mounts in ((flash, card), (card, flash)):
        equal(volume_of("/trust", mounts), "VfsLfs2")
        equal(volume_of("/sdcard/trust", mounts), "VfsLfs2")
        equal(volume_of("/sd/trust", mounts), "VfsFat")
        equal(volume_of("/sd", mounts), "VfsFat")
    equal(volume_of("/trust", (card,)), "none")


class Mounted:
    """Stands for the module vfs."""

    @staticmethod
    def mount():
        return (VfsLfs2(), "/"), (VfsFat(), "/fat")


def test_a_volume_is_refused_by_its_type():
    before = sys.modules.get("vfs")
    sys.modules["vfs"] = Mounted  # type: ignore[assignment]
    try:
        check_filesystem("/trust")
        equal(refuses("store.filesystem", check_filesystem, "/fat/trust").detail, "VfsFat")
    finally:
        del sys.modules["vfs"]
        if before is not None:
            sys.modules["vfs"] = before


class Sectors:
    """A disk in RAM for a real FAT volume."""

    def __init__(self, count):
        self.data = bytearray(512 * count)

    def readblocks(self, block, buffer):
        buffer[:] = self.data[512 * block : 512 * block + len(buffer)]

    def writeblocks(self, block, buffer):
        self.data[512 * block : 512 * block + len(buffer)] = buffer

    def ioctl(self, request, argument):
        return {4: len(self.data) // 512, 5: 512}.get(request, 0)


def test_a_real_fat_volume_is_refused_with_its_name():
    if not IS_MICROPYTHON:
        print("a real FAT volume: on MicroPython only")
        return
    import vfs  # type: ignore[import-not-found]

    disk = Sectors(50)
    vfs.VfsFat.mkfs(disk)
    vfs.mount(vfs.VfsFat(disk), "/fat")
    try:
        equal(refuses("store.filesystem", check_filesystem, "/fat/trust").detail, "VfsFat")
        equal(os.listdir("/fat"), [])
        check_filesystem("/elsewhere")
    finally:
        vfs.umount("/fat")
