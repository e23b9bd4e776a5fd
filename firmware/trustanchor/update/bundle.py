# SPDX-License-Identifier: MIT
"""A bundle's state: what its bytes say (SPEC.md "State"), for a device that has accepted it.

    state = parse(FileSource(file, size))
    state.payload_digest                # must be the one the record names
    state = yield from reading(source)  # of one that nobody has vouched for, in slices

Whether a bundle that arrived may be accepted is decided by acceptance.py. Bodies of anchors and
intermediates stay where they are: a state knows where each lies and what its digest is, so that
all of a browser's roots fit a small heap. The source is read once, digest included.

Depends on: cbor, compat, errors, limits, names, prefix, model.
Heap: 5 KB from a .mpy file; 16 bytes an anchor or intermediate.
"""

import hashlib

from ..compat import const, finish, sha256
from ..encoding.cbor import BytesSource, Reader
from ..errors import MalformedError, StoreError
from ..kinds import LINK
from ..limits import (
    ANCHOR_BYTES,
    ANCHORS,
    CERTIFICATE_BYTES,
    DENIED_BYTES,
    INTERMEDIATES,
    PIN_SETS,
    PINS,
    PROBES,
    SERVICES,
)
from ..state import model as states
from ..state.anchors import Anchor, index_key, is_named
from .prefix import envelope, feed, fields, fill, ignore, value

# The maps of a state, field after field; 4294967295 is 2^32 - 1.
_SERVICE = (
    "name:t hosts:H port:i1-65535 purpose:i2-2 mode:i1-2 pin_set:t enforce:n check_name:b"
    " check_eku:b needs_clock:b max_state_age_s:i1-4294967295 peer_name:h"
)
_PIN_SET = (
    "name:t pins:s on_expiry:i1-1 ratchet:i1-2 hold_s:i1-4294967295 hold_max_s:i1-4294967295"
)
_PIN = "spki_sha256:x32-32 is_backup:b not_before:T not_after:T"
_ANCHOR = (
    "name:x3-1024 spki:x16-1200 hosts:H purposes:i2-3 trust_from:T trust_until:T"
    " distrust_leaf_after:T name_constraints:x2-1024 path_len:i0-10"
)
_PROBE = "service:t host:h port:i1-65535"
_TRIAL = "trial_s:i60-31536000 tries:i1-100"

_TRIAL_S = const(604800)  # a week
_TRIES = const(3)

# An entry of Bodies.
_KEY = const(4)
_OFFSET = const(3)
_BODY_DIGEST = const(9)
_ENTRY = const(16)


class Bundle(states.TrustState):
    """A TrustState with what the bundle says of itself.

    type                STATE or RESCUE
    products, devices   the audience, None for any
    authority, backup   (start, end) of the records in source
    never_reverts       field 8
    overrides           names the host recorded
    probes              (Probe, ...)
    is_partial          not every enforced service has a probe
    trial_s, tries      how long a trial may last, how often it may fail to load
    """

    def __init__(self, source, kind: int):
        super().__init__()
        self.source = source
        self.type = kind
        self.authority = self.backup = (0, 0)
        self.never_reverts = False
        self.overrides = ()
        self.probes: "tuple[Probe, ...]" = ()
        self.is_partial = False
        self.trial_s = _TRIAL_S
        self.tries = _TRIES

    def is_probe(self, asked) -> bool:
        """True when a handshake with what was asked for counts in a trial of this state."""
        return any(p.fits(asked.service.name, asked.host, asked.port) for p in self.probes)


class Probe:
    """A handshake a trial waits for: service name, host, port or None for any."""

    def __init__(self):
        self.service = ""
        self.host = None
        self.port = None

    def fits(self, service: str, host, port) -> bool:
        return self.service == service and self.host == host and self.port in (None, port)


class Bodies:
    """Items that stay in the source: 16 bytes an item in RAM, its digest checked at each read.

    An entry is the first 4 bytes of a key to find it by, its offset (3), and the first 9 bytes of
    the SHA-256 of the item: 72 bits, more than anybody finds a second preimage for.
    """

    def __init__(self, source, count: int):
        self._source = source
        self._index = bytearray(_ENTRY * count)  # at once: growing would leave holes in the heap
        self._count = 0
        self._end = 0

    def __len__(self):
        return self._count

    def add(self, key: bytes, start: int, item) -> None:
        """Add the item at start; items are added in the order they lie in the source."""
        entry = bytes(key[:_KEY]) + start.to_bytes(_OFFSET, "big") + sha256(item)[:_BODY_DIGEST]
        at = self._count * _ENTRY
        self._index[at : at + _ENTRY] = entry
        self._count += 1
        self._end = start + len(item)

    def item(self, number: int):
        """Return the bytes of an item; refuses with store.body_changed."""
        at = number * _ENTRY
        start = self._start(at)
        end = self._start(at + _ENTRY) if number + 1 < self._count else self._end
        item = self._source.read(start, end - start)
        if sha256(item)[:_BODY_DIGEST] != self._index[at + _KEY + _OFFSET : at + _ENTRY]:
            raise StoreError("store.body_changed", number)
        return item

    def _start(self, at: int) -> int:
        return int.from_bytes(self._index[at + _KEY : at + _KEY + _OFFSET], "big")


class Intermediates(Bodies):
    """Preloaded certificates, DER; indexed and iterated like a tuple of them."""

    def __getitem__(self, number: int) -> bytes:
        reader = Reader(BytesSource(self.item(number)))
        return bytes(reader.octets(1, CERTIFICATE_BYTES))

    def __iter__(self):
        for number in range(len(self)):
            yield self[number]


