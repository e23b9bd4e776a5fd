# SPDX-License-Identifier: MIT
"""Where things are: in a clone of the repository, and where the wheel of `make dist` put them.

    PACKAGE    the device package as sources; installed it is the module `trustanchor` itself
    BOARDS     one folder a board; installed it is the package `trustanchor_boards`
    BUILD      what is fetched: build/ of a clone, else the user's cache folder
    COMPILED   what is compiled of PACKAGE; of an installed one, a folder for this very content

Standard library only: `make setup` asks before the virtual environment exists.
"""

import hashlib
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IS_CLONE = (ROOT / "firmware" / "trustanchor").is_dir()


def _cache() -> Path:
    named = os.environ.get("XDG_CACHE_HOME", "")
    # XDG Base Directory Specification: a relative path is invalid and to be ignored.
    base = Path(named) if os.path.isabs(named) else Path.home() / ".cache"
    return base / "trustanchor"


PACKAGE = ROOT / "firmware" / "trustanchor" if IS_CLONE else ROOT / "trustanchor"
BOARDS = ROOT / "boards" if IS_CLONE else ROOT / "trustanchor_boards"
BUILD = ROOT / "build" if IS_CLONE else _cache()


def _content() -> str:
    """A digest of the installed device package: files from a wheel have no telling times."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(f"{path.relative_to(PACKAGE)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


COMPILED = BUILD / "mpy" if IS_CLONE else BUILD / f"mpy-{_content()}"
