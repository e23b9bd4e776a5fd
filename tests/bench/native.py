# SPDX-License-Identifier: MIT
"""Count the machine code in .mpy files, which no heap figure shows."""

from pathlib import Path

from host_tools.build.kernels.native import functions

_NATIVE_FEATURES = 0xFC  # bits of the header's feature byte that name an architecture


def bytes_of(folder: Path) -> dict[str, int]:
    """Return {module: bytes of machine code} for the modules that have any."""
    found = {}
    for file in sorted(folder.rglob("*.mpy")):
        content = file.read_bytes()
        if content[2] & _NATIVE_FEATURES:
            found[file.stem] = sum(end - begin for _, _, begin, end in functions(content))
    return found
