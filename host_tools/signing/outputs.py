# SPDX-License-Identifier: MIT
"""Files that a command writes: whole or not at all, and durable before it says that it is done.

write_new(path, content)      nothing is overwritten; the same content there already is success
replace(path, content)        the old file or the new one, whatever happens
"""

import os
import secrets
from pathlib import Path

from host_tools.cli.errors import HostError


def write_new(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Create path with content; refuse (host.exists) when something else is there already."""
    if path.is_symlink() or (path.exists() and not _has(path, content)):
        raise HostError(f"{path} exists already and is left as it is.", "host.exists")
    if path.exists():
        return
    scratch = _scratch(path, content, mode)
    try:
        os.link(scratch, path)  # unlike a rename it overwrites nothing
    except FileExistsError:
        raise HostError(f"{path} exists already and is left as it is.", "host.exists") from None
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


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _has(path: Path, content: bytes) -> bool:
    return path.stat().st_size == len(content) and path.read_bytes() == content


def _scratch(path: Path, content: bytes, mode: int) -> Path:
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
