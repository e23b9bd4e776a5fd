# SPDX-License-Identifier: MIT
"""Mount a ROMFS image outside the garbage-collected heap, as a board maps it from flash."""

import ffi
import uctypes
import vfs

_PROT_READ = 1
_MAP_PRIVATE = 2


def mount(path, descriptor):
    """Map the open file and mount it at /rom."""
    libc = ffi.open("libc.so.6")
    mmap = libc.func("p", "mmap", "piiiii")
    descriptor.seek(0, 2)
    size = descriptor.tell()
    address = mmap(0, size, _PROT_READ, _MAP_PRIVATE, descriptor.fileno(), 0)
    vfs.mount(vfs.VfsRom(uctypes.bytearray_at(address, size)), path)
