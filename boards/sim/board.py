# SPDX-License-Identifier: MIT
"""What the simulated board runs: mount the flash, put the shims in place, run what is asked.

Started by host_tools/sim/board.py with the numbers of open files: commands in, messages out, flash
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

_EIO = const(5)

_scope = {"__name__": "__main__"}


class BoardFlash:
    """Flash whose operations are as whole under Ctrl-C as a driver in C: LittleFS would be left
    half-way by an exception that passes through it.

    flash  a Flash, or None: then every operation is refused, for a mount that must not go on
    """

    def __init__(self, flash):
        self.flash = flash

    def readblocks(self, block, buf, offset=0):
        if not self.flash:
            return -_EIO
        was_masked = link.shield()
        status = self.flash.readblocks(block, buf, offset)
        link.unshield(was_masked)
        return status

    def writeblocks(self, block, buf, offset=None):
        if not self.flash:
            return -_EIO
        was_masked = link.shield()
        status = self.flash.writeblocks(block, buf, offset)
        link.unshield(was_masked)
        return status

    def ioctl(self, request, argument):
        if not self.flash:
            return -_EIO
        was_masked = link.shield()
        status = self.flash.ioctl(request, argument)
        link.unshield(was_masked)
        return status


def main():
    link.start(int(sys.argv[1]), int(sys.argv[2]))
    _, config = link.receive()
    config = json.loads(config)
    sys.path.append("shims")
    import board_shims

    board_shims.install(config)
    flash = BoardFlash(
        Flash(
            int(sys.argv[3]),
            config["block_size"],
            config["block_count"],
            config["cut_at"],
            config["torn"],
            lambda: link.stop(b"C"),
        )
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
    global _root
    _root = None
    vfs.umount("/")
    try:
        _root = vfs.VfsLfs2(flash)
    except OSError:
        first = bytearray(16)
        flash.readblocks(0, first)
        if first != b"\xff" * 16:
            print("The file system appears to be corrupted: erase the flash to format it again.")
            return
        vfs.VfsLfs2.mkfs(flash)
        _root = vfs.VfsLfs2(flash)
    vfs.mount(_root, "/")
    import uos

    uos.chdir("/")


def _remount():
    """Mount the file system anew after Ctrl-C.

    The unix interpreter raises KeyboardInterrupt out of its signal handler, in the middle of C:
    what LittleFS holds in RAM may be half changed, even by a read (its cache names the block
    before it has the bytes), and a later write was lost, or a file was not found. Hardware raises
    it between two bytecodes. Its files are closed, unwritten: they know nothing of the new mount.
    What a program has mounted in its place, or taken away, stays so.
    """
    global _root, _flash
    if (_root, "/") not in vfs.mount():
        return
    import uos

    folder = uos.getcwd()
    # From here the old mount reaches no flash: a file that is closed would be written half.
    flash, _flash.flash = _flash.flash, None
    for value in _scope.values():
        if type(value).__name__ in ("TextIOWrapper", "FileIO"):
            try:
                value.close()
            except Exception:  # noqa: BLE001 - it may be a class of the program's own
                pass
    link.collect_silently()
    vfs.umount("/")
    _root = None
    link.collect_silently()  # the old mount makes room for the new: a program may fill the heap
    try:
        _flash = BoardFlash(flash)
        _root = vfs.VfsLfs2(_flash)
        vfs.mount(_root, "/")
    except (OSError, MemoryError) as error:
        print("The file system cannot be mounted any more, reset the board:", error)
        return
    try:
        uos.chdir(folder)
    except OSError:
        uos.chdir("/")


def _serve():
    while True:
        gc.collect()
        error = _run(link.receive())
        _settle()
        if isinstance(error, KeyboardInterrupt):
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
        if isinstance(message[1], MemoryError):
            return message[1]
        if message[0] == _FILE:
            is_there = _is_there(message[1])
            link.unmask()  # a Ctrl-C that waited is raised here
            if is_there:
                execfile(message.pop(), _scope)
            return None
        # Popped, so that the source is garbage while the code runs, as it is on a board.
        mode = "single" if message[0] == _LINE else "exec"
        code = compile(message.pop(), "<stdin>", mode)
        # No sooner: neither a search for a file nor the compiler ends half-way on hardware.
        link.unmask()
        exec(code, _scope)
    except BaseException as error:  # noqa: BLE001 - the REPL reports whatever ends a program
        return error
    return None


def _is_there(name):
    import uos

    try:
        uos.stat(name)
    except OSError:
        return False
    return True


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
