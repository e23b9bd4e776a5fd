# SPDX-License-Identifier: MIT
"""One verdict over a server's chain.

    verdict = judge(chain, Asked(service, "example.net", 443), (unix_s, known), state, local)
    if not verdict.accepted: refuse with verdict.code

judge() is pure: no clock, no socket, no flash. What should be remembered leaves as events, which
the store joins into the LocalState after the handshake has completed. judging() is the same as a
generator that yields None between slices of work, because a cold verdict takes seconds on a board
and its event loop and watchdog must live.

The profile, one rule a line, in the order it is applied; mode key is in mode_key.py, modes path
and anchors are in mode_path.py, the rules of a path in path.py:

    time         a clock never set or below the bound is unknown; then `at` is the bound
    service      max_state_age_s, needs_clock
    deny list    a denied key anywhere on the path: path.key_denied, in every mode
    mode key     a live pin equals the leaf's key; leaf dates; name and EKU when switched on
    mode anchors a valid path (path.py)
    mode path    a valid path, and the lowest live pin over the keys of all valid paths
    audit        waives the pin match alone
    CLIENT_AUTH  the peer's own name must match the service's pattern; no events

Depends on: compat, errors, outcome, pins; mode_key or mode_path.
Heap: about 1.3 KB from a .mpy file.
"""

from ..compat import collecting, recover
from ..errors import PathError, TrustError
from ..kinds import CLOCK_VERIFIED, MODE_KEY
from ..state import pins
from .outcome import Verdict

_has_loaded = False


def judge(chain, asked, at, state, local) -> Verdict:
    """Return the Verdict over chain (DER certificates, end entity first, others in any order).

    at is (unix seconds, CLOCK_*): the raw reading of the clock; floors are applied here.
    """
    # Imported here: one more name of this module would make its table of names grow, and with it
    # the smallest heap of a verdict by a kilobyte (tests/host/test_verdict_heap.py).
    from ..compat import finish

    return finish(judging(chain, asked, at, state, local))


def judging(chain, asked, at, state, local):
    """judge() as a generator: yields None between slices of work, returns the Verdict.

    It raises nothing for whatever is in the chain: where the heap does not hold it, the verdict is
    tls.no_memory, and code that can be loaded again has been given back.
    """
    verdict = Verdict(state.payload_digest, local.retired_generation)
    case = _Case(verdict, chain, asked, at, state, local)
    # The first verdict loads up to 35 KB of code, and code that lands between garbage keeps it
    # apart for ever: then the collector runs often. Later verdicts need not pay for that.
    global _has_loaded
    steps = case.decide()
    if not _has_loaded:
        steps = collecting(steps)
        _has_loaded = True
    try:
        yield from steps
        verdict.accepted = True
        verdict.code = "ok"
    except TrustError as refusal:
        verdict.code = refusal.code
        verdict.detail = refusal.detail
        verdict.path = None
        verdict.pin = None
        verdict.peer_name = None  # what a refused peer says of itself is nobody's name
        verdict.events = ()
    except MemoryError:
        case = steps = None  # type: ignore[assignment]  # with all that the search holds
        verdict.code = "tls.no_memory"
        verdict.events = ()
        recover()
    return verdict


class _Case:
    """One call of judge: what is asked, and the time it is asked for."""

    def __init__(self, verdict, chain, asked, at, state, local):
        self.verdict = verdict
        self.chain = chain
        self.asked = asked
        self.service = asked.service
        self.state = state
        self.local = local
        self.clock = at[1]
        # The floors, applied once: below them the clock is wrong, whoever set it. What a leaf has
        # said of the time (local.bound) is not above a verified clock: any CA dates a leaf ahead.
        bound = max(local.floor, state.issued_at)
        if at[1] != CLOCK_VERIFIED:
            bound = max(bound, local.bound)
        self.known = bool(at[1]) and at[0] >= bound
        self.at = at[0] if self.known else bound
        verdict.time_rule = "clock" if self.known else "bound"
        self.pin_set = _pin_set_of(asked.service, state)
        if self.pin_set is not None:
            verdict.wanted = tuple(pin.spki_sha256 for pin in self.pin_set.pins)

    def decide(self):
        service = self.service
        if not self.chain:
            raise PathError("path.no_certificate")
        if service.needs_clock and not self.known:
            raise PathError("time.unknown")
        age = service.max_state_age_s
        if age is not None and self.at - self.state.issued_at > age:
            raise PathError("time.state_too_old")
        if service.mode == MODE_KEY:
            from .mode_key import decide
        else:
            from .mode_path import decide
        yield from decide(self)

    def match(self, keys):
        return pins.match(self.pin_set, keys, self.at, self.known, self.state, self.local)

    def why_none(self, keys):
        return pins.why_none(self.pin_set, keys, self.at, self.known, self.state, self.local)

    def authenticate(self, leaf):
        """CLIENT_AUTH: the first of the peer's own names that the pattern allows."""
        from ..x509.identity import matching_name

        self.verdict.peer_name = matching_name(leaf, self.service.peer_name, self.asked.host)


def _pin_set_of(service, state):
    if service.pin_set is None:
        return None
    found = state.pin_set(service.pin_set)
    if found is None:
        raise ValueError("a state that rules.check() refuses")
    return found
