# SPDX-License-Identifier: MIT
"""MicroPython libraries that users have, unchanged, from the package index that pip uses.

Their archives are older than pip's rules for source packages, so pip finds them and refuses to
unpack them. Here they are found the same way, pinned by hash, unpacked into build/ and never
installed.

    folder = unpacked("umqtt.simple")         # for MICROPYPATH; NoSdist when there is none
"""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from host_tools.build.places import BUILD

_TIMEOUT_S = 20
_BYTES = 1 << 20
# Name here -> project, file, SHA-256.
PINNED = {
    "umqtt.simple": (
        "micropython-umqtt-simple",
        "micropython-umqtt.simple-1.3.4.tar.gz",
        "b6a2520239e3992c63a7de9370ee9b3d9d27819a90359c521f1c0f7ccab8d12f",
    ),
    "umqtt.robust": (
        "micropython-umqtt-robust",
        "micropython-umqtt.robust-1.0.tar.gz",
        "22a1b8c8e1128281efb13b3020927d07e33c5b747869da2cd77d37983a9ea002",
    ),
}


class NoSdist(Exception):
    """It cannot be had here; the message says why."""


def unpacked(*names: str) -> Path:
    """Return a folder with the Python files of the libraries in it."""
    folder = BUILD / "sdists" / "-".join(names)
    if folder.exists():
        return folder
    scratch = folder.with_name(folder.name + ".new")
    scratch.mkdir(parents=True, exist_ok=True)
    for name in names:
        _unpack(_fetched(name), scratch)
    scratch.rename(folder)
    return folder


def _unpack(content: bytes, folder: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive.getmembers():
            inside = Path(*Path(member.name).parts[1:])  # without NAME-VERSION/
            file = archive.extractfile(member) if member.isfile() else None
            if file and inside.suffix == ".py" and inside.name != "setup.py":
                (folder / inside).parent.mkdir(parents=True, exist_ok=True)
                (folder / inside).write_bytes(file.read())


def _fetched(name: str) -> bytes:
    project, file, digest = PINNED[name]
    page = f"{_index().rstrip('/')}/{project}/"
    try:
        request = urllib.request.Request(
            page, headers={"Accept": "application/vnd.pypi.simple.v1+json, text/html;q=0.5"}
        )
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            url = urllib.parse.urljoin(page, _link(answer.read(_BYTES).decode(), file))
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
            content = bytes(answer.read(_BYTES))
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise NoSdist(f"{file} cannot be fetched ({error})") from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise NoSdist(f"{file} is not the file that is pinned")
    return content


def _link(page: str, file: str) -> str:
    """The address of a file in an index's answer, JSON (PEP 691) or HTML (PEP 503)."""
    try:
        urls = [one["url"] for one in json.loads(page)["files"] if one["filename"] == file]
    except ValueError:
        urls = re.findall(rf'href="([^"#]*/{re.escape(file)})[#"]', page)
    if not urls:
        raise ValueError("the index does not have it")
    return str(urls[0])


def _index() -> str:
    """The index that pip is told to use, else its own default."""
    if named := os.environ.get("PIP_INDEX_URL"):
        return named
    for command in (
        ("-m", "pip", "config", "get", "global.index-url"),
        ("-c", "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"),
    ):
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
        if done.returncode == 0 and done.stdout.strip():
            return done.stdout.strip()
    raise NoSdist("pip names no index")
