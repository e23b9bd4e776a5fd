# SPDX-License-Identifier: MIT
"""Files and an NVS in memory under the real store, where any change can be cut or fail.

    flash = Flash({}, {})
    with on(flash):             # the modules of the store see this flash and no other
        ...

For the model checks, which need thousands of devices a second.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stand_in import Nvs

from trustanchor.store import cache, copies, install, stage, tables, trust_store


class Cut(BaseException):
    pass


class Flash:
    """A file system and an NVS in memory.

    budget    how many changes happen before the cut
    fails_at  number of the change that fails
    """

    def __init__(self, files: dict[str, bytes], nvs: dict[str, bytes] | None) -> None:
        self.files = dict(files)
        self.nvs: Nvs | None = None
        if nvs is not None:
            self.nvs = Nvs()
            self.nvs.kept = dict(nvs)
            self.nvs.operation = self.change
        self.changes = 0
        self.budget = -1
        self.fails_at = -1

    def change(self) -> None:
        if self.changes == self.budget:
            raise Cut
        self.changes += 1
        if self.changes == self.fails_at:
            raise OSError(5, "EIO")

    # The parts of `os` and `open` that the store uses.

    def open(self, path: str, mode: str) -> io.BytesIO:
        if mode == "rb":
            if path not in self.files:
                raise FileNotFoundError(2, path)
            return io.BytesIO(self.files[path])
        return _Writer(self, path)

    def mkdir(self, path: str) -> None:
        raise FileExistsError(17, path)

    def listdir(self, folder: str) -> list[str]:
        start = folder + "/"
        return [path[len(start) :] for path in self.files if path.startswith(start)]

    def rename(self, path: str, to: str) -> None:
        self.change()
        self.files[to] = self.files.pop(path)

    def remove(self, path: str) -> None:
        if path not in self.files:
            raise FileNotFoundError(2, path)
        self.change()
        del self.files[path]

    def stat(self, path: str) -> tuple[int, ...]:
        if path not in self.files:
            raise FileNotFoundError(2, path)
        return (0, 0, 0, 0, 0, 0, len(self.files[path]))

    def statvfs(self, path: str) -> tuple[int, ...]:
        return (4096, 4096, 512, 512)


class _Writer(io.BytesIO):
    """LittleFS: what is written counts when the file is closed, all of it."""

    def __init__(self, flash: Flash, path: str) -> None:
        super().__init__()
        self._flash = flash
        self._path = path

    def __exit__(self, kind: object, *rest: object) -> None:
        if kind is None:
            self._flash.change()
            self._flash.files[self._path] = self.getvalue()


@contextmanager
def on(flash: Flash) -> Iterator[None]:
    """Let the store's modules see this flash and no other."""
    modules: tuple[Any, ...] = (cache, copies, install, stage, tables, trust_store)
    kept = [(module.os, module.__dict__.get("open")) for module in modules]
    for module in modules:
        module.os = flash
        module.open = flash.open
    try:
        yield
    finally:
        for module, (old, old_open) in zip(modules, kept, strict=True):
            module.os = old
            if old_open is None:
                del module.open
            else:
                module.open = old_open
