# SPDX-License-Identifier: MIT
"""Run a module from a ROMFS image that lies outside the heap, as it lies in flash on a board.

    micropython -X heapsize=24K tests/from_rom.py image.romfs module [argument ...]

The image is mapped with libc's mmap; imports take bytecode and constants in place.
"""

import sys

import ffi  # type: ignore[import-not-found]
import uctypes  # type: ignore[import-not-found]
import vfs  # type: ignore[import-not-found]

PROT_READ = 1
MAP_PRIVATE = 2

libc = ffi.open("libc.so.6")
file = libc.func("i", "open", "si")(sys.argv[1], 0)
size = libc.func("l", "lseek", "ili")(file, 0, 2)
address = libc.func("p", "mmap", "Piiiil")(0, size, PROT_READ, MAP_PRIVATE, file, 0)
vfs.mount(vfs.VfsRom(uctypes.bytearray_at(address, size)), "/rom")
sys.path[:] = [".frozen", "/rom"]
module = sys.argv[2]
sys.argv[:] = sys.argv[2:]
del ffi, uctypes, vfs, libc, file, size, address
__import__(module)
