# SPDX-License-Identifier: MIT
"""A NOR flash in RAM for MicroPython's block device interface, whose power fails on demand.

Programming only clears bits, erasing sets a whole block; both count as one operation, as do the
writes of an NVS that shares the counter. The operation numbered cut_at is torn and everything
after it fails, as it does on a board without power. Or the power stays: that operation alone
fails, or it and every later one, as on flash that is worn out.
"""

BLOCK = 4096

# How an operation is torn.
NOT_BEGUN = 0  # nothing of it happened
HALF = 1  # the first half happened
NOISY = 2  # the first half happened, in the other half some bits did
TEARS = (NOT_BEGUN, HALF, NOISY)
FAILS = 3  # nothing of it happened, and the device goes on
WORN = 4  # nor of any later one
FAULTS = (FAILS, WORN)

_BLOCK_COUNT = 4
_BLOCK_SIZE = 5
_ERASE = 6
# Without power. Not an exception: that would jump through littlefs and leave its list of open
# files broken for the garbage collector, which closes them later.
_EIO = -5


class PowerCut(BaseException):
    """The power went in the middle of a call to the NVS."""


class Power:
    """The counter all storage of one device shares."""

    def __init__(self, cut_at=None, tear=NOT_BEGUN):
        self.cut_at = cut_at
        self.tear = tear
        self.operations = 0
        self.is_off = False

    def operation(self):
        """Count one; True when it is to be torn."""
        self.operations += 1
        if self.cut_at is None or self.operations <= self.cut_at:
            return False
        if self.tear == FAILS:
            return self.operations == self.cut_at + 1
        self.is_off = self.tear != WORN
        return True


class Flash:
    """A block device (readblocks, writeblocks, ioctl) over a bytearray."""

    def __init__(self, image, power=None):
        self.image = image
        self.power = Power() if power is None else power
        self.erases = 0

    def readblocks(self, block, buffer, offset=0):
        if self.power.is_off:
            return _EIO
        start = block * BLOCK + offset
        buffer[:] = memoryview(self.image)[start : start + len(buffer)]
        return 0

    def writeblocks(self, block, buffer, offset=0):
        if self.power.is_off:
            return _EIO
        start = block * BLOCK + offset
        if not self.power.operation():
            _program(self.image, start, buffer, 0, len(buffer), 0)
            return 0
        tear = self.power.tear
        half = len(buffer) // 2
        if tear in (HALF, NOISY):
            _program(self.image, start, buffer, 0, half, 0)
        if tear == NOISY:
            _program(self.image, start, buffer, half, len(buffer), 0xA5)
        return _EIO

    def ioctl(self, request, argument):
        if request == _BLOCK_COUNT:
            return len(self.image) // BLOCK
        if request == _BLOCK_SIZE:
            return BLOCK
        if request == _ERASE:
            if self.power.is_off:
                return _EIO
            self.erases += 1
            start = argument * BLOCK
            if not self.power.operation():
                self.image[start : start + BLOCK] = _ERASED
                return 0
            half = start + BLOCK // 2
            if self.power.tear in (HALF, NOISY):
                self.image[start:half] = _ERASED[: BLOCK // 2]
            if self.power.tear == NOISY:
                for at in range(half, half + BLOCK // 2, 3):
                    self.image[at] |= 0x5A
            return _EIO
        return 0


_ERASED = b"\xff" * BLOCK


def _program(image, start, data, first, end, kept):
    """Clear the bits that data has clear, but for those of the mask kept."""
    if not kept and image[start + first : start + end] == _ERASED[: end - first]:
        image[start + first : start + end] = memoryview(data)[first:end]
        return
    for at in range(first, end):
        image[start + at] &= data[at] | kept


def blank(blocks):
    """Return the image of an erased flash."""
    image = bytearray(blocks * BLOCK)
    for block in range(blocks):
        image[block * BLOCK : (block + 1) * BLOCK] = _ERASED
    return image
