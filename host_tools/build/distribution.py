# SPDX-License-Identifier: MIT
"""Programs from the Debian archive, unpacked below the build folder; nothing is installed.

apt runs with a state of its own and the mirrors this machine is configured for. It checks the
archive's signature and every package's hash.

Standard library only: this file also runs before the virtual environment exists.
"""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_APT_TIMEOUT_S = 300


class FetchError(Exception):
    """What could not be fetched and why; the caller adds what else a person can do."""


class Distribution:
    """One suite of the archive, read through this machine's mirrors.

    folder  apt's own state, made here
    suite   as trixie
    """

    def __init__(self, folder: Path, suite: str) -> None:
        self._folder = folder
        self._suite = suite
        self._updated = folder / "updated"

    def fetch(self, packages: Sequence[str], target: Path) -> None:
        """Unpack packages ("name" or "name:architecture") into target, unless it is there.

        target appears whole or not at all, whoever else does the same. Raises FetchError.
        """
        for tool in ("apt-get", "dpkg-deb"):
            if not shutil.which(tool):
                raise FetchError(f"{tool} is not on this machine")
        self._prepare()
        with open(self._folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.exists():
                self._unpack_into(packages, target)

    def _unpack_into(self, packages: Sequence[str], target: Path) -> None:
        scratch = target.with_name(target.name + ".new")
        shutil.rmtree(scratch, ignore_errors=True)
        archives = scratch / "packages"
        archives.mkdir(parents=True)
        is_fresh = self._update()
        try:
            self._apt("download", *packages, cwd=archives)
        except FetchError:
            if is_fresh:
                raise
            # The list is from another day and names versions the mirror has replaced.
            self._updated.unlink()
            self._update()
            self._apt("download", *packages, cwd=archives)
        found = sorted(archives.glob("*.deb"))
        for archive in found:
            _unpack(archive, scratch)
        (scratch / "versions.txt").write_text("".join(f"{file.name}\n" for file in found))
        shutil.rmtree(archives)
        scratch.rename(target)

    def _prepare(self) -> None:
        folder = self._folder
        for part in ("state/lists/partial", "cache/archives/partial", "sources"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        (folder / "apt.conf").write_text(
            f'Dir::State "{folder}/state";\n'
            f'Dir::State::status "{folder}/status";\n'
            f'Dir::Cache "{folder}/cache";\n'
            'Dir::Etc::sourcelist "/dev/null";\n'
            f'Dir::Etc::sourceparts "{folder}/sources";\n'
            'APT::Architecture "amd64";\n'
            'APT::Architectures { "amd64"; "i386"; };\n'
            'Acquire::Languages "none";\n'
            'APT::Sandbox::User "";\n'
        )

    def _update(self) -> bool:
        """Point apt at the suite on the first mirror that has it; False: done before."""
        if self._updated.exists():
            return False
        if not _KEYRING.exists():
            raise FetchError(
                "the package debian-archive-keyring is missing, so Debian's signatures cannot be "
                "checked"
            )
        mirrors = _configured_mirrors()
        if not mirrors:
            raise FetchError("no package mirror is configured for apt")
        refusal: FetchError | None = None
        for mirror in mirrors:
            (self._folder / "sources" / "fetch.sources").write_text(
                f"Types: deb\nURIs: {mirror}\nSuites: {self._suite}\nComponents: main\n"
                f"Architectures: amd64 i386\nSigned-By: {_KEYRING}\n"
            )
            try:
                self._apt("update", "-o", "APT::Update::Error-Mode=any")
            except FetchError as error:
                refusal = refusal or error
            else:
                self._updated.touch()
                return True
        raise refusal or FetchError("no package mirror is configured for apt")

    def _apt(self, *arguments: str, cwd: Path | None = None) -> None:
        try:
            done = subprocess.run(
                ["apt-get", "-q", *arguments],
                env={**os.environ, "APT_CONFIG": str(self._folder / "apt.conf")},
                cwd=cwd,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_APT_TIMEOUT_S,
            )
        except subprocess.TimeoutExpired as error:
            raise FetchError("the Debian mirror does not answer") from error
        if done.returncode:
            raise FetchError(f"apt refuses: {last_line(done.stderr)}")


def own_suite() -> str:
    """The suite this machine runs, from os-release; "" where none is named."""
    for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition("=")
        if name == "VERSION_CODENAME":
            return value.strip('"')
    return ""


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["nothing"])[-1][:200]


def _unpack(archive: Path, target: Path) -> None:
    done = subprocess.run(
        ["dpkg-deb", "-x", str(archive), str(target)],
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode:
        raise FetchError(
            f"the package {archive.name} cannot be unpacked ({last_line(done.stderr)}); check the "
            "free disk space"
        )


def _configured_mirrors() -> list[str]:
    """Base addresses of the machine's own apt sources, those that carry Debian's main first."""
    done = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)|$(RELEASE)|$(COMPONENT)"],
        capture_output=True,
        text=True,
    )
    first: list[str] = []
    other: list[str] = []
    for line in done.stdout.splitlines():
        address, _, rest = line.partition("|")
        release, _, component = rest.partition("|")
        if release.endswith("-security") or "security" in address:
            continue  # a security archive holds no base suite
        group = first if component == "main" else other
        if address not in first and address not in other:
            group.append(address)
    return first + other
