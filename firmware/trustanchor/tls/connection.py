# SPDX-License-Identifier: MIT
"""A TLS connection that hands out no byte before the verdict: a socket object and a stream.

What the two ways to a verdict have in common. Which of them a Context takes is said there:

    light.py        nothing but pins: the verdict falls while mbedTLS shows the leaf
    handshake.py    all else: the verdict falls in slices, while the handshake waits

TLS is driven by reads of one byte on a non-blocking socket, in either version, blocking or not;
it is complete when it shows the peer's certificate.

Depends on: compat, errors; numbers when TLS fails.
Heap: about 2.5 KB from a .mpy file.
"""

import io
import select

from ..compat import const, recover, ticks_diff, ticks_ms
from ..errors import Refused, TrustError

FATAL_IN_CALLBACK = const(-0x3000)  # MBEDTLS_ERR_X509_FATAL_ERROR, the one safe refusal

_IOCTL_POLL = const(3)
_IOCTL_CLOSE = const(4)
_POLLIN = const(1)

_EBADF = const(9)
_EINVAL = const(22)


class Connection(io.IOBase):
    """read, readinto, readline, write, close, setblocking, getpeercert(True) and cipher are those
    of MicroPython's SSLSocket. verdict is the accepted Verdict once the handshake is complete.

    A way to the verdict adds _step() and _shown(); _chain is what is judged, end entity first.

    native   the tls.SSLContext; tls the SSLSocket over wire, its handshake not begun
    wire     a wire.Wire
    """

    def __init__(self, native, tls, wire, timeout_ms):
        self._native = native
        self._tls = tls
        self._tap = wire
        self._timeout_ms = timeout_ms
        self._started = ticks_ms()
        self._chain: "list" = []
        self._callback = self._shown  # bound once
        if not hasattr(tls, "getpeercert"):
            from .own_config import Peer

            peer = Peer(wire, self._shown)
            self._callback = peer.shown
            self._leaf = peer.leaf  # type: ignore[method-assign]
        self._steps = None  # the judge's generator while it runs
        self._first = bytearray(1)  # a byte may arrive with the last step of the handshake
        self._kept = None  # how many are in _first: 1, or 0 for the end of the stream
        self._wants = 0
        self._is_blocking = True
        self._is_done = False
        self._is_closed = False
        self._poller = None
        self._refused = None  # the verdict, where the handshake goes on or TLS is to end it
        self.verdict = None
        wire.setblocking(False)

    def handshake(self):
        """Drive the handshake to its end, waiting on the socket. Raises Refused."""
        while True:
            wants = self.step()
            if wants is None:
                return
            self.wait(wants)

    def step(self):
        """Do one bounded piece of the handshake. Raises Refused.

        Returns None when it is complete, POLLIN or POLLOUT to wait for on the socket, or 0 to be
        called again at once (the judge runs).
        """
        if self._is_closed:
            raise OSError(_EBADF, "closed")
        if self._is_done:
            return None
        try:
            if self._remaining_ms() <= 0:
                raise Refused("tls.timeout")
            self._wants = self._step()
        except MemoryError:
            self.close()
            recover()
            raise self._refused or Refused("tls.no_memory")
        except Refused:
            self.close()
            if self._refused is not None:
                raise self._refused
            raise
        except TrustError as refusal:  # the store has no state any more, or not that service
            self.close()
            raise self._refused or Refused(refusal.code, refusal.detail)
        except BaseException:  # also Ctrl-C and a program's own: nothing stays half open
            self.close()
            raise
        return self._wants

    def wait(self, wants):
        """Wait for what step() wants, but not beyond the end of the time allowed."""
        if wants:
            self._tap.poll(wants, max(0, self._remaining_ms()))

    def is_ready(self):
        """True when step() has something to do; for an event loop that cannot wait."""
        return not self._wants or self._remaining_ms() <= 0 or bool(self._tap.poll(self._wants, 0))

    def read(self, size=-1):
        if not self._may_pass():
            return None
        kept = self._take_kept() if size else None
        if kept is None:
            return self._tls.read(size)
        if not kept or size == 1:
            return kept
        return kept + (self._tls.read(size - 1 if size > 0 else size) or b"")

    def readinto(self, buffer):
        if not self._may_pass():
            return None
        kept = self._take_kept() if buffer else None
        if kept is None:
            return self._tls.readinto(buffer)
        buffer[: len(kept)] = kept
        if not kept or len(buffer) == 1:
            return len(kept)
        return 1 + (self._tls.readinto(memoryview(buffer)[1:]) or 0)

    def readline(self):
        if not self._may_pass():
            return None
        kept = self._take_kept()
        if kept is None:
            return self._tls.readline()
        if not kept or kept == b"\n":
            return kept
        return kept + (self._tls.readline() or b"")

    def write(self, data, *limits):
        if not self._may_pass():
            return None
        return self._tls.write(data, *limits)

    def setblocking(self, flag):
        self._is_blocking = flag
        if self._is_done:
            self._tap.setblocking(flag)

    def getpeercert(self, binary_form):
        """Return the end entity's DER certificate, None before the handshake is complete."""
        return self._leaf()

    def innermost(self):
        """Return the object with the least between it and TLS; for what polls often."""
        return self._tls if self._kept is None else self

    def cipher(self):
        # mbedTLS crashes when it is asked before completion or after the end.
        return self._tls.cipher() if self._is_done and not self._is_closed else None

    def close(self):
        if not self._is_closed:
            self._is_closed = True
            self._steps = None
            self._chain = []
            self._tls.close()
            self._tap.ioctl(_IOCTL_CLOSE, 0)  # after a failed handshake TLS has let go of it

    def ioctl(self, request, argument):
        if request == _IOCTL_CLOSE:
            self.close()
            return 0
        if request != _IOCTL_POLL:
            return -_EINVAL
        if not self._is_done:
            # Ready means: read or write will make progress, or will say why not.
            return argument if self.is_ready() else 0
        if self._kept is not None and argument & _POLLIN:
            return _POLLIN
        if hasattr(self._tls, "ioctl"):
            return self._tls.ioctl(request, argument)  # on CPython, whose poll() wants a number
        if self._poller is None:
            self._poller = select.poll()
        self._poller.register(self._tls, argument)
        for _, events in self._poller.poll(0):
            return events
        return 0

    def _leaf(self):
        """Return the certificate whose key was proved; None before the handshake is complete."""
        return self._tls.getpeercert(True)

    def _may_pass(self):
        """True when application bytes may flow; drives the handshake as far as allowed."""
        if self._is_done and not self._is_closed:
            return True
        if self._is_blocking:
            self.handshake()
            return True
        return self.step() is None

    def _take_kept(self):
        count, self._kept = self._kept, None
        if count is None:
            return None
        return bytes(self._first[:count])

    def _step(self):
        """Do one bounded piece; return as step()."""
        raise NotImplementedError

    def _shown(self, view, depth):
        """verify_callback: one certificate of the path that mbedTLS found, the leaf is depth 0."""
        raise NotImplementedError

    def _remaining_ms(self):
        return self._timeout_ms - ticks_diff(ticks_ms(), self._started)

    def _drive(self):
        """Let TLS go on as far as the socket and the tap allow; True when it is complete."""
        tls, tap, native = self._tls, self._tap, self._native
        if self._leaf() is None:
            tap.wants = tap.reads = 0
            native.verify_callback = self._callback
            native.verify_mode = tap.verify_mode
            number = count = None
            try:
                count = tls.readinto(self._first)
            except OSError as error:
                number = error.errno or 0
            native.verify_callback = None  # the context must not keep this object alive
            if tap.raised:
                raise tap.raised
            if number is not None:
                from .numbers import refusal

                raise refusal(number, self._tap, bool(self._chain), self.verdict)
            if self._leaf() is None:
                if count is not None:
                    # Data of a peer that has shown no certificate, or the end.
                    raise Refused("tls.chain_hidden" if count else "tls.closed")
                return False
            self._kept = count
        return True

    def _open(self):
        """The verdict stands: hand the stream over."""
        self._chain = []
        self._tap.leave()
        self._tap.setblocking(self._is_blocking)
        self._is_done = True
        if self._kept is None:
            # From now on TLS itself answers: an instance attribute hides the method.
            tls = self._tls
            self.read = tls.read  # type: ignore[method-assign]
            self.readinto = tls.readinto  # type: ignore[method-assign]
            self.readline = tls.readline  # type: ignore[method-assign]
            self.write = tls.write  # type: ignore[method-assign]


_STAYS = True  # compat.forget
