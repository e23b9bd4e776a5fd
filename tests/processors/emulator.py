# SPDX-License-Identifier: MIT
"""One emulated processor that runs the native functions of `.mpy` files.

    with Processor("rv32imc") as processor:
        processor.call(code, memory, b"steps", b"", 7)    # a bytearray comes back changed

The emulators are QEMU's for programs of Linux, from the distribution's packages, unpacked into the
build folder, as are the assemblers for the harness.

The harness (`rv32.S`, `xtensa.S`) copies what it is sent and calls; everything else is laid out
here: the function object, the runtime's table, whose other entries end the run, and the arguments,
each between words that must not change. What is only read begins at an odd address, as a slice
may. A word at an address that is no multiple of its size ends the run on Xtensa; QEMU's RV32 takes
it, so there it is looked for among the registers that the emulator can tell (`watches`).
"""

import os
import struct
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from host_tools.build.distribution import Distribution, FetchError, own_suite
from host_tools.build.places import BUILD

HERE = Path(__file__).resolve().parent
_ROOT = BUILD / "processors"

_NONE, _FALSE, _TRUE = 0x1234, 0x2344, 0x3454
_GUARD = b"\xa5" * 16
_PAGE = 0x1000
_CODE_AT = _PAGE  # QEMU translates code anew when its page is written
_TRAPPED = 99  # the status with which the harness' trap ends
# The registers (result, left, right) of Xtensa's muluh in the kernels, as the harness has them.
_HIGH_PRODUCTS = ((11, 5, 8), (6, 5, 8), (12, 9, 5), (15, 10, 5))


class Fault(Exception):
    """The kernel did what it must not do."""


class NoEmulator(Exception):
    """Why there is none, and what would help."""


@dataclass(frozen=True)
class _Target:
    """How one architecture's harness is made and run."""

    source: str
    emulator: str
    options: tuple[str, ...]
    assembler: tuple[str, ...]
    linker: tuple[str, ...]


_TARGETS = {
    "rv32imc": _Target(
        "rv32.S",
        "qemu-riscv32",
        (),
        ("riscv64-unknown-elf-as", "-march=rv32imc_zifencei", "-mabi=ilp32"),
        ("riscv64-unknown-elf-ld", "-m", "elf32lriscv"),
    ),
    # A core with windows and a 32-bit product, but without its high word (see xtensa.S).
    "xtensawin": _Target(
        "xtensa.S",
        "qemu-xtensa",
        ("-cpu", "dc233c"),
        ("xtensa-lx106-elf-as", "--text-section-literals"),
        ("xtensa-lx106-elf-ld",),
    ),
}
ARCHITECTURES = tuple(_TARGETS)

# The emulators: statically linked, which in Debian 12 is a package of its own.
_EMULATORS = {"bookworm": "qemu-user-static"}
_PACKAGES = ("binutils-riscv64-unknown-elf", "binutils-xtensa-lx106")


def tools() -> Path:
    """Return the folder with emulators and assemblers, fetched the first time.

    Raises NoEmulator.
    """
    suite = own_suite()
    try:
        Distribution(BUILD / "processors-apt", suite).fetch(
            (_EMULATORS.get(suite, "qemu-user"), *_PACKAGES), _ROOT
        )
    except FetchError as error:
        raise NoEmulator(
            f"the emulators could not be fetched ({error}): this target needs Debian's packages "
            f"{_EMULATORS.get(suite, 'qemu-user')}, {' and '.join(_PACKAGES)}"
        ) from error
    return _ROOT / "usr" / "bin"


def _command(architecture: str) -> list[str]:
    """The argv that runs the harness of an architecture, which is built here when it is new."""
    target = _TARGETS[architecture]
    folder = tools()
    source = HERE / target.source
    harness = _ROOT / f"harness-{architecture}"
    if not harness.exists() or harness.stat().st_mtime_ns < source.stat().st_mtime_ns:
        scratch = harness.with_suffix(f".{os.getpid()}")
        _build(folder, target.assembler, source, scratch.with_suffix(".o"))
        _build(folder, (*target.linker, "-N", "-static"), scratch.with_suffix(".o"), scratch)
        scratch.rename(harness)
    # In Debian 12 the static emulators have names of their own.
    for name in (f"{target.emulator}-static", target.emulator):
        if (folder / name).exists():
            return [str(folder / name), *target.options, str(harness)]
    raise NoEmulator(f"the distribution's package has no {target.emulator}")


