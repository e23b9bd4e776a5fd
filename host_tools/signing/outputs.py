# SPDX-License-Identifier: MIT
"""Files that a command writes: whole or not at all, and durable before it says that it is done.

write_new(path, content)      nothing is overwritten; the same content there already is success
replace(path, content)        the old file or the new one, whatever happens
write_set(files)              several that mean nothing apart: all of them or none, after
finish_set(paths)             has completed what a killed write_set had decided

A killed process leaves scratch files NAME.16-hex-digits.new; the next write of NAME removes them.
"""

import json
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from host_tools.cli.errors import HostError


def exists(path: Path) -> HostError:
    """The refusal to write over somebody's file."""
    return HostError(
        f"{path} exists already and is left as it is. Delete it, or give another name.",
        "host.exists",
    )


def write_new(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Create path with content; refuse (host.exists) when something else is there already."""
    if path.is_symlink() or (path.exists() and not _has(path, content)):
        raise exists(path)
    if path.exists():
        _clear(path)
        return
    scratch = _scratch(path, content, mode)
    try:
        os.link(scratch, path)  # unlike a rename it overwrites nothing
    except FileExistsError:
        raise exists(path) from None
    finally:
        scratch.unlink()
    sync_folder(path.parent)


def replace(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write path: a power cut leaves the old or the new file, and the new one is durable."""
    scratch = _scratch(path, content, mode)
    try:
        os.replace(scratch, path)
    except OSError:
        scratch.unlink()
        raise
    sync_folder(path.parent)


def write_set(files: Mapping[Path, tuple[bytes, int]]) -> None:
    """Create files of one folder, path -> (content, mode); host.exists when one is there already.

    First all contents, then a journal that says which scratch file gets which name, then names:
    from the journal on, finish_set() gives the rest of them.
    """
    paths = list(files)
    for path in paths:
        if path.exists() or path.is_symlink():
            raise exists(path)
    scratches: list[Path] = []
    try:
        for path, (content, mode) in files.items():
            scratches.append(_scratch(path, content, mode))
        pairs = [[one.name, path.name] for one, path in zip(scratches, paths, strict=True)]
        replace(_journal(paths), json.dumps(pairs).encode())
    except OSError:
        for scratch in scratches:
            scratch.unlink(missing_ok=True)
        raise
    finish_set(paths)


def finish_set(paths: Sequence[Path]) -> bool:
    """Give the files of a killed write_set() of these paths their names; whether there was one."""
    journal = _journal(paths)
    if not journal.exists():
        return False
    folder = journal.parent
    try:
        pairs = {str(name): str(scratch) for scratch, name in json.loads(journal.read_bytes())}
    except (ValueError, TypeError):
        pairs = {}
    if list(pairs) != [path.name for path in paths] or not all(
        _is_scratch_of(name, scratch) for name, scratch in pairs.items()
    ):
        raise HostError(
            f"{journal} is not what an interrupted run of this command leaves: delete it.",
            "host.exists",
        )
    for name, scratch in pairs.items():
        if (folder / scratch).exists():  # else it has its name already
            try:
                os.link(folder / scratch, folder / name)
            except FileExistsError:
                if not os.path.samefile(folder / scratch, folder / name):
                    raise HostError(
                        f"{folder / name} exists already and is left as it is.", "host.exists"
                    ) from None
            (folder / scratch).unlink()
    sync_folder(folder)
    journal.unlink()
    return True


def _journal(paths: Sequence[Path]) -> Path:
    return paths[0].with_name(paths[0].name + ".set")


def _is_scratch_of(name: str, scratch: str) -> bool:
    return re.fullmatch(re.escape(name) + r"\.[0-9a-f]{16}\.new", scratch) is not None


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _has(path: Path, content: bytes) -> bool:
    return path.stat().st_size == len(content) and path.read_bytes() == content


def _clear(path: Path) -> None:
    """Remove what processes that were killed have left of this file."""
    for left in path.parent.iterdir():
        if _is_scratch_of(path.name, left.name):
            left.unlink()


def _scratch(path: Path, content: bytes, mode: int) -> Path:
    _clear(path)
    # A name nobody can guess, created here or not at all: whoever else writes to the folder cannot
    # plant a link there that leads to another file.
    scratch = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    descriptor = os.open(scratch, flags, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        scratch.unlink()
        raise
    return scratch
