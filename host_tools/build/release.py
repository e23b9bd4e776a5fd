# SPDX-License-Identifier: MIT
"""`make release`: everything that is handed out, in one folder that anybody can make again.

    python -m host_tools.build.release [FOLDER]      # release/trustanchor-<version>/

    host/       the host tools as a wheel and as sources
    device/     <architecture>/: the package as .mpy files with a package.json for mip, and a ROMFS
                image; source/: the same as sources
    documents/  API, SPEC, SECURITY, LICENSE, what has changed
    bom/        CycloneDX: the software, and our own vulnerabilities (VEX)
    SHA256SUMS  of every file, and VERIFY.md, how to check them and how to make them again

Two builds of one commit are equal byte for byte, whatever the folder, user, umask, time zone or
day: nothing of those is in a file, and modes and times of files are not part of what is summed.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

import trustanchor
from host_tools.boards import definitions
from host_tools.build import deploy, dist, romfs
from host_tools.build.places import IS_CLONE, ROOT
from host_tools.cli.errors import HostError
from host_tools.ops import bom

_DOCUMENTS = (
    "firmware/API.md",
    "firmware/SPEC.md",
    "firmware/EVIDENCE.md",
    "SECURITY.md",
    "LICENSE",
)
_VERIFY = """\
# What you have got, and how to check it

trustanchor {version}, everything that is handed out. `SHA256SUMS` has the SHA-256 of every file:

    sha256sum --check --strict SHA256SUMS

The sums tell that nothing was changed on the way from whoever gave them to you, and no more. Who
wants to know that the files come from the sources makes them again: in a clone of the same commit,
on any machine with Python 3.11 and make,

    make release
    diff -r release/{folder} THIS_FOLDER

and nothing differs. `bom/software.cdx.json` lists what the tools depend on and the hash of every
file of the device package; `bom/vulnerabilities.cdx.json` our own known vulnerabilities.

On a board: `mpremote mip install device/ARCHITECTURE/package.json`, or `mpremote romfs deploy
device/ARCHITECTURE/trustanchor.romfs`. mip checks no hashes; `trustanchor board provision` does.
"""


def architectures() -> list[str]:
    """Those of the boards that exist: a simulated one gets its own compiled when it starts."""
    boards = (definitions.load(name) for name in definitions.names())
    return sorted({one.architecture for one in boards if not one.is_simulated})


def build(folder: Path) -> Path:
    """Make the release below folder; return where it is. A folder that is there is made anew."""
    if not IS_CLONE:
        raise HostError(
            "A release is made in a clone of the repository: this is an installed one."
        )
    made = folder / f"trustanchor-{trustanchor.__version__}"
    if made.exists():
        shutil.rmtree(made)
    made.mkdir(parents=True)
    dist.build_sources(dist.build(made / "host"))
    for architecture in architectures():
        device(made / "device" / architecture, architecture)
    _sources(made / "device" / "source")
    (made / "documents").mkdir()
    for name in _DOCUMENTS:
        shutil.copyfile(ROOT / name, made / "documents" / Path(name).name)
    (made / "documents" / "CHANGES.md").write_text(changes((ROOT / "CHANGELOG.md").read_text()))
    (made / "bom").mkdir()
    (made / "bom" / "software.cdx.json").write_text(bom.as_json(bom.software()))
    (made / "bom" / "vulnerabilities.cdx.json").write_text(bom.as_json(bom.vulnerabilities()))
    text = _VERIFY.format(version=trustanchor.__version__, folder=made.name)
    (made / "VERIFY.md").write_text(text)
    (made / "SHA256SUMS").write_text(sums(made))
    return made


def device(folder: Path, architecture: str) -> None:
    """The package for a processor: files with an index for mip, and an image."""
    compiled = deploy.package_folder("mpy", architecture)
    shutil.copytree(compiled, folder / "trustanchor", copy_function=shutil.copyfile)
    _index(folder)
    (folder / "trustanchor.romfs").write_bytes(romfs.package_image(architecture))


def _sources(folder: Path) -> None:
    for name in deploy.package_modules():
        target = folder / "trustanchor" / f"{name}.py"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / "firmware" / "trustanchor" / f"{name}.py", target)
    _index(folder)


def _index(folder: Path) -> None:
    """What mip reads: every file beside it, by its place on the board."""
    paths = [str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if path.is_file()]
    value = {
        "urls": [[path, path] for path in paths],
        "deps": [],
        "version": trustanchor.__version__,
    }
    (folder / "package.json").write_text(json.dumps(value, indent=2) + "\n")


def changes(text: str) -> str:
    """The newest section of a changelog."""
    return "# Changes\n\n## " + text.split("\n## ")[1].rstrip() + "\n"


def sums(folder: Path) -> str:
    """Lines of sha256sum for every file but its own."""
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder)}\n"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "SHA256SUMS"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Everything that is handed out, in one folder.")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "release")
    try:
        made = build(parser.parse_args().folder)
    except HostError as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    files = [path for path in made.rglob("*") if path.is_file()]
    total = sum(path.stat().st_size for path in files)
    print(f"{os.path.relpath(made)}: {len(files)} files, {total:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
