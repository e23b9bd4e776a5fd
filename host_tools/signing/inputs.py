# SPDX-License-Identifier: MIT
"""Files that a person names: read with a bound on bytes and, for a pipe, on patience. What is
PEM in them is read here alone, whole or not at all."""

import binascii
import errno
import os
import re
import select
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from host_tools.cli.errors import HostError
from host_tools.cli.output import printable

# Seconds until the other end of a named pipe has to say something. Process substitution and
# scripts answer at once; a pipe nobody writes to would otherwise be waited for without end.
PIPE_S = 10


def read(path: Path | str, limit: int) -> bytes:
    """Return at most limit + 1 bytes, so that the caller can tell a file that is too large. "-" is
    standard input.

    Raises OSError, or HostError input.silent_pipe.
    """
    if str(path) == "-":  # standard input, by whose end the person or the pipe says enough
        return bytes(sys.stdin.buffer.read(limit + 1))
    # Without O_NONBLOCK the open itself waits for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    with open(descriptor, "rb") as file:
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            if not select.select([descriptor], [], [], PIPE_S)[0]:
                raise HostError(
                    f"{printable(str(path))}: a pipe to which nobody has written for {PIPE_S} s.",
                    "input.silent_pipe",
                )
            os.set_blocking(descriptor, True)
        return file.read(limit + 1)


_LINE_END = re.compile(rb"\r\n|\r|\n")
# RFC 7468 section 3, lax form: white space may follow a boundary.
_BOUNDARY = re.compile(rb"-----(BEGIN|END) ([ -~]{1,60}?)-----[ \t\v\f]*")
# What somebody may have meant as a boundary; a line like this that is none is never passed over.
# Lines of dashes alone are how people rule their files.
_LIKE_BOUNDARY = re.compile(rb"--\s*(?:BEGIN|END)\b|----.*[^-\s]|[^-\s].*----", re.IGNORECASE)
# A SEQUENCE of 128 bytes and more: DER, in whose names any text may stand. Its reader takes all
# of the file or nothing.
_DER_BEGINS = re.compile(rb"0[\x81-\x84]")


@dataclass(frozen=True)
class PemBlock:
    """One block of a file; line is that of its BEGIN, counted from 1."""

    label: str
    lines: tuple[bytes, ...]
    name: str
    line: int

    @property
    def where(self) -> str:
        return f"{self.name}, line {self.line}"

    @property
    def armour(self) -> bytes:
        """The block as the strictest reader takes it, without what stood around it."""
        label = self.label.encode()
        boundaries = b"-----BEGIN %s-----" % label, b"-----END %s-----" % label
        return b"\n".join((boundaries[0], *self.lines, boundaries[1], b""))

    def der(self) -> bytes:
        try:
            der = binascii.a2b_base64(b"".join(b"".join(self.lines).split()), strict_mode=True)
        except binascii.Error as error:
            raise HostError(f"{self.where}: damaged PEM ({error}).", "input.pem") from None
        if not der:
            raise HostError(f"{self.where}: an empty PEM block.", "input.pem")
        return der


def pem_blocks(content: bytes, name: str) -> list[PemBlock]:
    """Return every PEM block of a file, none if nothing in it looks like one.

    A block that is lost is a key that is not denied: whatever looks like a boundary is one, or
    the file is refused with input.pem and the line.
    """
    blocks: list[PemBlock] = []
    if _DER_BEGINS.match(content):
        return blocks
    label: bytes | None = None
    begin = 0
    lines: list[bytes] = []
    for number, line in enumerate(_LINE_END.split(content), 1):
        boundary = _BOUNDARY.fullmatch(line)
        if boundary is None:
            if _LIKE_BOUNDARY.search(line):
                raise _damaged(name, number, "this is no BEGIN or END line that can be read")
            lines.append(line.rstrip())
        elif boundary[1] == b"BEGIN":
            if label is not None:
                break
            label, begin, lines = boundary[2], number, []
        elif label is None or boundary[2] != label:
            raise _damaged(name, number, "this END has no BEGIN of the same label")
        else:
            blocks.append(PemBlock(label.decode("ascii"), tuple(lines), name, begin))
            label = None
    if label is not None:
        raise _damaged(name, begin, "a PEM block that does not end")
    return blocks


def only_block(content: bytes, name: str, kind: str) -> PemBlock | None:
    """Return the one block of a file whose label ends in kind, None for a file without PEM.

    A certificate or parameters may stand beside it. Of two keys one would be used and the other
    lost without a word, so they are refused, as is a file without any: input.pem.
    """
    blocks = pem_blocks(content, name)
    found = [block for block in blocks if block.label.endswith(kind)]
    if blocks and not found:
        raise HostError(
            f"{blocks[0].where}: {printable(blocks[0].label)} where a {kind} is wanted.",
            "input.pem",
        )
    if len(found) > 1:
        raise HostError(
            f"{found[1].where}: a second {kind}; put each key into a file of its own.",
            "input.pem",
        )
    return found[0] if found else None


def _damaged(name: str, line: int, why: str) -> HostError:
    return HostError(f"{name}, line {line}: {why}.", "input.pem")
