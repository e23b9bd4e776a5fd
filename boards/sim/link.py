# SPDX-License-Identifier: MIT
"""The wire between the interpreter and its supervisor, and the switch for Ctrl-C.

A message is one byte of kind, four bytes of length (little-endian) and the payload, both ways.
The payload of a command that carries source (X, L, F) is text and its length counts characters:
read as text it is on the heap once.

While interrupts are masked the kernel keeps a Ctrl-C pending, so that none can tear a message or
hit the harness: only a user's code is ever interrupted.

SIMULATION: nothing here exists on hardware.

Depends on: ffi (the unix port's C calls).
Heap: about 1 KB.
"""

import gc

import ffi
import micropython

_SIGINT = 2
_SIG_BLOCK, _SIG_UNBLOCK = 0, 1
_SIG_DFL, _SIG_IGN = 0, 1

_PR_SET_PDEATHSIG, _SIGKILL = 1, 9

_libc = ffi.open("libc.so.6")
_libc.func("i", "prctl", "ii")(_PR_SET_PDEATHSIG, _SIGKILL)  # no orphan outlives the supervisor
_sigprocmask = _libc.func("i", "sigprocmask", "ipp")
_raise = _libc.func("i", "raise", "i")
_signal = _libc.func("p", "signal", "ip")
_open, _close = _libc.func("i", "open", "si"), _libc.func("i", "close", "i")
_dup, _dup2 = _libc.func("i", "dup", "i"), _libc.func("i", "dup2", "ii")
_set = bytearray(128)  # sizeof(sigset_t)
_set[0] = 1 << (_SIGINT - 1)

_kbd_intr = micropython.kbd_intr  # the real one: our shim takes its place in the module
_incoming = None
_incoming_text = None
_outgoing = None
_head = bytearray(5)
is_masked = True  # the supervisor starts the process with SIGINT blocked


def start(in_fd, out_fd):
    global _incoming, _incoming_text, _outgoing
    _incoming = open(in_fd, "rb")
    _incoming_text = open(in_fd)
    _outgoing = open(out_fd, "wb")


def mask():
    global is_masked
    _sigprocmask(_SIG_BLOCK, _set, None)
    is_masked = True


# Native, because a Ctrl-C that waited is raised here and a native function is in no traceback.
@micropython.native
def unmask():
    global is_masked
    is_masked = False
    _sigprocmask(_SIG_UNBLOCK, _set, None)


def shield():
    """Mask Ctrl-C and return whether it was masked; one already noted is kept for later.

    Between shield and unshield no KeyboardInterrupt is raised. Hardware needs no such thing: its
    drivers are C, which Ctrl-C does not end half-way.
    """
    was_masked = is_masked
    try:
        mask()
        for _ in range(2):  # the interpreter looks at its pending exception on a jump back
            pass
    except KeyboardInterrupt:
        mask()
        _raise(_SIGINT)  # stays with the kernel until unmask
    return was_masked


def unshield(was_masked):
    if not was_masked:
        unmask()


def collect_silently():
    """Collect garbage; what a finaliser complains about is not the program's output."""
    output = _dup(1)
    nothing = _open("/dev/null", 1)
    _dup2(nothing, 1)
    gc.collect()
    _dup2(output, 1)
    _close(nothing)
    _close(output)


def forget_interrupts():
    """Drop a Ctrl-C that came too late for the code it was meant for."""
    _signal(_SIGINT, _SIG_IGN)
    _kbd_intr(3)


def send(kind, payload=b""):
    _outgoing.write(kind + len(payload).to_bytes(4, "little") + payload)


def receive():
    """Return [kind, payload]; the payload is a bytearray, or what _source says."""
    if not _incoming.readinto(_head):
        raise SystemExit  # the supervisor is gone
    size = int.from_bytes(memoryview(_head)[1:], "little")
    if chr(_head[0]) in "XLF":
        return [_head[0], _source(size)]
    payload = bytearray(size)
    if payload:
        _incoming.readinto(payload)
    return [_head[0], payload]


def _source(size):
    """Return so many characters of source, or the MemoryError that it does not fit."""
    try:
        return _incoming_text.read(size)
    except MemoryError as error:
        # Nothing was taken: the string is allocated first. The wire must stay in step.
        while size:
            size -= len(_incoming_text.read(min(size, 64)))
        return error


def ask(kind, payload=b""):
    """Send a question and return the answer's [kind, payload], whole even under Ctrl-C."""
    was_masked = shield()
    try:
        send(kind, payload)
        return receive()
    finally:
        unshield(was_masked)


def stop(kind, payload=b""):
    """Send the last message of this process and wait for the supervisor to end it."""
    mask()
    send(kind, payload)
    while True:
        receive()
