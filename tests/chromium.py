# SPDX-License-Identifier: MIT
"""Chromium, a real browser without a window: this machine's own, or the distribution's package.

browser = find(); browser.screenshot(page, 360, picture); browser.dom(page)
"""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from host_tools.build.distribution import Distribution, FetchError, own_suite
from host_tools.build.runtime import BUILD

_PROGRAM = "usr/lib/chromium/chromium"
_LIBRARIES = "usr/lib/x86_64-linux-gnu"
# Of the release this is fetched for; what most machines have anyway is not listed.
_PACKAGES = (
    "chromium",
    "chromium-common",
    "libasyncns0",
    "libdouble-conversion3",
    "libflac12",
    "libharfbuzz-subset0",
    "libminizip1",
    "libmp3lame0",
    "libmpg123-0",
    "libogg0",
    "libopenh264-7",
    "libopenjp2-7",
    "libopus0",
    "libpulse0",
    "libsndfile1",
    "libvorbis0a",
    "libvorbisenc2",
    "libxnvctrl0",
)
_HEIGHT = 900
_WAITS_S = 60


class NoChromium(Exception):
    """Why there is none, and what would help."""


@dataclass(frozen=True)
class Chromium:
    program: str
    libraries: str | None

    def screenshot(self, page: Path, width: int, picture: Path) -> None:
        """Write what a window of this width in pixels shows, as PNG."""
        self.run(f"--window-size={width},{_HEIGHT}", f"--screenshot={picture}", page.as_uri())

    def dom(self, page: Path) -> str:
        """The document as it is once its scripts have run."""
        return self.run("--dump-dom", page.as_uri())

    def run(self, *words: str) -> str:
        libraries = {"LD_LIBRARY_PATH": self.libraries} if self.libraries else {}
        with tempfile.TemporaryDirectory() as profile:
            done = subprocess.run(
                [self.program, "--headless", "--disable-gpu", "--hide-scrollbars"]
                # It reads one file of ours, and started as root it has no sandbox.
                + ["--no-sandbox", f"--user-data-dir={profile}", *words],
                env={**os.environ, **libraries},
                capture_output=True,
                text=True,
                timeout=_WAITS_S,
            )
        if done.returncode:
            raise NoChromium(f"Chromium does not run here ({done.stderr.strip()[-300:]})")
        return done.stdout


def find() -> Chromium:
    """Return Chromium, fetching it the first time. Raises NoChromium."""
    named = os.environ.get("CHROMIUM") or shutil.which("chromium")
    fetched = BUILD / "chromium"
    if named:
        browser = Chromium(named, None)
    else:
        if not (fetched / _PROGRAM).exists():
            try:
                Distribution(BUILD / "chromium-apt", own_suite()).fetch(_PACKAGES, fetched)
            except FetchError as error:
                raise NoChromium(
                    f"Chromium could not be fetched ({error}): name one with CHROMIUM=program"
                ) from error
        libraries = fetched / _LIBRARIES
        browser = Chromium(str(fetched / _PROGRAM), f"{libraries}:{libraries / 'pulseaudio'}")
    try:
        browser.run("--version")
    except (OSError, NoChromium) as error:
        raise NoChromium(f"{error}: name one with CHROMIUM=program") from error
    return browser
