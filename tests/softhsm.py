# SPDX-License-Identifier: MIT
"""SoftHSM, a PKCS#11 token in software: this machine's own, or the distribution's package.

It is loaded into our process, so it has to come from the suite the machine itself runs.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from host_tools.build.distribution import Distribution, FetchError, own_suite
from host_tools.build.runtime import BUILD

_LIBRARIES = ("usr/lib/softhsm/libsofthsm2.so", "usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")
_TOOL = "usr/bin/softhsm2-util"
SO_PIN, USER_PIN = "12345678", "4321"


class NoSoftHsm(Exception):
    """Why there is none, and what would help."""


@dataclass(frozen=True)
class SoftHsm:
    library: Path
    tool: Path

    def make_token(self, folder: Path, label: str) -> None:
        """Make a token in folder; from then on SOFTHSM2_CONF must name its softhsm2.conf."""
        (folder / "tokens").mkdir(parents=True)
        (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\n")
        subprocess.run(
            [str(self.tool), "--init-token", "--free", "--label", label]
            + ["--module", str(self.library), "--so-pin", SO_PIN, "--pin", USER_PIN],
            env={**os.environ, "SOFTHSM2_CONF": str(folder / "softhsm2.conf")},
            check=True,
            capture_output=True,
        )


def find() -> SoftHsm:
    """Return SoftHSM, fetching it the first time. Raises NoSoftHsm."""
    fetched = BUILD / "softhsm"
    for root in (Path("/"), fetched):
        if found := _below(root):
            return found
    suite = own_suite()
    try:
        Distribution(BUILD / "softhsm-apt", suite).fetch(("softhsm2", "libsofthsm2"), fetched)
    except FetchError as error:
        raise NoSoftHsm(f"SoftHSM could not be fetched ({error}): install softhsm2") from error
    if found := _below(fetched):
        return found
    raise NoSoftHsm(f"Debian {suite} packs SoftHSM differently: install softhsm2")


def _below(root: Path) -> SoftHsm | None:
    tool = root / _TOOL
    for name in _LIBRARIES:
        if (root / name).exists() and tool.exists():
            return SoftHsm(root / name, tool)
    return None
