# SPDX-License-Identifier: MIT
"""The tap on bytes alone: what it records, what it withholds, and that no bytes make it raise."""

from check import equal, true
from trustanchor.limits import CHAIN_BYTES, CHAIN_CERTIFICATES
from trustanchor.tls.tap import Tap

HELLO = bytes.fromhex("0303" + "11" * 32 + "00" + "c02b" + "00")
HELLO_1_3 = HELLO + bytes.fromhex("0006002b00020304")
CHAIN = [b"\x30\x03one", b"\x30\x07another", b"\x30" * 300]
ALERT = bytes.fromhex("15030300020228")


def message(kind, body):
    return bytes((kind,)) + len(body).to_bytes(3, "big") + body


def record(body, kind=22):
    return bytes((kind, 3, 3)) + len(body).to_bytes(2, "big") + body


def certificate(chain):
    listed = b"".join(len(der).to_bytes(3, "big") + der for der in chain)
    return message(11, len(listed).to_bytes(3, "big") + listed)


class Sock:
    """Says data in pieces of size bytes, then would block; keeps what is written, takes at most
    so many bytes of it at once.
    """

    def __init__(self, data, size=1 << 16):
        self.data = data
        self.size = size
        self.takes = 1 << 16
        self.written = b""

    def readinto(self, buffer):
        count = min(len(buffer), self.size, len(self.data))
        if count == 0:
            return None
        buffer[:count] = self.data[:count]
        self.data = self.data[count:]
        return count

    def write(self, data):
        count = min(len(data), self.takes)
        self.written += bytes(data[:count])
        return count


class Native:
    verify_mode = 0


def read_all(tap, size=512):
    """Read until the tap blocks or stops, a read a step; return its last answer."""
    buffer = bytearray(size)
    while True:
        tap.reads = 0
        answer = tap.readinto(buffer)
        if answer is None or answer <= 0:
            return answer


def tap_after(data, size=1 << 16):
    tap = Tap(Sock(data, size), Native())
    read_all(tap)
    return tap


def recorded(tap):
    return None if tap.chain is None else [bytes(der) for der in tap.chain]


FLIGHT = record(message(2, HELLO)) + record(certificate(CHAIN)) + record(message(14, b""))


def test_records_the_chain_however_it_is_cut():
    for size in (1, 2, 3, 5, 7, 100, 1000):
        equal(recorded(tap_after(FLIGHT, size)), CHAIN)


def test_records_the_chain_over_records_that_split_and_join_messages():
    body = message(2, HELLO) + certificate(CHAIN) + message(14, b"")
    equal(recorded(tap_after(record(body))), CHAIN)
    for size in (10, 99):
        parts = [record(body[i : i + size]) for i in range(0, len(body), size)]
        equal(recorded(tap_after(b"".join(parts))), CHAIN)


def test_withholds_both_ways_until_released():
    tap = Tap(Sock(FLIGHT, 1), Native())
    tap.write(record(b"ClientHello"))
    equal(read_all(tap, 50), None)
    true(len(tap.sock.data) > 0)
    equal(tap.write(record(b"client certificate")), None)
    true(tap.is_gated)
    equal(tap.sock.written, record(b"ClientHello"))
    tap.release()
    equal(tap.write(record(b"client certificate")), 23)
    read_all(tap, 50)
    equal(tap.sock.data, b"")


def test_lets_alerts_leave_and_nothing_behind_them():
    tap = tap_after(FLIGHT)
    equal(tap.write(ALERT + record(b"client certificate")), len(ALERT))
    equal(tap.write(record(b"client certificate")), None)
    equal(tap.sock.written, ALERT)


def test_no_cut_through_what_may_leave_lets_out_what_may_not():
    """The socket takes a part of an alert, or of ChangeCipherSpec and Finished."""
    ccs = record(b"\1", 20)
    flights = [(ccs, ccs + record(b"Finished", 23))]
    flights += [(alert, alert) for alert in (ALERT[:-1] + bytes((i,)) for i in range(256))]
    hello = record(message(2, HELLO_1_3))
    for harmless, flight in flights:
        for size in range(1, len(flight) + 1):
            tap = Tap(Sock(hello), Native())
            read_all(tap)
            tap.sock.takes = size
            left = flight
            while left:
                count = tap.write(left)
                if count is None:
                    break
                left = left[count:]
            true(len(tap.sock.written) <= len(harmless), size)
            tap.release()
            while left:
                left = left[tap.write(left) :]
            equal(tap.sock.written, flight)


