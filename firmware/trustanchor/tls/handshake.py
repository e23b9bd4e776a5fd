# SPDX-License-Identifier: MIT
"""TLS with our verdict: TLS encrypts and proves possession of the key, judge() decides.

Rule: no byte of the program and no client certificate moves before the verdict, and the judge
never runs inside mbedTLS: its C stack is small, and an event loop and a watchdog must live.

    connection = start(native_context, sock, False, "example.net", judging, ..., timeout_ms)
    connection.handshake()                     # or step() from an event loop
    connection.write(b"...")

Where the chain comes from and what is withheld is in tap.py. TLS is driven by reads of one byte
on a non-blocking socket, in either version, blocking or not; it is complete when it shows the
peer's certificate.

Depends on: compat, errors, limits, tap.
Heap: about 4 KB from a .mpy file.
"""

import io
import select

from ..compat import const, recover, ticks_diff, ticks_ms
from ..errors import Refused, TrustError
from ..limits import CHAIN_CERTIFICATES
from .tap import Tap

_CERT_OPTIONAL = const(1)
_FATAL_IN_CALLBACK = const(-0x3000)  # MBEDTLS_ERR_X509_FATAL_ERROR, the one safe refusal

_IOCTL_POLL = const(3)
_IOCTL_CLOSE = const(4)
_POLLIN = const(1)

_EBADF = const(9)
_EINVAL = const(22)

# What mbedTLS answers with, include/mbedtls/ssl.h, ecp.h, rsa.h.
_CONN_EOF = const(-0x7280)
_FATAL_ALERT = const(-0x7780)
_HANDSHAKE_FAILURE = const(-0x6E00)
_ILLEGAL_PARAMETER = const(-0x6600)
_X509 = const(0x2080)  # the first and the last of include/mbedtls/x509.h
_X509_LAST = const(0x2980)
_X509_NO_MEMORY = const(0x2880)
_NOT_SIGNED = (-0x4E00, -0x4380, -0x4100)  # ECP: not valid; RSA: not valid; RSA: bad padding
_PEER_GONE = (_CONN_EOF, 32, 104)  # EPIPE, ECONNRESET: the same end, noticed by a write


def start(native, sock, server_side, hostname, judging, completed, timeout_ms):
    """Put a Tap and TLS over a connected socket; return the Connection, not yet driven."""
    tap = Tap(sock, native)
    if server_side:
        # The other side speaks last: its chain is judged before our first application byte.
        tap.release()
        tap.verify_mode = _CERT_OPTIONAL
    tls = native.wrap_socket(
        tap, server_side=server_side, do_handshake_on_connect=False, server_hostname=hostname
    )
    return Connection(native, tls, tap, judging, completed, timeout_ms)


