# SPDX-License-Identifier: MIT
"""What a server can say instead of a TLS handshake, record by record.

STREAMS are said after the ClientHello whatever it holds; RESHAPES change what a real server says.
"""

import time
from collections.abc import Callable, Iterator

from host_tools.demo.servers import HANDSHAKE

Reshape = Callable[[Iterator[bytes]], Iterator[bytes]]


def record(body: bytes, kind: int = HANDSHAKE, version: int = 0x0303) -> bytes:
    return bytes((kind,)) + version.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body


def message(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + len(body).to_bytes(3, "big") + body


def hello(
    version: int = 0x0303, extensions: bytes = b"", suite: int = 0xC02B, session: bytes = b""
) -> bytes:
    body = version.to_bytes(2, "big") + b"\x11" * 32 + bytes((len(session),)) + session
    body += suite.to_bytes(2, "big") + b"\0"
    return message(
        2, body + (len(extensions).to_bytes(2, "big") + extensions if extensions else b"")
    )


def listed(*ders: bytes) -> bytes:
    return b"".join(len(der).to_bytes(3, "big") + der for der in ders)


def certificate(*ders: bytes) -> bytes:
    entries = listed(*ders)
    return message(11, len(entries).to_bytes(3, "big") + entries)


_SELECTS_1_3 = bytes.fromhex("002b00020304")
_RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
HELLO = record(hello())
CCS = record(b"\1", 20)
DONE = message(14, b"")


def streams(leaf: bytes) -> dict[str, bytes]:
    """By name: what is said before the end of the stream. None of it is a handshake."""
    retry = hello(extensions=_SELECTS_1_3).replace(b"\x11" * 32, _RETRY)
    chain = certificate(leaf)
    said = {
        "an SSLv2 hello": bytes.fromhex("802e01000200150000001001008002008003008004008005008006"),
        "a ClientHello back": record(b"\1" + hello()[1:]),
        "a HelloRequest": record(message(0, b"")),
        "an empty handshake message": record(message(2, b"")),
        "a hello shorter than its fields": record(message(2, b"\3\3" + b"\x11" * 34)),
        "a session id beyond the hello": record(message(2, b"\3\3" + b"\x11" * 32 + b"\xff\xc0")),
        "extensions beyond the hello": record(hello()[:-2] + b"\0\0\xff\xff"),
        "an extension beyond the rest": record(hello(extensions=b"\0\x2b\xff\xff\3\4")),
        "one odd byte of extensions": record(hello(extensions=b"\0")),
        "a version twice": record(hello(extensions=_SELECTS_1_3 + bytes.fromhex("002b00020303")))
        + record(chain + DONE),
        "the other version twice": record(
            hello(extensions=bytes.fromhex("002b00020303") + _SELECTS_1_3)
        )
        + record(chain + DONE),
        "TLS 1.3 in the old field": record(hello(0x0304)),
        "TLS 1.1 in the new field": record(hello(extensions=bytes.fromhex("002b00020302"))),
        "TLS 1.3 with a suite of 1.2": record(hello(extensions=_SELECTS_1_3)),
        "TLS 1.2 with a suite of 1.3": record(hello(suite=0x1301)) + record(chain + DONE),
        "a suite never offered": record(hello(suite=0x000A)) + record(chain + DONE),
        "no encryption": record(hello(suite=0x0000)) + record(chain + DONE),
        "a retry for ever": record(retry) * 40,
        "a retry, then TLS 1.2": record(retry) + record(hello()) + record(chain + DONE),
        "a chain before the hello": record(chain),
        "a hello of 16 MB": record(b"\2\xff\xff\xff"),
        "two hellos": HELLO + HELLO,
        "the chain without its proof": HELLO + record(chain + DONE),
        "the chain twice": HELLO + record(chain + chain + DONE),
        "another chain after the first": HELLO + record(chain) + record(certificate(leaf, leaf)),
        "a certificate of no bytes": HELLO + record(certificate(b"") + DONE),
        "a leaf, then no bytes": HELLO + record(certificate(leaf, b"") + DONE),
        "a certificate longer than its list": HELLO
        + record(message(11, b"\0\0\7\0\0\xff\x30\x03abc"[:10])),
        "a list longer than its message": HELLO
        + record(message(11, b"\0\xff\xff" + listed(leaf))),
        "a list shorter than its message": HELLO + record(message(11, b"\0\0\1" + listed(leaf))),
        "two bytes of list": HELLO + record(message(11, b"\0\0")),
        "three bytes after the last": HELLO
        + record(message(11, (len(leaf) + 5).to_bytes(3, "big") + listed(leaf) + b"\0\0")),
        "no certificate but bytes": HELLO + record(certificate(b"\xff" * 900) + DONE),
        "half a certificate": HELLO + record(certificate(leaf[: len(leaf) // 2]) + DONE),
        "a certificate and a tail": HELLO + record(certificate(leaf + b"\0") + DONE),
        "a TLS 1.3 list in TLS 1.2": HELLO
        + record(message(11, b"\0" + (len(leaf) + 5).to_bytes(3, "big") + listed(leaf) + b"\0\0")),
        "a status instead": HELLO + record(message(22, b"\1\0\0\0")),
        "a ticket before the end": HELLO + record(chain + message(4, b"\0\0\0\1\0\0")),
        "Finished at once": HELLO + record(message(20, b"\0" * 12)),
        "ChangeCipherSpec first": CCS + HELLO,
        "ChangeCipherSpec for the chain": HELLO + CCS,
        "ChangeCipherSpec after the chain": HELLO + record(chain) + CCS * 3,
        "application data for the chain": HELLO + record(b"x" * 99, 23),
        "application data after the chain": HELLO + record(chain) + record(b"x" * 99, 23),
        "a heartbeat": HELLO + record(b"\1\xff\xff", 24),
        "a record of no bytes": HELLO + record(b""),
        "an alert of no bytes": record(b"", 21),
        "an alert of one byte": record(b"\2", 21) + record(b"\x28", 21),
        "an alert of many bytes": record(b"\2\x28" * 200, 21),
        "warnings for ever": record(b"\1\0", 21) * 2000,
        "warnings amid the hello": record(hello()[:9])
        + record(b"\1\x5a", 21)
        + record(hello()[9:]),
        "a close before the hello": record(b"\1\0", 21),
        "a record too long": HELLO + bytes.fromhex("1603034801") + b"\0" * 18433,
        "a record longer than the stream": HELLO + bytes.fromhex("1603034000") + chain,
        "another major version": record(hello(), version=0x0403),
        "a chain in records of one byte": HELLO + b"".join(record(bytes((b,))) for b in chain),
        "a hello in records of one byte": b"".join(record(bytes((b,))) for b in hello() + chain),
    }  # fmt: skip
    whole = HELLO + record(chain + DONE)
    for size in (*range(16), 44, 50, 51, 54, 57, 60, len(whole) - 5, len(whole) - 1):
        said[f"the end after {size} bytes"] = whole[:size]
    return said


def _in_clear(change: Callable[[bytes], bytes]) -> Reshape:
    """change() for each handshake record before the server's first that is not one."""

    def reshape(records: Iterator[bytes]) -> Iterator[bytes]:
        is_clear = True
        for one in records:
            is_clear = is_clear and one[0] == HANDSHAKE
            yield change(one) if is_clear else one

    return reshape


def before(extra: bytes, kind: int) -> Reshape:
    """extra is said before the first message of this kind that begins a record."""
    return _in_clear(lambda one: extra + one if one[5] == kind else one)


def after(extra: bytes, kind: int) -> Reshape:
    return _in_clear(lambda one: one + extra if one[5] == kind else one)


def without(kind: int) -> Reshape:
    return _in_clear(lambda one: b"" if one[5] == kind else one)


def instead(text: bytes, kind: int) -> Reshape:
    return _in_clear(lambda one: text if one[5] == kind else one)


def flipped(position: int, bit: int = 0) -> Reshape:
    """One bit of everything the server says is another, counted from its first byte."""

    def reshape(records: Iterator[bytes]) -> Iterator[bytes]:
        at = 0
        for one in records:
            if at <= position < at + len(one):
                changed = bytearray(one)
                changed[position - at] ^= 1 << bit
                one = bytes(changed)
            at += len(one)
            yield one

    return reshape


def swapped_chain(stranger_first: bytes, *rest: bytes) -> Reshape:
    """Another Certificate message in the place of the server's own."""
    return instead(record(certificate(stranger_first, *rest)), 11)


def reshapes_1_2(pinned: bytes) -> dict[str, Reshape]:
    """Changes to a stranger's TLS 1.2 handshake that try to pass for the pinned server's."""
    return {
        "the pinned chain in place of its own": swapped_chain(pinned),
        "the pinned chain before its own": before(record(certificate(pinned)), 11),
        "the pinned chain after its own": after(record(certificate(pinned)), 11),
        "the pinned leaf in another hello": before(HELLO + record(certificate(pinned)), 2),
        "the pinned chain, then a warning": before(
            record(certificate(pinned)) + record(b"\1\0", 21), 11
        ),
        "a HelloRequest before the chain": before(record(message(0, b"")), 11),
        "a HelloRequest after the chain": after(record(message(0, b"")), 11),
        "no key exchange": without(12),
        "no end of the flight": without(14),
        "a warning amid the flight": before(record(b"\1\x5a", 21), 12),
        "a ticket amid the flight": before(record(message(4, b"\0\0\0\1\0\0")), 12),
        "application data amid the flight": before(record(b"x", 23), 12),
        "an early ChangeCipherSpec": before(CCS, 14),
        "a status amid the flight": after(record(message(22, b"\1\0\0\1\0")), 11),
    }


def flooded(extra: bytes, place: int, seconds: float) -> Reshape:
    """extra again and again, before the record of that place."""

    def reshape(records: Iterator[bytes]) -> Iterator[bytes]:
        for i, one in enumerate(records):
            end = time.monotonic() + (seconds if i == place else 0)
            while time.monotonic() < end:
                yield extra * 500
            yield one

    return reshape


def floods_1_2(seconds: float) -> dict[str, Reshape]:
    """What TLS ignores, for ever: warnings, and HelloRequests in the middle of a handshake."""
    warning = record(b"\1\x5a", 21)
    return {
        "warnings for the hello": flooded(warning, 0, seconds),
        "warnings amid the flight": flooded(warning, 2, seconds),
        "HelloRequests amid the flight": flooded(record(message(0, b"")), 2, seconds),
    }


def floods_1_3(seconds: float) -> dict[str, Reshape]:
    return {"ChangeCipherSpec after the hello": flooded(CCS, 1, seconds)}


def reshapes_1_3(pinned: bytes) -> dict[str, Reshape]:
    return {
        "a chain in clear after the hello": after(record(certificate(pinned)), 2),
        "a chain in clear before the hello": before(record(certificate(pinned)), 2),
        "a TLS 1.2 flight after the hello": after(record(certificate(pinned) + DONE), 2),
        "an old hello before the new": before(HELLO + record(certificate(pinned)), 2),
        "ChangeCipherSpec three times": after(CCS * 3, 2),
        "an alert in clear": after(record(b"\1\x5a", 21), 2),
    }
