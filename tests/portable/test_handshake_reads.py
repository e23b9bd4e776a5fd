# SPDX-License-Identifier: MIT
"""The byte that came with the end of the handshake: read first, once, and only when asked for."""

from check import equal
from trustanchor.tls.handshake import Tapped as Connection


class Tap:
    def setblocking(self, flag):
        pass


class Tls:
    """What TLS has for us after that byte."""

    def __init__(self):
        self.data = b"de\nf"

    def read(self, size=-1):
        size = len(self.data) if size < 0 else size
        piece, self.data = self.data[:size], self.data[size:]
        return piece

    def readinto(self, buffer):
        piece = self.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def getpeercert(self, binary_form):
        return b"leaf"

    def readline(self):
        return self.read(self.data.index(b"\n") + 1)


def connection(kept=1, byte=b"c"):
    made = Connection(None, Tls(), Tap(), None, None, 1000)
    made._is_done = True
    made._kept = kept
    made._first[0] = byte[0]
    return made


def test_the_kept_byte_comes_first_and_once():
    made = connection()
    equal(made.read(2), b"cd")
    equal(made.read(), b"e\nf")
    made = connection()
    equal((made.read(1), made.read(1)), (b"c", b"d"))
    equal(connection().readline(), b"cde\n")
    equal(connection(byte=b"\n").readline(), b"\n")
    buffer = bytearray(3)
    equal(connection().readinto(buffer), 3)
    equal(bytes(buffer), b"cde")


def test_reading_nothing_takes_nothing():
    made = connection()
    equal(made.read(0), b"")
    buffer = bytearray()
    equal(made.readinto(buffer), 0)
    equal(len(buffer), 0)
    equal(made.readinto(memoryview(buffer)), 0)
    equal(made.read(2), b"cd")


def test_a_kept_end_of_stream_is_an_end():
    equal(connection(0).read(5), b"")
    equal(connection(0).readline(), b"")
    equal(connection(0).readinto(bytearray(5)), 0)