def _build(folder: Path, command: Sequence[str], source: Path, made: Path) -> None:
    libraries = folder.parent / "lib" / "x86_64-linux-gnu"
    done = subprocess.run(
        [str(folder / command[0]), *command[1:], "-o", str(made), str(source)],
        env={**os.environ, "LD_LIBRARY_PATH": str(libraries)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise NoEmulator(f"the harness cannot be built: {done.stderr.strip()}")


def _each_instruction(emulator: str) -> tuple[str, ...]:
    """QEMU tells each block of code that it enters; these options make a block one instruction."""
    shown = subprocess.run([emulator, "--help"], capture_output=True, text=True).stdout
    name = "-one-insn-per-tb" if "one-insn-per-tb" in shown else "-singlestep"
    return name, "-d", "nochain,exec"


def accessed(code: bytes, at: int) -> tuple[int, int, int] | None:
    """RV32: base register, offset and size of what the instruction at this place loads or stores.

    None where it does neither, or a byte.
    """
    short = int.from_bytes(code[at : at + 2], "little")
    if short & 3 != 3:
        # c.lw and c.sw, c.lwsp and c.swsp; their offsets are multiples of four.
        if short >> 13 not in (2, 6) or short & 3 == 1:
            return None
        return (2, 0, 4) if short & 3 == 2 else (8 + (short >> 7 & 7), 0, 4)
    word = int.from_bytes(code[at : at + 4], "little")
    size = 1 << (word >> 12 & 3)
    if word & 0x7F not in (0x03, 0x23) or size == 1:
        return None
    offset = word >> 20 if word & 0x7F == 0x03 else word >> 25 << 5 | word >> 7 & 31
    return word >> 15 & 31, offset - (offset >> 11 << 12), size


class Processor:
    """A running harness. One that counts or watches is for one function.

    calls         so far
    instructions  of the functions, known once the harness has ended, if counts or watches; each is
                  told to us by the emulator, which takes a thousand times as long
    unaligned     if watches, on RV32: where in the functions a word or half was not on a multiple
                  of its size, known then too; ten times as long again. On Xtensa it is a Fault,
                  watched or not
    """

    def __init__(self, architecture: str, counts: bool = False, watches: bool = False) -> None:
        emulator, *rest = _command(architecture)
        told: tuple[str, ...] = ()
        watches = watches and architecture == "rv32imc"
        if counts or watches:
            told = _each_instruction(emulator)
        if watches:
            told = (*told[:-1], told[-1] + ",cpu")
        self._command = [emulator, *told, *rest]
        self.calls = 0
        self.instructions = 0
        self.unaligned: set[int] = set()

    def __enter__(self) -> "Processor":
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._code = b""
        self._arena = 0
        self._said = b""
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        (size,) = struct.unpack("<I", self._take(4))
        places = struct.unpack(f"<{size // 4}I", self._take(size))
        self._arena, self._identity, self._trap, self._result = places[:4]
        self._high_products = dict(zip(_HIGH_PRODUCTS, places[4:], strict=False))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()  # then the harness ends
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._listener.join()
        self._process.stdout.close()
        self._process.wait()

    def _listen(self) -> None:
        """Count the instructions the emulator tells; keep the end of what else it says.

        With its registers it tells them before the instruction, four on a line: " x4/tp 0000000c".
        """
        assert self._process.stderr
        at = -1
        registers: list[int] = []
        with self._process.stderr as log:
            for line in log:
                if line.startswith(b"Trace"):
                    at = int(line.split(b"/")[1], 16) - self._arena - _CODE_AT
                    registers = []
                    self.instructions += 0 <= at < len(self._code)
                elif line.startswith(b" x"):
                    registers += [int(value, 16) for value in line.split()[1::2]]
                    if len(registers) == 32 and 0 <= at < len(self._code):
                        self._look_at(at, registers)
                elif not line.startswith(b" pc"):
                    self._said = (self._said + line)[-300:]

    def _look_at(self, at: int, registers: list[int]) -> None:
        found = accessed(self._code, at)
        if found:
            base, offset, size = found
            if (registers[base] + offset) % size:
                self.unaligned.add(at)

    def _take(self, size: int) -> bytes:
        assert self._process.stdout
        data = b""
        while len(data) < size:
            got = self._process.stdout.read(size - len(data))
            if not got:
                status = self._process.wait()
                self._listener.join()
                said = "a call into the runtime" if status == _TRAPPED else self._said.decode()
                raise Fault(f"the run ended with {status}: {said}")
            data += got
        return data

    def _ask(
        self, at: int, content: bytes, entry: int, arguments: Sequence[int], out: int, size: int
    ) -> tuple[int, bytes]:
        assert self._process.stdin
        head = struct.pack("<9I", at, len(content), entry, *arguments, out, size)
        self._process.stdin.write(head + content)
        self._process.stdin.flush()
        (status,) = struct.unpack("<I", self._take(4))
        return status, self._take(size)

    def _without_high_products(self, code: bytes) -> bytes:
        """Xtensa: muluh is a call of the harness' routine for the same three registers."""
        patched = bytearray(code)
        at = 0
        while at < len(code):
            if code[at] & 15 >= 8:
                at += 2
                continue
            if code[at] & 15 == 0 and code[at + 2] == 0xA2:
                registers = code[at + 1] >> 4, code[at + 1] & 15, code[at] >> 4
                # call0: the distance in words from the word after this one's.
                distance = (
                    self._high_products[registers] - (self._arena + _CODE_AT + at & ~3)
                ) // 4
                patched[at : at + 3] = ((distance - 1 & 0x3FFFF) << 6 | 5).to_bytes(3, "little")
            at += 3
        return bytes(patched)

    def call(self, code: bytes, *arguments: "bytes | bytearray | memoryview | int") -> None:
        """Call the function; a bytearray holds afterwards what it left there. Raises Fault."""
        arena = self._arena
        if code != self._code:
            self._code = code
            if self._high_products:
                code = self._without_high_products(code)
            self._ask(arena + _CODE_AT, code, 0, (0, 0, 0, 0), arena, 0)
        # Layout: 0 table of functions, 96 words; objects; context; function; arguments' array.
        table = [self._trap] * 96
        table[0:3] = [_NONE, _FALSE, _TRUE]
        table[3] = table[4] = self._identity
        objects, context, function, array = 0x180, 0x190, 0x1A0, 0x1B0
        image = bytearray(array + 4 * len(arguments))
        struct.pack_into("<96I", image, 0, *table)
        # Among a module's constants the table stands where the compiler met it.
        struct.pack_into("<4I", image, objects, *[arena] * 4)
        struct.pack_into("<4I", image, context, 0, 0, 0, arena + objects)
        struct.pack_into("<4I", image, function, 0, arena + context, 0, arena + _CODE_AT)
        data_at = _CODE_AT + len(code) + _PAGE & -_PAGE
        data = bytearray(_GUARD)
        places = []
        for i, argument in enumerate(arguments):
            if isinstance(argument, int):
                value = argument
            else:
                if not isinstance(argument, bytearray):
                    data += b"\xa5"
                value = arena + data_at + len(data)
                places.append((argument, len(data), len(argument)))
                data += argument
                # What follows begins on a boundary of 16 and is told by its guard.
                data += bytes(-len(data) % 16) + _GUARD
            struct.pack_into("<I", image, array + 4 * i, value & 0xFFFFFFFF)
        self._ask(arena, bytes(image), 0, (0, 0, 0, 0), arena, 0)
        status, after = self._ask(
            arena + data_at,
            bytes(data),
            arena + _CODE_AT,
            (arena + function, len(arguments), 0, arena + array),
            arena + data_at,
            len(data),
        )
        self.calls += 1
        if status:
            raise Fault(f"a register of the caller is not what it was: {status:#x}")
        _, result = self._ask(arena, b"", 0, (0, 0, 0, 0), self._result, 4)
        if struct.unpack("<I", result)[0] != _NONE:
            raise Fault("the function does not return None")
        expected = bytearray(data)
        for argument, at, size in places:
            if isinstance(argument, bytearray):
                expected[at : at + size] = after[at : at + size]
                argument[:] = after[at : at + size]
        if expected != after:
            raise Fault("something beside the bytearrays was written")
