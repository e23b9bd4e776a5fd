# SPDX-License-Identifier: MIT
"""What the simulated board runs: mount the flash, put the shims in place, run what is asked.

Started by host_tools/sim.py with the numbers of open files: commands in, messages out, flash
image, ROM image or -1.
The supervisor speaks the REPL; this side only runs code, so that the protocol takes none of the
board's heap.

SIMULATION: nothing here exists on hardware.

Depends on: flash, link, shims/.
"""

import gc
import json
import sys

import link
import micropython
import vfs
from flash import Flash
from micropython import const

# Kinds of command; anything else is b"X": source text, run as a script.
_LINE = const(76)  # b"L": source text, as typed at the prompt: an expression prints its value
_FILE = const(70)  # b"F": name of a file in the root directory, skipped when it does not exist

_scope = {"__name__": "__main__"}


class BoardFlash(Flash):
    """Flash whose operations are as whole under Ctrl-C as a driver in C: LittleFS would be left
    half-way by an exception that passes through it."""

    def readblocks(self, block, buf, offset=0):
        was_masked = link.shield()
        status = Flash.readblocks(self, block, buf, offset)
        link.unshield(was_masked)
        return status

    def writeblocks(self, block, buf, offset=None):
        was_masked = link.shield()
        status = Flash.writeblocks(self, block, buf, offset)
        link.unshield(was_masked)
        return status

    def ioctl(self, request, argument):
        was_masked = link.shield()
        status = Flash.ioctl(self, request, argument)
        link.unshield(was_masked)
        return status

    def heir(self):
        """Another device on the same flash; this one refuses every operation from now on."""
        other = BoardFlash(
            self._file, self.block_size, self.block_count, self.cut_at, self.torn, self._on_cut
        )
        other.writes, other.erases = self.writes, self.erases
        self.block_count = 0
        return other


def main():
    link.start(int(sys.argv[1]), int(sys.argv[2]))
    _, config = link.receive()
    config = json.loads(config)
    sys.path.append("shims")
    import board_shims

    board_shims.install(config)
    flash = BoardFlash(
        int(sys.argv[3]),
        config["block_size"],
        config["block_count"],
        config["cut_at"],
        config["torn"],
        lambda: link.stop(b"C"),
    )
    _mount(flash)
    global _flash
    _flash = flash
    sys.path[:] = ["", ".frozen", "/lib"]
    if config["rom"]:
        board_shims.mount_rom(int(sys.argv[4]), config["rom"])
    sys.argv[:] = []
    del config, board_shims, flash
    for name in ("flash", "link", "board_shims"):
        sys.modules.pop(name, None)
    gc.collect()
    link.send(b"B", str(gc.mem_alloc()).encode())
    _serve()


def _mount(flash):
    """Mount LittleFS at the root as stock firmware's _boot.py does: format only blank flash."""
    vfs.umount("/")
    try:
        vfs.mount(vfs.VfsLfs2(flash), "/")
    except OSError:
        first = bytearray(16)
        flash.readblocks(0, first)
        if first != b"\xff" * 16:
            print("The file system appears to be corrupted: erase the flash to format it again.")
            return
        vfs.VfsLfs2.mkfs(flash)
        vfs.mount(vfs.VfsLfs2(flash), "/")
    import uos

    uos.chdir("/")


def _remount():
    """Mount the file system anew after Ctrl-C.

    The unix interpreter raises KeyboardInterrupt out of its signal handler, in the middle of C:
    what LittleFS holds in RAM may be half changed, and a later write was lost. Hardware raises it
    between two bytecodes. Its files are closed: they know nothing of the new mount.
    """
    global _flash
    for value in _scope.values():
        if type(value).__name__ in ("TextIOWrapper", "FileIO"):
            try:
                value.close()
            except OSError:
                pass
    link.collect_silently()
    _flash = _flash.heir()
    vfs.umount("/")
    try:
        vfs.mount(vfs.VfsLfs2(_flash), "/")
    except OSError as error:
        print("The file system cannot be mounted any more:", error)
        return
    import uos

    uos.chdir("/")


def _serve():
    while True:
        gc.collect()
        before = _flash.operations
        error = _run(link.receive())
        _settle()
        if isinstance(error, KeyboardInterrupt) and _flash.operations != before:
            _remount()
        link.send(b"E")  # the end of the code's output; no Ctrl-C is sent after the answer
        link.receive()
        link.forget_interrupts()
        if isinstance(error, SystemExit):
            link.stop(b"S")
        if error:
            sys.print_exception(error)
        link.send(b"D", b"\x01" if error else b"")


# Native, because a native function leaves no line of its own in a user's traceback.
@micropython.native
def _run(message):
    """Run a user's code and return the exception that ended it, or None."""
    try:
        link.unmask()  # a Ctrl-C that waited is raised here
        if isinstance(message[1], MemoryError):
            return message[1]
        if message[0] == _FILE:
            _run_file(message.pop())
        else:
            # Popped, so that the source is garbage while the code runs, as it is on a board.
            mode = "single" if message[0] == _LINE else "exec"
            exec(compile(message.pop(), "<stdin>", mode), _scope)
    except BaseException as error:  # noqa: BLE001 - the REPL reports whatever ends a program
        return error
    return None


@micropython.native
def _run_file(name):
    import uos

    try:
        uos.stat(name)
    except OSError:
        return
    execfile(name, _scope)


def _settle():
    """Mask Ctrl-C; one that the interpreter has already noted is raised and dropped here."""
    while True:
        try:
            link.mask()
            for _ in range(2):  # the interpreter looks at its pending exception on a jump back
                pass
            return
        except KeyboardInterrupt:
            pass


main()
