# SPDX-License-Identifier: MIT
"""Where the two copies of the record are: a folder, NVS.

    copies = (FileCopy("/trust"), NvsCopy(nvs))
    copy.read()         # bytes; None when nothing ever was there, b"" when it cannot be read
    copy.write(data)    # all of it or nothing, for every power cut; OSError

Depends on: compat, packing.
Heap: about 2 KB from a .mpy file.
"""

import os

from ..compat import const

_ENOENT = const(2)
_EEXIST = const(17)
_NVS_NOT_FOUND = const(-0x1102)  # ESP_ERR_NVS_NOT_FOUND, esp-idf nvs.h
_NVS_KEY = "record"
_USUAL_BYTES = const(512)  # a record with some twenty entries


class FileCopy:
    """A copy of the record in a folder of its own; LittleFS then gives it blocks of its own."""

    def __init__(self, folder: str):
        self.name = folder
        self.writes = 0

    def read(self) -> "bytes | None":
        """Return what is there, or None when nothing ever was."""
        from ..state.packing import RECORD_BYTES

        path = self.name + "/record"
        try:
            # A read on a board allocates what it is asked for, so ask for no more than there is.
            size = min(os.stat(path)[6], RECORD_BYTES + 1)
            with open(path, "rb") as file:
                return file.read(size)
        except OSError as error:
            return None if error.args[0] == _ENOENT else b""

    def write(self, data: bytes) -> None:
        self.writes += 1
        make_folder(self.name)
        new = self.name + "/record.new"
        with open(new, "wb") as file:
            file.write(data)
        os.rename(new, self.name + "/record")

    def erase(self) -> None:
        remove(self.name + "/record")


class NvsCopy:
    """A copy of the record as one NVS blob. NVS may keep a value before commit() or lose it."""

    name = "nvs"

    def __init__(self, nvs):
        self.writes = 0
        self._nvs = nvs

    def read(self) -> "memoryview | bytes | None":
        from ..state.packing import RECORD_BYTES

        for size in (_USUAL_BYTES, RECORD_BYTES):
            buffer = bytearray(size)
            try:
                length = self._nvs.get_blob(_NVS_KEY, buffer)
            except OSError as error:
                if error.args[0] == _NVS_NOT_FOUND:
                    return None
                continue  # longer than the buffer, or not to be read at all
            return memoryview(buffer)[:length]
        return b""

    def write(self, data: bytes) -> None:
        self.writes += 1
        self._nvs.set_blob(_NVS_KEY, data)
        self._nvs.commit()

    def erase(self) -> None:
        try:
            self._nvs.erase_key(_NVS_KEY)
        except OSError as error:
            if error.args[0] != _NVS_NOT_FOUND:
                raise
        self._nvs.commit()


def make_folder(path: str) -> None:
    try:
        os.mkdir(path)
    except OSError as error:
        if error.args[0] != _EEXIST:
            raise


def remove(path: str) -> None:
    try:
        os.remove(path)
    except OSError as error:
        if error.args[0] != _ENOENT:
            raise


def listed(folder: str) -> list:
    try:
        return os.listdir(folder)
    except OSError:
        return []


_STAYS = True  # compat.forget
