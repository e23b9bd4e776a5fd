# SPDX-License-Identifier: MIT
"""Where TLS forgets the peer's certificate: which leaf proved its key, and when it has done so."""

from check import equal
from trustanchor.errors import Refused
from trustanchor.tls.handshake import Tapped
from trustanchor.tls.own_config import Peer, der_of
from trustanchor.tls.wire import Wire

CHAIN = (b"leaf", b"issuer")
HELLO = b"\x16\x03\x03\x00\x02ab"
CHANGE = b"\x14\x03\x03\x00\x01\x01"
FINISHED = b"\x16\x03\x03\x00\x04done"
DATA = b"\x17\x03\x03\x00\x02hi"


class Sock:
    """A socket that has these bytes and then would block."""

    def __init__(self, data):
        self.data = data

    def readinto(self, buffer):
        if not self.data:
            return None
        count = min(len(buffer), len(self.data))
        buffer[:count] = self.data[:count]
        self.data = self.data[count:]
        return count

    def write(self, data):
        return len(data)

    def setblocking(self, flag):
        pass

    def close(self):
        pass


def read(wire, size):
    """Ask for size bytes as TLS does, a header or a body at a time."""
    buffer = bytearray(size)
    return wire.readinto(buffer)


def watched(data, shown=lambda view, depth: 0):
    wire = Wire(Sock(data))
    return wire, Peer(wire, shown)


def test_the_leaf_is_told_when_tls_asks_for_what_follows_the_finished():
    wire, peer = watched(HELLO + CHANGE + FINISHED + DATA)
    for depth in (0, 1):  # whatever the order
        equal(peer.shown(memoryview(CHAIN[depth]), depth), 0)
    for size in (5, 2, 5, 1, 5, 4):
        equal(peer.leaf(), None)
        equal(read(wire, size), size)
    equal(peer.leaf(), None)  # read, but not yet believed
    equal(read(wire, 5), 5)
    equal(peer.leaf(), CHAIN[0])


def test_a_body_in_pieces_is_one_record():
    wire, peer = watched(CHANGE + FINISHED)
    peer.shown(memoryview(CHAIN[0]), 0)
    for size in (3, 2, 1, 1, 4, 1, 1, 1):
        read(wire, size)
        equal(peer.leaf(), None)
    read(wire, 1)
    equal(peer.leaf(), None)  # the body's last byte
    equal(read(wire, 5), None)  # TLS asks on, and would have to wait
    equal(peer.leaf(), CHAIN[0])


def test_no_handshake_is_over_without_both_records():
    for data in (HELLO + HELLO, CHANGE + CHANGE, CHANGE + DATA, FINISHED + CHANGE):
        wire, peer = watched(data)
        peer.shown(memoryview(CHAIN[0]), 0)
        while read(wire, 1):
            equal(peer.leaf(), None)
        equal(peer.leaf(), None)


def test_a_handshake_without_a_certificate_has_no_leaf():
    wire, peer = watched(CHANGE + FINISHED)
    while read(wire, 1):
        pass
    equal(peer.leaf(), None)


def test_what_the_judge_refuses_stays_refused():
    _, peer = watched(b"", lambda view, depth: -0x3000)
    equal(peer.shown(memoryview(CHAIN[0]), 0), -0x3000)


def test_an_error_in_the_judge_does_not_pass_through_tls():
    def broken(view, depth):
        raise KeyError(depth)

    wire, peer = watched(b"", broken)
    equal(peer.shown(memoryview(CHAIN[0]), 0), -0x3000)
    equal(type(wire.raised), KeyError)


class Tap(Wire):
    """Has recorded its chain, as the tap does in TLS 1.2, until it is released."""

    chain: "object" = [memoryview(one) for one in CHAIN]
    is_gated = False

    def __init__(self):
        super().__init__(Sock(CHANGE + FINISHED))
        self.verify_mode = 0

    def release(self):
        self.chain = None

    def poll(self, flags, timeout_ms):
        return flags


class Tls:
    """Withheld until the tap is released; then shows a chain, and reads to the end."""

    def __init__(self, tap, native, shows):
        self.tap, self.native, self.shows = tap, native, shows
        self.written = b""

    def readinto(self, buffer):
        if self.tap.chain is None:
            equal(self.native.verify_mode, 1)
            for depth in range(len(self.shows) - 1, -1, -1):
                self.native.verify_callback(memoryview(self.shows[depth]), depth)
            while read(self.tap, 5):
                pass
        return None

    def read(self, size=-1):
        return b""

    readline = read

    def write(self, data):
        self.written += data
        return len(data)

    def close(self):
        pass


class Native:
    verify_mode = 0
    verify_callback = None


class Verdict:
    accepted = True
    contradicted = detail = served = None
    code = "ok"


def tapped(shows):
    def judging(chain):
        equal(bytes(chain[0]), CHAIN[0])
        yield
        return Verdict()

    tap, native = Tap(), Native()
    tls = Tls(tap, native, shows)
    return Tapped(native, tls, tap, judging, lambda made: True, 60000), tls


def test_over_the_tap_the_leaf_that_tls_uses_is_the_one_that_was_judged():
    made, tls = tapped(CHAIN)
    equal(made.getpeercert(True), None)
    made.handshake()
    equal(made.getpeercert(True), CHAIN[0])
    equal(made.write(b"hello"), 5)
    equal(tls.written, b"hello")


def test_over_the_tap_another_leaf_is_refused():
    for shows in ((b"other", b"issuer"), (b"issuer", b"leaf")):
        made, tls = tapped(shows)
        try:
            made.handshake()
        except Refused as refusal:
            equal(refusal.code, "tls.leaf_mismatch")
            equal(tls.written, b"")
            continue
        raise ValueError("not refused")


def test_a_firmware_without_the_callback_says_so_at_the_first_context():
    from trustanchor.tls import client

    class Lacking:
        def __init__(self, protocol):
            pass

    class Module:
        PROTOCOL_TLS_CLIENT = PROTOCOL_TLS_SERVER = CERT_NONE = 0
        SSLContext = Lacking

    real, client.tls = client.tls, Module
    try:
        client.Context(pins=["00" * 32, "11" * 32]).load_cert_chain(b"", b"")
    except NotImplementedError as error:
        equal("no verify_callback" in str(error), True)
    else:
        raise ValueError("went on")
    finally:
        client.tls = real


PEM = b"""# what people have
-----BEGIN EC PARAMETERS-----
BggqhkjOPQMBBw==
-----END EC PARAMETERS-----
-----BEGIN EC PRIVATE KEY-----
MAMC
AQE=
-----END EC PRIVATE KEY-----
"""


def test_pem_is_decoded_for_a_build_that_reads_none():
    equal(der_of(PEM), b"\x30\x03\x02\x01\x01")
    equal(der_of(PEM.decode()), b"\x30\x03\x02\x01\x01")
    for text in (b"", b"\x30\x03\x02\x01\x01", b"-----BEGIN X-----\nMAMC", PEM[:60]):
        try:
            der_of(text)
        except ValueError:
            continue
        raise ValueError("decoded " + repr(text))