def test_a_server_that_never_stops_speaking_does_not_hold_a_step():
    class Endless(Sock):
        def readinto(self, buffer):
            buffer[:] = bytes(len(buffer))
            return len(buffer)

    tap = Tap(Endless(b""), Native())
    tap.release()
    for _ in range(2):
        tap.reads = tap.wants = reads = 0
        while tap.readinto(bytearray(5)) is not None:
            reads += 1
            true(reads < 1000)
        true(reads > 20)
        equal(tap.wants, 1)


def test_a_tls_1_3_hello_turns_the_callback_on_and_closes_the_way_out():
    tap = tap_after(record(message(2, HELLO_1_3)))
    equal((tap.chain, tap.verify_mode, tap._native.verify_mode), (None, 1, 1))
    equal(tap.write(record(b"Finished", 23)), None)
    equal(tap_after(FLIGHT)._native.verify_mode, 0)


def test_what_it_refuses_has_a_code():
    hello = record(message(2, HELLO))
    for data, code in (
        (hello + record(certificate([b"\x30"] * CHAIN_CERTIFICATES)), None),
        (hello + record(certificate([b"\x30"] * (CHAIN_CERTIFICATES + 1))), "tls.chain_too_large"),
        (hello + record(b"\x0b" + (CHAIN_BYTES + 1).to_bytes(3, "big")), "tls.chain_too_large"),
        (hello + record(b"\1", 20), "tls.chain_hidden"),
        (hello + record(b"x", 23), "tls.chain_hidden"),
        (hello + record(message(14, b"")), "tls.chain_hidden"),
        (hello + record(certificate([])), "tls.chain_hidden"),
        (hello + record(certificate([b""])), "tls.malformed"),
        (record(message(2, b"\3\2" + HELLO[2:])), "tls.version"),
        (record(message(2, HELLO_1_3[:-1] + b"\2")), "tls.version"),
        (record(certificate(CHAIN)), "tls.malformed"),
        (record(b""), "tls.malformed"),
        (b"HTTP/1.0 400", "tls.plain_text"),
    ):
        tap = tap_after(data)
        equal(tap.code, code)
        equal(tap.chain is None, code is not None)
        if code is not None:
            equal(tap.write(record(b"anything")), -103)
            equal(tap.sock.written, b"")


def test_no_other_record_stands_in_place_of_the_server_hello():
    for kind in (20, 23):
        tap = tap_after(record(b"\1", kind) + FLIGHT)
        equal((tap.code, tap.detail), ("tls.malformed", "record type"))
        equal(tap.chain, None)
    equal(tap_after(FLIGHT).code, None)


def test_a_dropped_tap_reads_and_writes_no_more():
    for leaves in (False, True):
        tap = Tap(Sock(FLIGHT), Native())
        if leaves:
            tap.leave()
        tap.ioctl = lambda request, argument: 0  # type: ignore[method-assign]
        tap.drop()
        buffer = bytearray(8)
        equal((tap.readinto(buffer), bytes(buffer)), (-103, bytes(8)), leaves)
        equal((tap.write(b"request"), tap.sock.written), (-103, b""), leaves)


def test_a_chain_of_the_greatest_size_is_waited_for():
    tap = tap_after(record(message(2, HELLO)) + record(b"\x0b" + CHAIN_BYTES.to_bytes(3, "big")))
    equal((tap.code, tap.chain), (None, None))


def test_no_bytes_make_it_raise():
    """One octet changed at every place of the flight: recorded, waiting, or a coded refusal."""
    for place in range(0, len(FLIGHT), 3):
        for value in (0, 0x7F, 0xFF):
            data = FLIGHT[:place] + bytes((value,)) + FLIGHT[place + 1 :]
            tap = Tap(Sock(data), Native())
            answer = read_all(tap)
            equal(tap.raised, None, place)
            if answer is not None:
                true(answer < 0 and str(tap.code).startswith("tls."), place)
