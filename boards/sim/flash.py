# SPDX-License-Identifier: MIT
"""NOR flash in a file, with a power cut at any chosen operation.

Bits are only cleared by a write and only set by an erase, one whole block at a time. Every write
and erase is counted, so that a test can cut the power after each in turn:

    flash = Flash("flash.img", cut_at=7, torn=16)   # operation 7 leaves only its first 16 bytes
    vfs.mount(vfs.VfsLfs2(flash), "/")              # from then on every operation raises PowerCut

Block device of MicroPython's extended interface (readblocks, writeblocks, ioctl); runs on
MicroPython and on CPython. Reading, writing and erasing allocate nothing: MicroPython closes a
forgotten file from inside its garbage collector, when the heap is locked.

Depends on: nothing.
Heap: 0.5 KB.
"""

import sys

_ERASED = 0xFF
_SCRATCH_BYTES = 512
# Requests of the block device interface (MicroPython, vfs.AbstractBlockDev.ioctl).
_COUNT = 4
_SIZE = 5
_ERASE = 6


class PowerCut(BaseException):
    """The flash has no power any more; not an Exception, so that no handler lives through it."""


class Flash:
    """A file of block_size * block_count bytes.

    path    name of the image, which is made, erased, when it is missing; or the number of an open
            file, or the file
    cut_at  number of the write or erase after which the power is gone, counting from 1
    torn    bytes of that operation that still reach the flash; None is all of them
    on_cut  called instead of raising PowerCut
    writes, erases  operations so far
    """

    def __init__(
        self, path, block_size=4096, block_count=512, cut_at=None, torn=None, on_cut=None
    ):
        self.block_size = block_size
        self.block_count = block_count
        self.cut_at = cut_at
        self.torn = torn
        self.writes = 0
        self.erases = 0
        self._on_cut = on_cut
        self._is_off = False
        self._scratch = bytearray(_SCRATCH_BYTES)
        if isinstance(path, str):
            _make(path, block_size, block_count)
        is_open = not isinstance(path, (str, int))
        self._file = path if is_open else open(path, "r+b", buffering=0)

    @property
    def operations(self):
        return self.writes + self.erases

    def readblocks(self, block, buf, offset=0):
        self._seek(block, offset, len(buf))
        if self._file.readinto(buf) != len(buf):
            return -5  # EIO: the image is shorter than it says
        return 0

    def writeblocks(self, block, buf, offset=None):
        if offset is None:  # the simple interface erases by itself
            for index in range((len(buf) + self.block_size - 1) // self.block_size):
                self._erase(block + index)
            offset = 0
        self._seek(block, offset, len(buf))
        self.writes += 1
        size = self._powered_bytes(len(buf))
        done = 0
        while done < size:
            part = min(len(self._scratch), size - done)
            self._seek(block, offset + done, part)
            _read(self._file, self._scratch, part)
            for index in range(part):
                self._scratch[index] &= buf[done + index]
            self._seek(block, offset + done, part)
            _write(self._file, self._scratch, part)
            done += part
        self._look()
        return 0

    def ioctl(self, request, argument):
        if request == _COUNT:
            return self.block_count
        if request == _SIZE:
            return self.block_size
        if request == _ERASE:
            self._erase(argument)
        return 0

    def close(self):
        self._file.close()

    def _erase(self, block):
        self._seek(block, 0, self.block_size)
        self.erases += 1
        size = self._powered_bytes(self.block_size)
        for index in range(len(self._scratch)):
            self._scratch[index] = _ERASED
        while size > 0:
            part = min(len(self._scratch), size)
            _write(self._file, self._scratch, part)
            size -= part
        self._look()

    def _seek(self, block, offset, size):
        if self._is_off:
            self._cut()
        start = block * self.block_size + offset
        if block < 0 or offset < 0 or start + size > self.block_size * self.block_count:
            raise OSError(22)  # EINVAL
        self._file.seek(start)

    def _powered_bytes(self, size):
        """How much of an operation of this size happens before the power goes."""
        if self.writes + self.erases == self.cut_at and self.torn is not None:
            return min(size, self.torn)
        return size

    def _look(self):
        if self.writes + self.erases == self.cut_at:
            self._is_off = True
            self._cut()

    def _cut(self):
        if self._on_cut:
            self._on_cut()
        raise PowerCut()


if sys.implementation.name == "micropython":

    def _read(file, buf, size):
        file.readinto(buf, size)

    def _write(file, buf, size):
        file.write(buf, size)

else:

    def _read(file, buf, size):
        file.readinto(memoryview(buf)[:size])

    def _write(file, buf, size):
        file.write(memoryview(buf)[:size])


def _make(path, block_size, block_count):
    try:
        open(path, "rb").close()
    except OSError:
        with open(path, "wb") as image:
            for _ in range(block_count):
                image.write(bytes([_ERASED]) * block_size)
