# SPDX-License-Identifier: MIT
"""The handshake driven by a TLS that says anything: what must hold before a byte may pass."""

from check import equal, false, true
from trustanchor.errors import Refused
from trustanchor.limits import CHAIN_CERTIFICATES
from trustanchor.tls.handshake import Tapped as Connection

LEAF = b"leaf"


class Tap:
    def __init__(self, chain):
        self.chain = chain
        self.is_gated = False
        self.code = self.detail = self.raised = None
        self.records = 0
        self.verify_mode = self.wants = 0
        self.is_closed = self.has_left = False

    def setblocking(self, flag):
        pass

    def release(self):
        self.chain = None

    def leave(self):
        self.has_left = True

    def ioctl(self, request, argument):
        self.is_closed = True
        return 0

    def poll(self, flags, timeout_ms):
        return flags


class Tls:
    """Completes when the tap has let go, and shows the leaf it was told to show."""

    def __init__(self, tap, leaf, early=None):
        self.tap = tap
        self.leaf = leaf
        self.early = early
        self.count = None
        self.written = b""

    def readinto(self, buffer):
        if self.early:
            raise self.early
        return self.count

    def getpeercert(self, binary):
        return self.leaf if self.tap.chain is None and not self.tap.is_gated else None

    def read(self, size=-1):
        return b""

    def readline(self):
        return b""

    def write(self, data):
        self.written += data
        return len(data)

    def close(self):
        pass


class Native:
    verify_mode = 0
    verify_callback = None


class Verdict:
    contradicted = None
    detail = served = None

    def __init__(self, accepted, code):
        self.accepted = accepted
        self.code = code


def connection(accepted=True, leaf=LEAF, chain=(LEAF,), stands=(True,), early=None, code="ok"):
    """A Connection and how often it asked for a verdict."""
    asked = []
    answers = list(stands)

    def judging(chain):
        asked.append(bytes(chain[0]))
        yield
        return Verdict(accepted, code)

    tap = Tap(list(chain) if chain else None)
    made = Connection(
        Native(), Tls(tap, leaf, early), tap, judging, lambda made: answers.pop(0), 60000
    )
    return made, asked


def refused(code, made):
    try:
        made.handshake()
    except Refused as refusal:
        equal(refusal.code, code)
        true(made._tap.is_closed)
        equal(made._tls.written, b"")
        return
    raise ValueError("not refused")


def test_an_accepted_chain_with_its_own_leaf_passes():
    made, asked = connection()
    made.handshake()
    equal(asked, [LEAF])
    true(made._tap.has_left)
    equal(made.write(b"hello"), 5)


def test_a_leaf_that_was_not_the_one_judged_is_refused():
    made, _ = connection(leaf=b"another")
    refused("tls.leaf_mismatch", made)


def test_a_refusal_of_the_judge_is_final():
    made, asked = connection(accepted=False, code="pin.none_matched")
    refused("pin.none_matched", made)
    equal(len(asked), 1)
    true(made._tap.chain is not None)  # never released: no client certificate has left
    try:
        made.write(b"hello")
    except OSError as error:
        equal(error.errno, 9)
    equal(made._tls.written, b"")


def test_a_chain_that_tls_shows_is_bounded_as_one_that_the_tap_reads():
    made, _ = connection(chain=())
    told = []
    made._tap.refuse = lambda *refusal: told.append(refusal)
    for depth in range(CHAIN_CERTIFICATES):
        equal(made._shown(memoryview(bytes((depth,))), depth), 0)
    equal(made._shown(memoryview(b"one more"), 0) != 0, True)
    equal(told, [("tls.chain_too_large", "certificates")])
    equal(len(made._chain), CHAIN_CERTIFICATES)


def test_trust_that_is_gone_at_completion_is_judged_again():
    made, asked = connection(stands=(False, False, True))
    made.handshake()
    equal(len(asked), 3)


def test_a_handshake_that_is_complete_without_any_chain_is_refused():
    made, _ = connection(chain=())
    refused("tls.chain_hidden", made)


def test_a_gate_without_any_chain_is_refused():
    made, _ = connection(chain=())
    made._tap.is_gated = True
    refused("tls.chain_hidden", made)


def test_data_of_a_peer_that_has_shown_nothing_is_refused():
    made, _ = connection(leaf=None)
    made._tls.count = 1
    refused("tls.chain_hidden", made)
    made, _ = connection(leaf=None)
    made._tls.count = 0
    refused("tls.closed", made)


def test_no_byte_passes_before_the_verdict():
    made, _ = connection()
    made.setblocking(False)
    buffer = bytearray(4)
    calls = 0
    while made.verdict is None:
        equal(made.write(b"hello"), None)
        if made.verdict is None:
            calls += 1
    true(calls >= 1)
    equal(made._tls.written, b"")
    made, _ = connection(accepted=False, code="pin.none_matched")
    made.setblocking(False)
    for call in (lambda: made.read(1), lambda: made.readline(), lambda: made.readinto(buffer)):
        try:
            equal(call(), None)
        except OSError:
            pass
    false(made._is_done)
    equal(bytes(buffer), bytes(4))


def test_errors_of_tls_have_codes():
    for number, code in (
        (-0x7280, "tls.closed"),
        (104, "tls.closed"),
        (-0x7780, "tls.alert"),
        (-0x4E00, "tls.proof"),
        (110, "net.lost"),
        (-0x1234, "tls.failed"),
    ):
        made, _ = connection(early=OSError(number, ""))
        refused(code, made)


def test_a_full_heap_is_a_refusal_wherever_it_is_noticed():
    made, _ = connection()

    def judging(chain):
        raise MemoryError
        yield

    made._judging = judging
    refused("tls.no_memory", made)
    made, _ = connection()
    made._tap.raised = MemoryError()
    refused("tls.no_memory", made)


def test_the_context_forgets_the_connection_after_each_step():
    made, _ = connection()
    made.handshake()
    equal(made._native.verify_callback, None)
