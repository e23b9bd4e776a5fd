# SPDX-License-Identifier: MIT
"""TLS with our verdict: TLS encrypts and proves possession of the key, judge() decides.

Rule: no byte of the program and no client certificate moves before the verdict, and the judge
never runs inside mbedTLS: its C stack is small, and an event loop and a watchdog must live.

    connection = start(native_context, sock, False, "example.net", judging, ..., timeout_ms)
    connection.handshake()                     # or step() from an event loop
    connection.write(b"...")

Where the chain comes from and what is withheld is in tap.py.

Depends on: compat, connection, errors, limits, tap.
Heap: about 1.6 KB from a .mpy file.
"""

from ..compat import const
from ..errors import Refused
from ..limits import CHAIN_CERTIFICATES
from .connection import FATAL_IN_CALLBACK, Connection
from .tap import Tap
from .wire import CERT_OPTIONAL

_POLLIN = const(1)


def start(native, sock, server_side, hostname, judging, completed, timeout_ms):
    """Put a Tap and TLS over a connected socket; return the Connection, not yet driven."""
    tap = Tap(sock, native)
    if server_side:
        # The other side speaks last: its chain is judged before our first application byte.
        tap.release()
        tap.verify_mode = CERT_OPTIONAL
    tls = native.wrap_socket(
        tap, server_side=server_side, do_handshake_on_connect=False, server_hostname=hostname
    )
    return Tapped(native, tls, tap, judging, completed, timeout_ms)


class Tapped(Connection):
    """A Connection whose chain a Tap has seen, or TLS has shown, before it is judged.

    judging      called with the chain, returns the generator of a Verdict
    completed    called with this object when the handshake is complete, before the first
                 application byte; False: the verdict rests on trust that is gone, judge again.
                 Also called for a refused verdict that the state before a trial contradicts
    """

    def __init__(self, native, tls, tap, judging, completed, timeout_ms):
        super().__init__(native, tls, tap, timeout_ms)
        self._judging = judging
        self._completed = completed

    def enlist(self, store):
        """Remember this accepted connection, so that a change of trust can drop it."""
        self._tap.enlist(self.verdict, store)

    def _step(self):
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
        return FATAL_IN_CALLBACK

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
        if self._leaf() != bytes(self._chain[0]):
            raise Refused("tls.leaf_mismatch", None, verdict)
        stands = self._completed(self)
        if not verdict.accepted:
            raise self._refused  # type: ignore[misc]
        if not stands:
            self._begin()
            return 0
        self._open()
        return None


_STAYS = True  # compat.forget
