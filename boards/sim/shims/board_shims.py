# SPDX-License-Identifier: MIT
"""Put the modules of an ESP32 under the names they have on hardware.

SIMULATION: nothing here exists on hardware.
"""

import sys

config = None


def install(values):
    global config
    config = values
    sys.modules["board_shims"] = sys.modules[__name__]
    for name in ("time", "os", "machine", "esp32"):
        sys.modules[name] = __import__("sim_" + name)
        del sys.modules["sim_" + name]
    sys.modules["micropython"] = __import__("sim_micropython")
    del sys.modules["sim_micropython"]


def mount_rom(number, size):
    """Map a ROMFS image where the garbage collector does not look and mount it at /rom."""
    import ffi
    import uctypes
    import vfs

    read_only, private = 1, 2  # PROT_READ, MAP_PRIVATE
    mmap = ffi.open("libc.so.6").func("p", "mmap", "pLiiil")
    address = mmap(None, size, read_only, private, number, 0)
    vfs.mount(vfs.VfsRom(uctypes.bytearray_at(address, size)), "/rom")
    sys.path += ["/rom", "/rom/lib"]
