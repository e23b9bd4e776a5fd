# SPDX-License-Identifier: MIT
"""The package as one file: `import` finds the modules in an archive beside `__init__.mpy`.

A file takes whole blocks of a board's flash, 4 KB each, and a folder two of them; the modules are
small and many. host_tools/build/archive.py puts this text before that of `__init__.py` where the
package is wanted as one file, and nowhere else. The archive is

    entries (1 byte), for each the first 3 bytes of the CRC-32 of its path and its offset (3),
    then the contents

all big-endian. A path is that of a module below the package, with its `.mpy`; a folder has the
offset 0. Contents are .mpy files, which say themselves where they end.

Depends on: nothing of ours; it is there before anything else.
Heap: 1.5 KB.
"""

from binascii import crc32

import vfs

_folder = __file__.rsplit("/", 1)[0]
_name = _folder + "/modules.bin"
with open(_name, "rb") as _file:
    _index = _file.read(6 * _file.read(1)[0])


def _find(path):
    wanted = crc32(path).to_bytes(4, "big")[:3]
    at = _index.find(wanted)
    while at > 0 and at % 6:  # found across two fields
        at = _index.find(wanted, at + 1)
    if at < 0:
        raise OSError(2)  # ENOENT
    return int.from_bytes(_index[at + 3 : at + 6], "big")


class _Archive:
    """A file system for `import` and nothing else."""

    def mount(self, readonly, mkfs):
        pass

    def stat(self, path):
        return (0x8000 if _find(path) else 0x4000, 0, 0, 0, 0, 0, 0, 0, 0, 0)

    def open(self, path, mode):
        file = open(_name, "rb")
        file.seek(_find(path))
        return file


__path__ = "/.trustanchor"
try:
    vfs.mount(_Archive(), __path__)
except OSError as error:
    if error.errno != 1:  # EPERM: mounted already, when this package is imported anew
        raise