class AnchorIndex(Bodies):
    """Anchors found by name, like anchors.AnchorList."""

    def __getitem__(self, number: int):
        return _anchor(self.item(number))

    def __iter__(self):
        for number in range(len(self)):
            yield self[number]

    def find(self, name, after: int = -1):
        """Yield every anchor whose name equals name (RFC 5280 section 7.1).

        after  only those that come after this one
        """
        index = self._index
        wanted = index_key(name)[:_KEY]
        at = index.find(wanted, (after + 1) * _ENTRY)
        while at >= 0:
            if at % _ENTRY:
                at = index.find(wanted, at + 1)  # straddles two fields
                continue
            anchor = _anchor(self.item(at // _ENTRY))
            if is_named(anchor, name):
                yield anchor
            at = index.find(wanted, at + _ENTRY)


def parse(source) -> Bundle:
    """Return the state of the first message of source; signatures are not looked at.

    Refuses with cbor.* cose.* bundle.*, and cert.* der.* for a name that is none.
    """
    return finish(reading(source))


def reading(source):
    """parse() as a generator: yields None after each field, and each item of a long one."""
    kind, _, (start, end) = envelope(Reader(source))
    if kind == LINK:
        raise MalformedError("bundle.file", 0)
    reader = Reader(source, start, end)
    state = Bundle(source, kind)
    digest = _Digest(source, start)
    for key in fields(state, reader):
        if key is not None:
            yield from _reading_field(state, key, reader, digest)
        yield
    reader.finish()
    if not state.services:
        raise MalformedError("bundle.missing_field", 13)
    state.payload_digest = yield from digest.finish(end)
    _resolve_probes(state)
    return state


def _reading_field(state: Bundle, key: int, reader: Reader, digest: "_Digest"):
    if key == 8:
        state.never_reverts = reader.uint(1, 1) == 1
    elif key == 9:
        state.overrides = value(reader, "N")
    elif key == 10:
        state.probes = yield from _reading(reader, PROBES, Probe, _PROBE)
    elif key == 11:
        state.is_partial = reader.true()
    elif key == 12:
        fill(reader, state, _TRIAL, ())
    elif key == 13:
        state.services = yield from _reading(
            reader, SERVICES, lambda: states.Service("", None), _SERVICE
        )
    elif key == 14:
        state.pin_sets = yield from _reading(
            reader, PIN_SETS, lambda: states.PinSet("", ()), _PIN_SET, (0, 1), _pins
        )
    elif key == 15:
        state.denied = bytes(reader.octets(32, DENIED_BYTES))
        # Sorted and each once, so that a set of keys has one encoding.
        for at in range(32, len(state.denied), 32):
            if state.denied[at - 32 : at] >= state.denied[at : at + 32]:
                raise MalformedError("bundle.denied", at)
    elif key == 16:
        count = reader.array(1, INTERMEDIATES)
        state.intermediates = Intermediates(state.source, count)
        for _ in range(count):
            begin, item = yield from digest.item(reader, CERTIFICATE_BYTES)
            Reader(BytesSource(item)).octets(1, CERTIFICATE_BYTES)
            state.intermediates.add(b"\x00" * _KEY, begin, item)
            yield
    elif key == 17:
        count = reader.array(1, ANCHORS)
        state.anchors = AnchorIndex(state.source, count)
        for _ in range(count):
            begin, item = yield from digest.item(reader, ANCHOR_BYTES)
            state.anchors.add(index_key(_anchor(item).name), begin, item)
            yield
    else:
        ignore(key, reader)


def _reading(reader: Reader, most: int, new, grammar: str, required=(0,), special=None):
    """Generator: an array of up to so many maps; returns a tuple of what new() made of them."""
    items = []
    for _ in range(reader.array(1, most)):
        items.append(fill(reader, new(), grammar, required, special))
        yield
    return tuple(items)


def _pins(reader: Reader):
    return tuple(fill(reader, states.Pin(b""), _PIN, (0,)) for _ in range(reader.array(2, PINS)))


def _anchor(item):
    reader = Reader(BytesSource(item))
    return fill(reader, Anchor(b"", b""), _ANCHOR, (0, 1))


def _resolve_probes(state: Bundle) -> None:
    """Give each probe host and port of the service it names (bundle.probe)."""
    for probe in state.probes:
        for service in state.services:
            if service.name == probe.service:
                break
        else:
            raise MalformedError("bundle.probe", probe.service)
        if probe.host is None and service.hosts:
            probe.host = service.hosts[0]
        if probe.port is None:
            probe.port = service.port


class _Digest:
    """The SHA-256 of the payload, taken while it is read, so that a slot is read once."""

    def __init__(self, source, start: int):
        self._source = source
        self._total = hashlib.sha256()
        self._at = start

    def item(self, reader: Reader, limit: int):
        """Generator: step over the next value; return (where it begins, its bytes)."""
        begin = reader.pos
        reader.skip_within(limit)  # nobody has vouched for these bytes yet
        length = reader.pos - begin
        item = self._source.read(begin, length)
        yield from self._to(begin)
        self._total.update(item)
        self._at += length
        return begin, item

    def finish(self, end: int):
        """Generator: take in what is left; return the digest."""
        yield from self._to(end)
        return self._total.digest()

    def _to(self, end: int):
        at = self._at
        self._at = end
        return feed(self._total, self._source, at, end)
