# SPDX-License-Identifier: MIT
"""Bare pins: the verdict that falls while TLS shows the leaf, with a TLS that does anything."""

from check import equal, fixture, true
from trustanchor.errors import Refused
from trustanchor.tls.light import Light
from trustanchor.tls.wire import Wire
from trustanchor.x509.certificate import Certificate

LEAF = fixture("path/self.der")
OTHER = fixture("path/self_backup.der")
CERTIFICATE = Certificate(LEAF)
KEY = CERTIFICATE.spki_sha256
PINS = (b"\x05" * 32, KEY)
NOW = CERTIFICATE.not_before + 86400
STOPPED = OSError(-0x3000, "")


class Sock:
    """What a server has said, and what it was told."""

    def __init__(self, data=b""):
        self.data = data
        self.written = b""
        self.is_closed = False

    def readinto(self, buffer):
        piece = self.data[: len(buffer)]
        self.data = self.data[len(piece) :]
        buffer[: len(piece)] = piece
        return len(piece) or None

    def write(self, data):
        self.written += bytes(data)
        return len(data)

    def setblocking(self, flag):
        pass

    def close(self):
        self.is_closed = True


class Native:
    verify_mode = 0
    verify_callback = None


class Tls:
    """Shows its chain to the callback once; is complete when that goes on, or always."""

    def __init__(self, native, shows=(), proves=None, obeys=True, says=None):
        self.native = native
        self.shows = list(shows)
        self.proves = proves
        self.obeys = obeys
        self.says = says
        self.is_complete = False
        self.written = b""

    def readinto(self, buffer):
        if self.says:
            raise self.says
        equal(self.native.verify_mode, 1)
        for depth in range(len(self.shows) - 1, -1, -1):
            view = memoryview(self.shows[depth])
            if self.native.verify_callback(view, depth) != 0 and self.obeys:
                raise STOPPED
        self.shows = []
        self.is_complete = True
        return None

    def getpeercert(self, binary):
        return self.proves if self.is_complete else None

    def read(self, size=-1):
        return b"answer"

    readline = read

    def write(self, data):
        self.written += data
        return len(data)

    def close(self):
        pass


def connection(shows=(LEAF,), proves=LEAF, at=(NOW, True), **named):
    native = Native()
    wire = Wire(Sock())
    return Light(native, Tls(native, shows, proves, **named), wire, PINS, lambda: at, 60000)


def refused(code, made):
    """The refusal, after which nothing of the program has left and the socket is closed."""
    made.setblocking(False)
    try:
        while made.write(b"hello") is None:
            pass
    except Refused as refusal:
        equal(refusal.code, code)
        true(made._tap.sock.is_closed)
        equal(made._tls.written, b"")
        equal(made._native.verify_callback, None)
        return refusal
    raise ValueError("not refused")


def test_a_pinned_leaf_that_is_proved_passes():
    made = connection((LEAF, OTHER))
    made.handshake()
    verdict = made.verdict
    equal((verdict.accepted, verdict.code, verdict.pin), (True, "ok", 1))
    equal((verdict.served, verdict.wanted, verdict.time_rule), (KEY, PINS, "clock"))
    equal((made.write(b"hello"), made.read(6)), (5, b"answer"))


def test_a_stranger_is_refused_though_a_pinned_certificate_comes_after_it():
    for chain in ((OTHER,), (OTHER, LEAF)):
        refusal = refused("pin.none_matched", connection(chain, OTHER))
        equal(refusal.verdict.served, Certificate(OTHER).spki_sha256)
        equal(refusal.verdict.wanted, PINS)


def test_a_refusal_counts_though_tls_goes_on():
    refused("pin.none_matched", connection((OTHER,), OTHER, obeys=False))


def test_the_leaf_that_was_shown_is_the_one_that_is_proved():
    refused("tls.leaf_mismatch", connection((LEAF,), OTHER))


def test_a_handshake_that_shows_nothing_is_refused():
    refused("tls.chain_hidden", connection((), LEAF))
    refused("tls.chain_hidden", connection((), OTHER))


def test_a_certificate_that_tls_could_not_read_is_refused():
    refused("tls.chain_unreadable", connection((LEAF, b""), LEAF))
    refused("tls.chain_unreadable", connection((b"",), LEAF))


