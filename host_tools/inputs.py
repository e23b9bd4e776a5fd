# SPDX-License-Identifier: MIT
"""Files that a person names: read with a bound on bytes and, for a pipe, on patience."""

import errno
import os
import select
import stat
from pathlib import Path

from host_tools.errors import HostError
from host_tools.output import printable

# Seconds until the other end of a named pipe has to say something. Process substitution and
# scripts answer at once; a pipe nobody writes to would otherwise be waited for without end.
PIPE_S = 10


def read(path: Path | str, limit: int) -> bytes:
    """Return at most limit + 1 bytes, so that the caller can tell a file that is too large.

    Raises OSError, or HostError input.silent_pipe.
    """
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
