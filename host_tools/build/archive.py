# SPDX-License-Identifier: MIT
"""The device package as two files: `__init__.mpy` and an archive with all other modules.

    files = package_files("xtensawin")        # {"__init__.mpy": bytes, "modules.bin": bytes}

On a board's LittleFS every file takes whole blocks of 4 KB and every folder two; as files the
package takes nearly four times what it weighs. firmware/trustanchor/_archive.py says how the
archive is laid out.
"""

import binascii
import tempfile
from pathlib import Path

from host_tools.build import deploy
from host_tools.build.places import PACKAGE

ARCHIVE = "modules.bin"
_ENTRY_BYTES = 6


def package_files(architecture: str | None) -> dict[str, bytes]:
    """Return the two files of a board's package, by the names they have there."""
    folder = deploy.package_folder("mpy", architecture)
    contents = {
        f"/{file.relative_to(folder).as_posix()}": file.read_bytes()
        for file in sorted(folder.rglob("*.mpy"))
        if file.parent != folder or file.stem != "__init__"
    }
    text = "".join(
        (PACKAGE / f"{name}.py").read_text(encoding="utf-8") for name in ("_archive", "__init__")
    )
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "__init__.py"
        source.write_text(text, encoding="utf-8")
        deploy.compile_newer(source, Path(scratch), *deploy.MPY_OPTIONS)
        init = (Path(scratch) / "__init__.mpy").read_bytes()
    return {"__init__.mpy": init, ARCHIVE: archive(contents)}


def archive(contents: dict[str, bytes]) -> bytes:
    """Return the archive of these files, by path with a leading slash.

    ValueError where two paths, or what `import` tries for one of them (a folder of that name, a
    source), have one checksum.
    """
    folders = {path.rpartition("/")[0] for path in contents} - {""}
    tried = {path: path for path in (*contents, *folders)}
    for path in contents:
        stem = path.removesuffix(".mpy")
        tried |= {stem: stem, f"{stem}.py": f"{stem}.py"}
    if len({_checksum(path) for path in tried}) != len(tried):
        raise ValueError("two paths of the package have one checksum: rename a module")
    offset = 1 + _ENTRY_BYTES * (len(contents) + len(folders))
    index = [(path, 0) for path in sorted(folders)]
    for path, content in contents.items():
        index.append((path, offset))
        offset += len(content)
    entries = [_checksum(path) + at.to_bytes(3, "big") for path, at in index]
    return b"".join([bytes([len(index)]), *entries, *contents.values()])


def _checksum(path: str) -> bytes:
    return binascii.crc32(path.encode()).to_bytes(4, "big")[:3]