def test_a_leaf_that_is_none_has_the_code_of_mode_key():
    refused("der.tag", connection((b"\x02\x01\x00",), b"\x02\x01\x00"))


def test_the_dates_of_the_leaf_bind_while_the_clock_is_known():
    after = CERTIFICATE.not_after
    before = CERTIFICATE.not_before
    for now, code in ((after + 1, "path.expired"), (before - 1, "path.not_yet_valid")):
        refused(code, connection(at=(now, True)))
    for now, known in ((after, True), (before, True), (0, False), (after + 1, False)):
        made = connection(at=(now, known))
        made.handshake()
        equal(made.verdict.time_rule, "clock" if known else "bound")


def test_what_is_raised_inside_tls_comes_out_of_it():
    made = connection()

    def full():
        raise MemoryError

    made._clock = full
    refused("tls.no_memory", made)


def test_what_tls_says_has_a_code():
    for number, code in (
        (-0x7280, "tls.closed"),
        (-0x7780, "tls.alert"),
        (-0x6E80, "tls.version"),
        (110, "net.lost"),
        (-0x1234, "tls.failed"),
    ):
        refused(code, connection(says=OSError(number, "")))
    for records, number, code in (
        (0, -0x7700, "tls.failed"),
        (1, -0x7700, "tls.malformed"),
        (1, -0x7300, "tls.malformed"),
        (2, -0x7200, "tls.malformed"),
        (2, -0x7700, "tls.chain_hidden"),
        (2, -0x7300, "tls.chain_hidden"),
    ):
        made = connection(says=OSError(number, ""))
        made._tap.records = records
        refused(code, made)


def test_a_wire_knows_plain_text_and_the_last_alert():
    for data, kind, code in (
        (b"HTTP/1.1 400", 0, "tls.plain_text"),
        (b"\x16\x02\x00\x00\x01", 0, "tls.plain_text"),
        (b"\x16\x03\x03\x00\x01", 22, None),
    ):
        wire = Wire(Sock(data))
        count = wire.readinto(bytearray(5))
        equal((count < 0, wire.kind, wire.code), (code is not None, kind, code), data)
        if code:
            equal(wire.readinto(bytearray(5)), -103)
    wire = Wire(Sock(b"\x15\x03\x03\x00\x02\x02\x28" + b"nonsense"))
    for size in (5, 2):
        equal(wire.readinto(bytearray(size)), size)
    equal((wire.detail, wire.records), (0x28, 1))
    equal((wire.readinto(bytearray(5)) < 0, wire.code), (True, "tls.malformed"))


def test_a_wire_follows_records_however_they_are_cut():
    # TLS asks for what is left of a body: five bytes of it look like a header, and are none.
    body = bytes(range(64, 84))
    data = (
        b"\x16\x03\x03\x00\x14" + body + b"\x17\x03\x03\x00\x00" + b"\x15\x03\x03\x00\x02\x01\x00"
    )
    for cut in range(1, 8):
        wire = Wire(Sock(data))
        for size in (5, 20, 5, 5, 2):
            while size:
                wire.reads = 0
                piece = bytearray(size)
                with_cut = memoryview(piece)[: min(cut, size)]
                count = wire.readinto(with_cut)
                true(count is not None and count > 0, (cut, wire.code))
                size -= count
        equal((wire.records, wire.kind, wire.code, wire.detail), (3, 21, None, 0), cut)


def test_a_wire_knows_a_header_that_goes_wrong_late():
    wire = Wire(Sock(b"\x16\x02"))
    equal(wire.readinto(bytearray(1)), 1)
    equal((wire.readinto(bytearray(4)), wire.code), (-103, "tls.plain_text"))


def test_a_wire_ends_a_step_that_a_server_keeps_busy():
    wire = Wire(Sock(b"\x16" + b"\x03" * 500))
    count = 0
    while wire.readinto(bytearray(1)) is not None:
        count += 1
    equal(count, 63)
    wire.reads = 0
    equal(wire.readinto(bytearray(1)), 1)


def test_a_wire_lets_nothing_be_raised_through_tls():
    class Bad:
        def readinto(self, buffer):
            raise KeyboardInterrupt

        def write(self, data):
            raise OSError(104, "")

    wire = Wire(Bad())
    equal(wire.readinto(bytearray(5)), -103)
    equal(isinstance(wire.raised, KeyboardInterrupt), True)
    equal(wire.write(b"x"), -104)
