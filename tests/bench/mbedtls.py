# SPDX-License-Identifier: MIT
"""mbedTLS's own verification beside ours, where a C compiler and its headers are installed."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).resolve().parent / "mbedtls_verify.c"
_REPEATS = 20


def rows(work: Path) -> list[dict[str, Any]]:
    """Print and return mbedTLS's verify times, or print why there are none."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        print("mbedTLS: not measured, no C compiler on PATH")
        return []
    program = work / "mbedtls_verify"
    command = [compiler, "-O2", "-o", str(program), str(SOURCE), "-lmbedcrypto"]
    built = subprocess.run(command, capture_output=True, text=True)
    if built.returncode:
        last = built.stderr.strip().splitlines()
        reason = next((line for line in last if "error" in line), "the linker failed")
        print(f"mbedTLS: not measured, its headers or library are not installed ({reason})")
        return []
    found = []
    for curve in ("P-256", "P-384"):
        done = subprocess.run(
            [str(program), curve, str(_REPEATS)], capture_output=True, text=True, check=True
        )
        ms = float(done.stdout)
        print(f"mbedTLS in C, native word size, ECDSA {curve}: {ms:.2f} ms")
        found.append(
            {"operation": f"mbedTLS ECDSA {curve}", "interpreter": "C", "ms": ms}
        )  # fmt: skip
    return found
