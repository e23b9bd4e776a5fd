# SPDX-License-Identifier: MIT
"""The way of a Context that has nothing but pins: the verdict falls while mbedTLS shows the leaf.

verify_callback at depth 0 is given the certificate whose key the peer then has to prove, in TLS
1.2 before our key exchange and in 1.3 before our Finished; a refusal there ends the handshake
before anything of ours but the ClientHello and an alert has left. No chain is kept, and nothing
behind the leaf is read: it could change no verdict of mode key.

The verdict is that of verdict/mode_key.py, as over the tap. It takes a digest and two dates, so
it may run inside mbedTLS, where no time and no stack is for anything longer.

Given up against handshake.py: mbedTLS parses the certificates of a server that is about to be
refused also in TLS 1.2 (in 1.3 it always does), and junk behind the leaf is not counted.

Depends on: compat, connection, errors, leaf, mode_key, outcome, wire; clock.
Heap: about 1.2 KB from a .mpy file.
"""

from ..errors import Refused, TrustError
from ..kinds import SERVER_AUTH
from ..verdict.mode_key import decide
from ..verdict.outcome import Verdict
from .connection import FATAL_IN_CALLBACK, Connection
from .wire import Wire

_POLLIN = 1


def start(context, native, sock, server_side, name, host, port):
    """Put a Wire and TLS over a connected socket; return the Connection, not yet driven.

    name is what SNI says; pins decide alone, whatever host and port were asked for.
    """
    wire = Wire(sock)
    tls = native.wrap_socket(wire, do_handshake_on_connect=False, server_hostname=name)
    context.now()  # whatever it loads is not loaded inside mbedTLS
    return Light(native, tls, wire, context.pins, context.now, int(context.timeout_s * 1000))


class Light(Connection):
    """A Connection that is judged by pins alone."""

    def __init__(self, native, tls, wire, pins, clock, timeout_ms):
        super().__init__(native, tls, wire, timeout_ms)
        self._pins = pins
        self._clock = clock

    def _step(self):
        if not self._drive():
            return self._tap.wants or _POLLIN
        verdict = self.verdict
        # TLS has shown no leaf (a resumed session), or has gone on against our word.
        if verdict is None or not verdict.accepted:
            raise self._refused or Refused("tls.chain_hidden")
        # The leaf that was judged must be the one whose key mbedTLS saw proved.
        if self._leaf() != self._chain[0]:
            raise Refused("tls.leaf_mismatch", None, verdict)
        self._open()
        return None

    def _shown(self, view, depth):
        wire = self._tap
        try:
            # A certificate mbedTLS cannot parse is shown with no bytes.
            if len(view) == 0:
                wire.code = "tls.chain_unreadable"
                wire.detail = depth
                return FATAL_IN_CALLBACK
            if depth != 0:
                return 0
            # A copy: the view lives on the C stack and dies with this call.
            self._chain = [bytes(view)]
            self.verdict = verdict = Verdict(
                bytes(32), 0
            )  # of a literal state, which is never replaced
            verdict.wanted = self._pins
            try:
                for _ in decide(_Case(self._chain, verdict, self._pins, self._clock())):
                    pass
                verdict.accepted = True
                verdict.code = "ok"
                return 0
            except TrustError as refusal:
                verdict.code = refusal.code
                verdict.detail = refusal.detail
                verdict.pin = None
                self._refused = Refused(verdict.code, verdict.detail, verdict)
        except BaseException as error:  # noqa: BLE001 - raising through mbedTLS leaks its chain
            wire.keep(error)
        return FATAL_IN_CALLBACK


class _Case:
    """What mode_key.decide() asks for, where there is no more than a list of pins."""

    check_name = check_eku = False
    purpose = SERVER_AUTH
    name = "pins"

    def __init__(self, chain, verdict, pins, at):
        self.chain = chain
        self.verdict = verdict
        self.state = self.service = self.pin_set = self
        self.known = bool(at[1])
        self.at = at[0] if self.known else 0  # a bound below every date, as of a literal state
        self._pins = pins
        verdict.time_rule = "clock" if self.known else "bound"

    def is_denied(self, digest):
        return False

    def match(self, keys):
        return self._pins.index(keys[0]) if keys[0] in self._pins else None

    def why_none(self, keys):
        return "pin.none_matched"


_STAYS = True  # compat.forget
