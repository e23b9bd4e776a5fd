# SPDX-License-Identifier: MIT
"""The outside of a bundle: which message it is, and the first fields of the state inside.

Enough to decide early: a carrier reads a Prefix from the first bytes of a file and asks audience,
epoch, sequence and size before it writes any flash.

    prefix = Prefix(source)         # type, epoch, sequence, issued_at, products, devices, ...

Here are also the few words by which every map of a bundle is read (fill); a grammar is a text
that mirrors the CDDL of SPEC.md, field after field from 0.

Depends on: cbor, compat, errors, limits.
Heap: 3 KB from a .mpy file.
"""

from ..compat import const, finish
from ..encoding.cbor import BytesSource, Reader
from ..errors import MalformedError, UnsupportedError, UpdateError
from ..kinds import LINK
from ..limits import AUTHORITY_BYTES, BUNDLE_BYTES, IGNORED_BYTES

# By type of message.
TYPES = (b"state", b"rescue", b"link")

_CONTENT_TYPE = b"application/x.trustanchor-"
_CONTENT_TYPE_KEY = const(3)  # RFC 9052 section 3.1
_COSE_SIGN = const(98)
_VERSION = const(1)

_NAME = const(32)
_HOST = const(253)  # RFC 1035 section 2.3.4, without the root
_MAX_TIME = const(253402300799)  # 9999-12-31T23:59:59Z, the last X.509 can say
_FIRST_IGNORED = const(20)
_PIECE_BYTES = const(256)
_PIECE_SHIFT = const(8)

# 1073741823 is 2^30 - 1: epochs and sequences are small integers on every port.
_STATE = (
    "version:v epoch:i0-1073741823 sequence:i1-1073741823 issued_at:T expires_at:T audience:a"
    " authority:r backup:r"
)
_LAST_PREFIX = const(7)
_LAST_EARLY = const(5)
_AUDIENCE = "products:N devices:M"


class Prefix:
    """The first fields of a state (0 to 7): all that decides whether it may be the next one.

    payload             (start, end) of the payload in the source
    products, devices   the audience, None for any
    authority, backup   (start, end) of the records in the source

    early  only the fields before the authority: they lie in the first 512 bytes unless the
           audience is long; None: no field at all, for reading() and digesting() to follow
    """

    def __init__(self, source, early=False):
        self.source = source
        self.epoch = self.sequence = self.issued_at = 0
        self.expires_at = self.products = self.devices = None
        self.authority = self.backup = (0, 0)
        reader = Reader(source)
        self.type, _, self.payload = envelope(reader)
        if self.type == LINK:
            raise MalformedError("bundle.file", 0)
        if early is not None:
            finish(self.reading(early))

    def reading(self, early=False):
        """Generator: read the fields, in slices; for a Prefix made with early=None."""
        for key in fields(self, Reader(self.source, *self.payload), early):
            if key is not None:
                return
            yield

    @property
    def payload_digest(self) -> bytes:
        """The SHA-256 of the payload, read anew: a Prefix is also the least of a loaded state."""
        return finish(self.digesting())

    def digesting(self):
        """Generator: payload_digest in slices."""
        import hashlib

        total = hashlib.sha256()
        yield from feed(total, self.source, self.payload[0], self.payload[1])
        return total.digest()


def fields(target, reader: Reader, early=False):
    """Generator: read the first fields of a state into target; yield the key of each that follows.

    Between slices of work it yields None.
    """
    last = _LAST_EARLY if early else _LAST_PREFIX
    required = (0, 1, 2, 3) if early else (0, 1, 2, 3, 6, 7)
    target.expires_at = target.products = target.devices = None
    names = _STATE.split()
    found = 0
    for key in reader.fields():
        if key <= last:
            name, kind = names[key].split(":")
            if kind == "a":
                # Up to 80 names; what a loop of fill() would do.
                for part in reader.fields():
                    keep(part, reader, target, _AUDIENCE.split())
                    yield
            else:
                setattr(target, name, value(reader, kind))
            found |= 1 << key
            yield
            continue
        if found >= 0:
            check(found, required)
            found = -1
            names = []  # half a kilobyte, while the rest of a state is read
        yield key
    if found >= 0:
        check(found, required)


