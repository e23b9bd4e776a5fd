# SPDX-License-Identifier: MIT
"""SIMULATION of `os` on a board: what ESP32 has, without the host's environment and shell."""

import sys

from uos import (
    VfsFat,
    VfsLfs1,
    VfsLfs2,
    chdir,
    getcwd,
    ilistdir,
    listdir,
    mkdir,
    mount,
    remove,
    rename,
    rmdir,
    sep,
    stat,
    statvfs,
    umount,
    unlink,
    urandom,
)

_dupterm = None


def sync():
    """Every write is in the image file when it returns, so nothing is left to do."""


def dupterm(stream, index=0):
    """Remember the stream and return the one before; its bytes are not copied here."""
    global _dupterm
    before, _dupterm = _dupterm, stream
    return before


def uname():
    version = sys.version.split("; ")[-1]
    release = ".".join(str(part) for part in sys.implementation.version[:3])
    return ("sim", "sim", release, version, "Simulated board")
