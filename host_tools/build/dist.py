# SPDX-License-Identifier: MIT
"""`make dist`: the host tools, the device package and the boards as a wheel and as sources.

    python -m host_tools.build.dist [FOLDER]        # dist/trustanchor-<version>-py3-none-any.whl
                                                    # dist/trustanchor-<version>.tar.gz

Built from a copy of the files that git knows, so that nothing lying about gets in and setuptools
leaves nothing behind. Two builds of one tree are equal byte for byte: times, modes, owners and the
order do not depend on the machine. The wheel that pip makes of the sources is the one beside them.
"""

import argparse
import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from host_tools.build.places import IS_CLONE, ROOT
from host_tools.cli.errors import HostError

# 1980-01-01, the oldest time a zip archive can say: the content of a wheel has no date.
_EPOCH = "315532800"
_TOP = ("pyproject.toml", "README.md", "LICENSE")
_FOLDERS = ("firmware/trustanchor/", "host_tools/", "boards/")


def sources() -> list[str]:
    """The files a wheel is made from: those that git knows or would know."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(
        name
        for name in set(listed.stdout.split("\0"))
        if name.startswith(_FOLDERS) or name in _TOP
        if (ROOT / name).is_file()
    )


def build(folder: Path) -> Path:
    """Make the wheel in folder and return its path."""
    if not IS_CLONE:
        raise HostError("A wheel is made in a clone of the repository: this is an installed one.")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        tree, made = Path(scratch) / "tree", Path(scratch) / "made"
        for name in sources():
            target = tree / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)
            target.chmod(0o644)
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "-q"]
        done = subprocess.run(
            [*command, "--no-deps", "--no-build-isolation", "-w", str(made), str(tree)],
            capture_output=True,
            text=True,
            umask=0o022,
            env={**os.environ, "SOURCE_DATE_EPOCH": _EPOCH, "PIP_NO_CACHE_DIR": "1"},
        )
        wheels = list(made.glob("*.whl")) if made.is_dir() else []
        if done.returncode or len(wheels) != 1:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise HostError(f"The wheel could not be made: {last}. `make setup` mends .venv.")
        return Path(shutil.copy(wheels[0], folder))


def build_sources(wheel: Path) -> Path:
    """Make the source distribution (PEP 625) beside its wheel, whose metadata it has."""
    stem = "-".join(wheel.name.split("-")[:2])
    with zipfile.ZipFile(wheel) as made:
        metadata = made.read(f"{stem}.dist-info/METADATA")
    files = {"PKG-INFO": metadata, **{name: (ROOT / name).read_bytes() for name in sources()}}
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(files):
            entry = tarfile.TarInfo(f"{stem}/{name}")
            entry.size, entry.mtime, entry.mode = len(files[name]), int(_EPOCH), 0o644
            archive.addfile(entry, io.BytesIO(files[name]))
    target = wheel.with_name(f"{stem}.tar.gz")
    target.write_bytes(gzip.compress(raw.getvalue(), 9, mtime=int(_EPOCH)))
    return target


def main() -> int:
    parser = argparse.ArgumentParser(description="The host tools as a wheel and as sources.")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "dist")
    try:
        wheel = build(parser.parse_args().folder)
        made = (wheel, build_sources(wheel))
    except HostError as error:
        print(f"dist: {error}", file=sys.stderr)
        return 1
    for file in made:
        print(f"{os.path.relpath(file)}: {file.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