def envelope(reader: Reader):
    """Enter a message; return (type, protected header, (start, end) of the payload).

    The reader is left before the signatures. Refuses with cose.shape cose.header
    cose.content_type cose.unprotected.
    """
    reader.tag(_COSE_SIGN)
    if reader.array(0, 24) != 4:
        raise UpdateError("cose.shape", reader.pos)
    protected = bytes(reader.octets(0, 64))
    header = Reader(BytesSource(protected))
    content_type = b""
    for key in header.fields():
        if key != _CONTENT_TYPE_KEY:
            raise UpdateError("cose.header", key)
        content_type = header.text(1, 63).encode()
    header.finish()
    word = content_type[len(_CONTENT_TYPE) :]
    if content_type[: len(_CONTENT_TYPE)] != _CONTENT_TYPE or word not in TYPES:
        raise UpdateError("cose.content_type")
    if reader.map_size():
        raise UpdateError("cose.unprotected", reader.pos)
    return TYPES.index(word), protected, reader.span(1, BUNDLE_BYTES)


def fill(reader: Reader, target, grammar: str, required, special=None):
    """Read a map into the attributes of target; return target.

    grammar   "name:kind" of each field in order from 0; kinds as in value()
    required  the fields that must be there (bundle.missing_field)
    special   special(reader) reads the value of kind "s"; kind "-" is a field unknown here
    """
    names = grammar.split()
    found = 0
    for key in reader.fields():
        found |= keep(key, reader, target, names, special)
    check(found, required)
    return target


def keep(key: int, reader: Reader, target, names, special=None) -> int:
    """Read the value of one field of fill(), whose grammar has been split; return 1 << key.

    A field that is stepped over is 0.
    """
    name, kind = names[key].split(":") if key < len(names) else ("", "-")
    if kind == "-":
        ignore(key, reader)
        return 0
    setattr(target, name, special(reader) if kind == "s" else value(reader, kind))
    return 1 << key


def check(found: int, required) -> None:
    """Refuse a map in which one of the required fields was not found."""
    for key in required:
        if not found >> key & 1:
            raise MalformedError("bundle.missing_field", key)


def value(reader: Reader, kind: str):
    """Read one value.

    t name, h host, H hosts, N and M up to 16 and 64 names, b true, n true meaning False, T time,
    i<low>-<high> integer, x<low>-<high> bytes, r (start, end) of an authority, v the version
    """
    what = kind[0]
    if what == "t":
        return reader.text(1, _NAME)
    if what == "h":
        return reader.text(1, _HOST)
    if what == "b":
        return reader.true()
    if what == "n":
        return not reader.true()
    if what == "T":
        return reader.uint(0, _MAX_TIME)
    if what == "r":
        return record_span(reader)
    if what == "v":
        return read_version(reader)
    if what in "HNM":
        most = 64 if what == "M" else 16
        length = _HOST if what == "H" else _NAME
        return tuple(reader.text(1, length) for _ in range(reader.array(1, most)))
    low, high = kind[1:].split("-")
    if what == "x":
        return bytes(reader.octets(int(low), int(high)))
    return reader.uint(int(low), int(high))


def ignore(key: int, reader: Reader) -> None:
    """Step over a field reserved for additions; any other is critical (SPEC.md E6)."""
    if key < _FIRST_IGNORED:
        raise MalformedError("bundle.unknown_field", key)
    reader.skip_within(IGNORED_BYTES)


def read_version(reader: Reader) -> int:
    version = reader.uint(0, 0xFFFFFFFF)
    if version != _VERSION:
        raise UnsupportedError("bundle.version", version)
    return version


def record_span(reader: Reader):
    """Step over an authority record; return its (start, end)."""
    begin = reader.pos
    reader.skip_within(AUTHORITY_BYTES)
    return begin, reader.pos


def feed(total, source, at: int, end: int):
    """Generator: give the bytes of source between two offsets to a hash; yields every 4 KB."""
    while at < end:
        length = min(_PIECE_BYTES, end - at)
        total.update(source.read(at, length))
        at += length
        if not at >> _PIECE_SHIFT & 15:
            yield
