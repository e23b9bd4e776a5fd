# SPDX-License-Identifier: MIT
"""Find the MicroPython interpreters, or fetch the distribution's own into the build folder.

Looked for in this order, for 64-bit and for 32-bit apart:

1. the environment: `MICROPYTHON` (64-bit) and `MICROPYTHON32` (32-bit),
2. `micropython` and `micropython32` on PATH,
3. the packages of Debian trixie, fetched by apt through the mirror this machine is configured
   for. apt checks the archive's signature and every package's hash; nothing is installed, the
   packages are unpacked below `build/micropython/` and run through their own loader.

Whatever is found must be MicroPython 1.25 or newer with `tls.SSLContext.verify_callback`, and
must have the word size that was asked for.

Standard library only: this file also runs before the virtual environment exists.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from host_tools.build.distribution import Distribution, FetchError, last_line
from host_tools.build.places import BUILD
from host_tools.cli.errors import HostError

OLDEST_VERSION = (1, 25, 0)

_SUITE = "trixie"
_PACKAGES = ("micropython", "libc6", "libffi8", "libmbedcrypto16", "libmbedtls21", "libmbedx509-7")
_PROBE_TIMEOUT_S = 20

# bits: (environment variable, name on PATH, Debian architecture, loader, library folder)
_KINDS = {
    64: ("MICROPYTHON", "micropython", "amd64", "ld-linux-x86-64.so.2", "x86_64-linux-gnu"),
    32: ("MICROPYTHON32", "micropython32", "i386", "ld-linux.so.2", "i386-linux-gnu"),
}

# Of what the probe prints: name, version, word size, whether there is a verify callback.
_ANSWER = re.compile(r"micropython (\d+) (\d+) (\d+) (32|64) (True|False)\s*")

_PROBE = """
import sys
try:
    import tls
    callback = hasattr(tls.SSLContext(tls.PROTOCOL_TLS_CLIENT), "verify_callback")
except ImportError:
    callback = False
bits = 64 if sys.maxsize > 1 << 40 else 32
print(sys.implementation.name, *sys.implementation.version[:3], bits, callback)
"""


class RuntimeMissing(HostError):
    """No usable interpreter; the message says what is missing and what to do."""


@dataclass(frozen=True)
class Interpreter:
    """One MicroPython executable that passed the probe."""

    path: Path
    version: tuple[int, int, int]
    bits: int

    def command(self, *arguments: str, heap: str | None = None) -> list[str]:
        """The argv that runs it; heap is the value of `-X heapsize=`, as "100K"."""
        limit = ["-X", f"heapsize={heap}"] if heap else []
        return [str(self.path), *limit, *arguments]


def find(bits: int, fetch: bool = True) -> Interpreter:
    """Return the MicroPython with this word size (32 or 64).

    Raises RuntimeMissing, whose text is one sentence a person can act on.
    """
    variable, name, architecture, _, _ = _KINDS[bits]
    if named := os.environ.get(variable):
        return _probe(Path(named), bits, f"{variable}={named}")
    if found := shutil.which(name):
        try:
            return _probe(Path(found), bits, found)
        except RuntimeMissing:
            pass  # a distribution's older MicroPython on PATH must not stop the fetched one
    wrapper = _wrapper(bits)
    # Both: a build folder that was cleaned by hand is mended.
    if not (wrapper.exists() and (BUILD / "micropython" / architecture).exists()):
        if not fetch:
            raise RuntimeMissing(
                f"No {bits}-bit MicroPython here: run `make setup`, or set {variable}."
            )
        _fetch(bits)
    return _probe(wrapper, bits, str(wrapper))


def _wrapper(bits: int) -> Path:
    return BUILD / "bin" / _KINDS[bits][1]


def _probe(path: Path, bits: int, what: str) -> Interpreter:
    try:
        done = subprocess.run(
            [str(path), "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PROBE_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeMissing(f"{what} does not run ({error}).") from error
    answer = _ANSWER.fullmatch(done.stdout)
    if done.returncode or not answer:
        said = last_line(done.stderr or done.stdout)
        raise RuntimeMissing(f"{what} is not a MicroPython interpreter: it says {said!r}.")
    version = (int(answer[1]), int(answer[2]), int(answer[3]))
    if version < OLDEST_VERSION:
        shown = ".".join(str(part) for part in version)
        raise RuntimeMissing(f"{what} is MicroPython {shown}; 1.25 or newer is needed.")
    if int(answer[4]) != bits:
        raise RuntimeMissing(f"{what} is a {answer[4]}-bit build; {bits}-bit is needed.")
    if answer[5] != "True":
        raise RuntimeMissing(f"{what} was built without tls.SSLContext.verify_callback.")
    return Interpreter(path, version, bits)


def _fetch(bits: int) -> None:
    """Unpack the distribution's MicroPython and write its wrapper script."""
    variable, _, architecture, loader, libraries = _KINDS[bits]
    folder = BUILD / "micropython"
    try:
        Distribution(folder / "apt", _SUITE).fetch(
            [f"{package}:{architecture}" for package in _PACKAGES], folder / architecture
        )
    except FetchError as error:
        raise RuntimeMissing(
            f"No {bits}-bit MicroPython found, and none could be fetched from Debian {_SUITE}: "
            f"{error}. Mend that, or set {variable} to a MicroPython 1.25 or newer of your own."
        ) from error

    wrapper = _wrapper(bits)
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    # The folder is found from the script's own place, so that a moved clone goes on working.
    scratch = wrapper.with_suffix(".new")
    scratch.write_text(
        "#!/bin/sh\n"
        f'here=$(dirname "$(readlink -f "$0")")/../micropython/{architecture}/usr\n'
        f'lib="$here/lib/{libraries}"\n'
        f'exec "$lib/{loader}" --library-path "$lib" "$here/bin/micropython" "$@"\n'
    )
    scratch.chmod(0o755)
    scratch.rename(wrapper)


def main() -> int:
    """`python -m host_tools.build.runtime`: find or fetch both interpreters, say which."""
    try:
        for bits in (64, 32):
            found = find(bits)
            version = ".".join(str(part) for part in found.version)
            print(f"MicroPython {version}, {bits}-bit: {os.path.relpath(found.path)}")
    except RuntimeMissing as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
