# SPDX-License-Identifier: MIT
"""mypy, twice: host code against CPython's typeshed, the device package against MicroPython's.

The MicroPython stubs replace the standard library (there is no `typing`-time socket.timeout on a
board), so the two can not share one run.
"""

import importlib.util
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STUBS = ROOT / "build" / "stubs"
PACKAGES = ("micropython-esp32-stubs", "micropython-stdlib-stubs")


def copy_stubs() -> None:
    """Put the ESP32 stubs into a folder of their own: mypy takes it for typeshed."""
    versions = " ".join(distribution(name).version for name in PACKAGES)
    stamp = STUBS / "version"
    if stamp.exists() and stamp.read_text() == versions:
        return
    shutil.rmtree(STUBS, ignore_errors=True)
    site = Path(sysconfig.get_paths()["purelib"])
    for name in PACKAGES:
        for file in distribution(name).files or ():
            if file.suffix == ".pyi" or file.name == "VERSIONS":
                target = STUBS / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(site / file, target)
    stamp.write_text(versions)


def mypy(*arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "mypy", *arguments], cwd=ROOT).returncode


def main() -> int:
    if importlib.util.find_spec("mypy") is None:
        print("lint: mypy is not installed: run `make setup`", file=sys.stderr)
        return 1
    copy_stubs()
    device = mypy(
        "--config-file", "tests/mypy_device.ini", "--no-error-summary", "firmware/trustanchor"
    )  # fmt: skip
    host = mypy("--no-error-summary", "host_tools", "tests")
    return 1 if device or host else 0


if __name__ == "__main__":
    sys.exit(main())