class Connection(io.IOBase):
    """A TLS connection that hands out no byte before the verdict. A socket object and a stream.

    read, readinto, readline, write, close, setblocking, getpeercert(True) and cipher are those of
    MicroPython's SSLSocket. verdict is the accepted Verdict once the handshake is complete.

    native       the tls.SSLContext; tls the SSLSocket over tap, its handshake not begun
    judging      called with the chain, returns the generator of a Verdict
    completed    called with this object when the handshake is complete, before the first
                 application byte; False: the verdict rests on trust that is gone, judge again.
                 Also called for a refused verdict that the state before a trial contradicts
    """

    def __init__(self, native, tls, tap, judging, completed, timeout_ms):
        self._native = native
        self._tls = tls
        self._tap = tap
        self._judging = judging
        self._completed = completed
        self._timeout_ms = timeout_ms
        self._started = ticks_ms()
        self._chain: "list" = []  # end entity first: the tap's record, or what the callback saw
        self._callback = self._shown  # bound once
        self._steps = None  # the judge's generator while it runs
        self._first = bytearray(1)  # a byte may arrive with the last step of the handshake
        self._kept = None  # how many are in _first: 1, or 0 for the end of the stream
        self._wants = 0
        self._is_blocking = True
        self._is_done = False
        self._is_closed = False
        self._poller = None
        self._refused = None  # by the trial state, while the handshake goes on
        self.verdict = None
        tap.setblocking(False)

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
        return self._tls.getpeercert(binary_form)

    def innermost(self):
        """Return the object with the least between it and TLS; for what polls often."""
        return self._tls if self._kept is None else self

    def cipher(self):
        # mbedTLS crashes when it is asked before completion or after the end.
        return self._tls.cipher() if self._is_done and not self._is_closed else None

    def enlist(self, store):
        """Remember this accepted connection, so that a change of trust can drop it."""
        self._tap.enlist(self.verdict, store)

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
        if self._poller is None:
            self._poller = select.poll()
        self._poller.register(self._tls, argument)
        for _, events in self._poller.poll(0):
            return events
        return 0

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
        if self._remaining_ms() <= 0:
            raise Refused("tls.timeout")
        if self._steps is not None:
            self._judge_on()
            return 0
        if self._drive():
            return self._complete()
        tap = self._tap
        if tap.chain is not None:
            self._chain = tap.chain  # TLS 1.2, everything the server sent
        elif not tap.is_gated:
            return tap.wants or _POLLIN
        # Gated: TLS 1.3, the server's flight is complete and its proof of possession verified.
        self._begin()
        return 0

    def _remaining_ms(self):
        return self._timeout_ms - ticks_diff(ticks_ms(), self._started)

    def _drive(self):
        """Let TLS go on as far as the socket and the tap allow; True when it is complete."""
        tls, tap, native = self._tls, self._tap, self._native
        if tls.getpeercert(True) is None:
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
                raise self._refusal(number)
            if tls.getpeercert(True) is None:
                if count is not None:
                    # Data of a peer that has shown no certificate, or the end.
                    raise Refused("tls.chain_hidden" if count else "tls.closed")
                return False
            self._kept = count
        return True

    def _shown(self, view, depth):
        """verify_callback: the path mbedTLS found, from its far end to depth 0."""
        tap = self._tap
        try:
            # A certificate mbedTLS cannot parse is shown with no bytes.
            if len(view) == 0:
                tap.refuse("tls.chain_unreadable", depth)
            elif len(self._chain) == CHAIN_CERTIFICATES:
                tap.refuse("tls.chain_too_large", "certificates")
            else:
                # A copy: the view lives on the C stack and dies with this call.
                self._chain.insert(0, bytes(view))
                return 0
        except BaseException as error:  # noqa: BLE001 - raising through mbedTLS leaks its chain
            tap.keep(error)
        return _FATAL_IN_CALLBACK

    def _begin(self):
        if not self._chain:
            raise Refused("tls.chain_hidden")
        self._steps = self._judging(self._chain)

    def _judge_on(self):
        try:
            next(self._steps)  # type: ignore[arg-type]
            return
        except StopIteration as done:
            verdict = done.value
        self._steps = None
        if not verdict.accepted:
            self._refused = Refused(verdict.code, verdict.detail, verdict)
            if verdict.contradicted is None:
                raise self._refused
            # Evidence against a running trial (SPEC.md T2), if the peer also proves that it holds
            # the key: the handshake may complete, and ends in this refusal whatever happens.
        self.verdict = verdict
        self._tap.release()

    def _complete(self):
        verdict = self.verdict
        if verdict is None:  # server side: the client's chain comes last
            self._begin()
            return 0
        # The leaf that was judged must be the one whose key mbedTLS saw proved.
        if self._tls.getpeercert(True) != bytes(self._chain[0]):
            raise Refused("tls.leaf_mismatch", None, verdict)
        stands = self._completed(self)
        if not verdict.accepted:
            raise self._refused  # type: ignore[misc]
        if not stands:
            self._begin()
            return 0
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
        return None

    def _refusal(self, number):
        """Return the refusal for an error TLS raised during the handshake."""
        tap = self._tap
        if tap.code:
            return Refused(tap.code, tap.detail)
        if number in _PEER_GONE:
            return Refused("tls.closed")
        if number == _FATAL_ALERT:
            return Refused("tls.alert", tap.detail)
        # TLS 1.3 has one number for all that is wrong, but after the chain comes only the proof.
        if number in _NOT_SIGNED or (number == _HANDSHAKE_FAILURE and self._chain):
            return Refused("tls.proof", number, self.verdict)
        if 0 < number < 256:
            return Refused("net.lost", number)
        high = -number & 0xFF80  # the low seven bits are the ASN.1 reader's
        if _X509 <= high <= _X509_LAST:
            code = "tls.no_memory" if high == _X509_NO_MEMORY else "tls.chain_unreadable"
            return Refused(code, number, self.verdict)
        if number == _ILLEGAL_PARAMETER and self.verdict is not None:
            # TLS 1.2: the one thing a server says after its chain is the signature of its key
            # exchange, and mbedTLS offers RSA-PSS for TLS 1.3 and does not take it in 1.2.
            return Refused("tls.proof_unsupported", number, self.verdict)
        return Refused("tls.failed", number, self.verdict)


_STAYS = True  # compat.forget
