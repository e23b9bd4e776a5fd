# SPDX-License-Identifier: MIT
"""Which volumes may hold a store, and the NVS of a board: asked once, when a store begins.

    check_filesystem("/trust")      # store.filesystem

Depends on: errors.
Heap: 0.8 KB from a .mpy file.
"""

import os

from ..errors import StoreError

_NVS_SPACE = "trustanchor"


def check_filesystem(root: str) -> None:
    """Refuse a volume on which a power cut may leave neither old nor new: store.filesystem.

    FAT renames over nothing and updates in place. LittleFS, and the host's own file system
    behind VfsPosix, replace a file in one step.
    """
    try:
        from vfs import mount
    except ImportError:
        return  # not MicroPython
    if not root.startswith("/"):
        root = os.getcwd() + "/" + root
    # Without arguments: what is mounted, since MicroPython 1.25.
    kind = volume_of(root, mount())
    if kind not in ("VfsLfs2", "VfsPosix"):
        raise StoreError("store.filesystem", kind)


def volume_of(root: str, mounts) -> str:
    """Return the name of the type of the volume root is on; mounts are pairs (volume, path)."""
    best = ""
    kind = "none"
    for volume, at in mounts:
        at = at.rstrip("/")
        if len(at) >= len(best) and (root + "/").startswith(at + "/"):
            best = at
            kind = type(volume).__name__
    return kind


def board_nvs():
    try:
        from esp32 import NVS
    except ImportError:
        return None
    return NVS(_NVS_SPACE)
