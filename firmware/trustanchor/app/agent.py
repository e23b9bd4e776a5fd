# SPDX-License-Identifier: MIT
"""A device that keeps its trust state up to date by itself, beside the program that uses it.

    store = Store(clock)
    store.load()
    tls = Context(store=store)
    agent = Agent(store, ["https://trust.example.net/fleet.bundle", "/sd/fleet.bundle"], tls)
    asyncio.create_task(agent.run())

A round asks the carriers in their order for a bundle, until one has something newer:

    https://...    over the Context: the carrier is a server of the trust state
    http://...     a mirror that nobody has to trust: a bundle is signed, whoever carries it
    a path         a file, from a card or another program

What comes is looked at before the first write to flash (acceptance.foresee), then installed in
slices. A new state with probes is on trial: the agent makes a handshake to each probe until they
have confirmed it, or a server has shown that it was wrong (SPEC.md T2). Nothing here decides:
whether a bundle is taken and when a trial ends is said by the store. A round that fails is tried
again, later each time, and no two devices at the same moment.

    status document    agent.document(): plain values; agent.text(): the same as JSON
    receipts           the last RECEIPTS bundles offered: what, by whom, and what became of them;
                       with the bundle and `records` a desk comes to the same decision again
    into a file        agent.write(file, key): piece by piece, signed with the device's own key

Depends on: compat, errors, limits, http, capsule; prefix and acceptance for a bundle that came.
Heap: 6 KB from a .mpy file, beside http and asyncio.
"""

import asyncio
import json
import os
from hashlib import sha256

from ..compat import collect_every, forget, recover, ticks_diff, ticks_ms, tidy
from ..errors import Refused, TrustError
from ..limits import (
    AGENT_BEGINNING_BYTES,
    AGENT_EVERY_S,
    AGENT_PROBE_S,
    AGENT_RETRY_S,
    BUNDLE_BYTES,
    RECEIPTS,
)
from .capsule import Capsule

# Answers of the store that say that a carrier is well and has nothing newer.
_NOTHING_NEWER = ("update.current", "update.rollback")


class Agent:
    """Keeps a store up to date.

    carriers   where bundles come from, the best first
    tls        a Context over the same store; None: no https carriers, and no probes are tried
    capsule    a Capsule that keeps what was refused; one of its own if None
    publish    called with the status document, a dict, after every round; may be a coroutine
    feed       called once a second while the event loop lives: a watchdog's feed()
    every_s    seconds between two rounds that go well
    random     returns a float from 0 to 1, to keep a fleet apart; the interpreter's own if None
    """

    def __init__(
        self,
        store,
        carriers,
        tls=None,
        capsule=None,
        publish=None,
        feed=None,
        every_s=AGENT_EVERY_S,
        random=None,
        timeout_s=30,
    ):
        if isinstance(carriers, str):
            raise TypeError("carriers is a list of URLs and paths")
        for carrier in carriers:
            if carrier[:8] == "https://" and tls is None:
                raise ValueError("an https carrier needs tls, a Context over the store")
        self.store = store
        self.capsule = Capsule() if capsule is None else capsule
        self._carriers = carriers
        self._tls = tls
        self._publish = publish
        self._feed = feed
        self._every_s = every_s
        self._timeout_s = timeout_s
        self._failed = 0  # rounds in a row
        self._etags: "dict" = {}
        self._receipts: "list" = []
        self._random = _chance if random is None else random

    async def run(self):
        """Go on for ever: rounds, trials, pauses. Cancel the task to end it."""
        while True:
            await self.once()
            await self._pause(self.next_s())

    def next_s(self) -> int:
        """Return how many seconds from now the next round is due; for who sleeps deeply."""
        if self._failed:
            wait = min(self._every_s, AGENT_RETRY_S << min(self._failed - 1, 16))
        elif self._on_trial():
            wait = min(self._every_s, AGENT_PROBE_S)
        else:
            wait = self._every_s
        return int(wait * (0.75 + self._random() / 2))

    async def once(self) -> str:
        """One round. Returns "installed", "current" when nothing newer was to be had, or the code
        of the last carrier's refusal; raises nothing but what is a mistake in the program."""
        feeder = asyncio.create_task(self._feeding())
        try:
            return await self._round()
        finally:
            feeder.cancel()

    async def _round(self) -> str:
        answer = "current"
        for carrier in self._carriers:
            code = await self._asked(carrier)
            if code == "ok":
                answer = "installed"
                break
            if code != "unchanged" and code not in _NOTHING_NEWER:
                answer = code
        self._failed = self._failed + 1 if "." in answer else 0
        if self._on_trial():
            await self._probe()
        if self._publish is not None:
            try:
                sent = self._publish(self.document())
                if hasattr(sent, "send"):  # a coroutine
                    await sent
            except OSError as error:  # Refused is one
                if not isinstance(error, Refused):
                    error = Refused("agent.publish", error.args[0] if error.args else None)
                self.capsule.note(error)
        return answer

    def document(self) -> dict:
        """The status document: what the store says, what ends soonest, receipts and refusals."""
        store = self.store
        # Most receipts were decided by one record: each is told once.
        records: "list" = []
        receipts = []
        for receipt in self._receipts:
            receipt = receipt.copy()
            record = receipt["record"]
            if record is not None:
                if record not in records:
                    records.append(record)
                receipt["record"] = records.index(record)
            receipts.append(receipt)
        return {
            "trustanchor": "status",
            "product": store.product,
            "device_id": store.device_id,
            "store": store.status(),
            "ends": _ends_first(store.state),
            "receipts": receipts,
            "records": [_plain(record) for record in records],
            "events": self.capsule.events(),
        }

    def text(self) -> str:
        """document() as JSON."""
        try:
            return json.dumps(self.document())
        except MemoryError:
            recover()  # code that comes back when it is needed
        return json.dumps(self.document())

    def write(self, file, key=None) -> None:
        """Write document() as JSON into a binary file; with a key as a COSE_Sign1 (SPEC.md).

        key is the device's own P-256 key, PEM or DER, else sig.private_key. Takes less heap in
        one piece than text() does.
        """
        recover()
        from .sealed import write

        try:
            write(self.document, file, key)
        finally:
            del write
            forget("sealed own_key ecdsa")

    # One carrier.

    async def _asked(self, carrier) -> str:
        recover()  # begin with the room of all the code that comes back when it is needed
        offered = _Offer(carrier, self.store.record, self.store.clock.now())
        try:
            code = await self._taken(offered)
        except TrustError as refusal:
            code = self._refused(offered, refusal)
        except OSError as error:
            code = self._refused(offered, _coded(error))
        except MemoryError:
            recover()
            code = self._refused(offered, TrustError("store.no_memory"))
        finally:
            offered.close()
        if offered.etag and (code == "ok" or code in _NOTHING_NEWER):
            self._etags[carrier] = offered.etag
        return code

    async def _taken(self, offered) -> str:
        """Ask one carrier, and install what it offers; returns "ok" or "unchanged"."""
        if "://" in offered.carrier:
            if not await self._opened(offered):
                return "unchanged"
        else:
            offered.file = open(offered.carrier, "rb")
            offered.size = os.stat(offered.carrier)[6]
        started = ticks_ms()
        while len(offered.beginning) < AGENT_BEGINNING_BYTES:
            piece = offered.next(AGENT_BEGINNING_BYTES - len(offered.beginning))
            if piece is None:
                if ticks_diff(ticks_ms(), started) > self._timeout_s * 1000:
                    raise Refused("http.timeout")
                await asyncio.sleep(0.005)
            elif piece:
                offered.beginning.extend(piece)
            else:
                offered.size = len(offered.beginning)
                break
        self._foresee(offered)
        tidy()
        steps = self.store.installing(offered)
        try:
            for _ in steps:
                if offered.has_ended:
                    offered.close()  # the room is needed now
                    forget("http plain")
                await asyncio.sleep(0 if offered.has_come else 0.005)
        finally:
            steps.close()  # cancelled: the store is free again
        self._receipt(offered, "ok", None)
        return "ok"

    async def _opened(self, offered) -> bool:
        """Ask a URL; False when it says that nothing has changed since."""
        before = collect_every()  # what is loaded now lies close together
        try:
            from . import http
        finally:
            collect_every(before)
        said = {}
        if offered.carrier in self._etags:
            said["if-none-match"] = self._etags[offered.carrier]
        tls = self._tls
        if offered.carrier[:7] == "http://":
            from .plain import Plain

            tls = Plain(self._timeout_s)
        fetched = http.fetch("GET", offered.carrier, tls, said, None, None, self._timeout_s)
        offered.answer = await fetched
        status = offered.answer.status
        if status == 304:
            return False
        if status != 200:
            raise Refused("agent.status", status)
        length = offered.answer.headers.get("content-length")
        offered.size = None if length is None else int(length)
        etag = offered.answer.headers.get("etag", "")
        # It is sent back: a tab, which may stand in an answer, may not stand in a request.
        offered.etag = etag if len(etag) <= 128 and "\t" not in etag else ""
        return True

    def _foresee(self, offered) -> None:
        """Refuse by its first bytes what the store would refuse, before anything is written."""
        store = self.store
        # Where a carrier has not said how much comes, the store counts for itself.
        size = BUNDLE_BYTES if offered.size is None else offered.size
        offered.mends = any(
            note[0] in ("store.slot_damaged", "store.fell_back")
            for note in store.status()["notes"]
        )
        from ..encoding.cbor import BytesSource
        from ..update import acceptance
        from ..update.prefix import Prefix

        beginning = Prefix(BytesSource(bytes(offered.beginning), size), True)
        offered.position = beginning.epoch, beginning.sequence
        acceptance.foresee(
            offered.record, bytes(offered.beginning), size, offered.at, store, offered.mends
        )

    def _refused(self, offered, refusal) -> str:
        code = refusal.code
        self._receipt(offered, code, refusal.detail)
        if code not in _NOTHING_NEWER:
            self.capsule.note(refusal, offered.carrier)
        return code

    def _receipt(self, offered, code, detail) -> None:
        """What was offered, and what was decided: the decision can be done again on a desk."""
        epoch, sequence = offered.position
        at, known = offered.at
        self._receipts.append(
            {
                "carrier": offered.carrier[:128],
                "at": at,
                "clock": known,
                "epoch": epoch,
                "sequence": sequence,
                "bytes": offered.size,
                "read": offered.count,
                "sha256": offered.hash.digest().hex(),
                "mends": offered.mends,
                "code": code,
                "detail": None if detail is None else str(detail)[:64],
                "record": offered.record,
            }
        )
        del self._receipts[:-RECEIPTS]

    # Trials.

    def _on_trial(self) -> bool:
        record = self.store.record
        return self._tls is not None and record is not None and bool(record.trial)

    async def _probe(self) -> None:
        """A handshake to each probe of the state on trial; what they mean, the store says."""
        probes = self.store.state.probes if self.store.state is not None else ()
        for probe in probes:
            if not self._on_trial():
                return
            try:
                opened = self._tls.open_connection(probe.host, probe.port or 443)
                _, writer = await opened
                writer.close()
            except Refused as refusal:
                self.capsule.note(refusal, probe.host, probe.port)
            except OSError as error:
                self.capsule.note(_coded(error), probe.host, probe.port)

    # Time.

    async def _pause(self, seconds) -> None:
        feeder = asyncio.create_task(self._feeding())
        try:
            await asyncio.sleep(seconds)
        finally:
            feeder.cancel()

    async def _feeding(self) -> None:
        """Feed a watchdog for as long as the event loop lives, which is what it watches."""
        while self._feed is not None:
            self._feed()
            await asyncio.sleep(1)


class _Offer:
    """What one carrier offers: a source for Store.installing() that never blocks for long.

    record     of the store when the carrier was asked, and the reading of the clock then
    position   (epoch, sequence) that the bundle says of itself
    size       bytes of it, None while the carrier has not said
    has_come   whether the last read brought something
    has_ended  whether the last byte has been read
    count      bytes that have been read, and hash, SHA-256 of them
    mends      whether a slot of the store was damaged, which an older bundle may mend
    """

    def __init__(self, carrier, record, at):
        self.carrier = carrier
        self.record = record
        self.at = at
        self.count = 0
        self.hash = sha256()
        self.mends = False
        self.beginning = bytearray()
        self.position = (None, None)
        self.size: "int | None" = None
        self.etag = ""
        self.answer = None
        self.file = None
        self.given = 0  # bytes of the beginning that the store has read
        self.has_come = False
        self.has_ended = False
        self._steps = None

    def read(self, size):
        """As Store.installing() reads: None when nothing is there yet, b"" at the end."""
        piece = bytes(self.beginning[self.given : self.given + size])
        if piece:
            self.given += len(piece)
        else:
            piece = self.next(size)
        self.has_come = piece is not None
        self.has_ended = piece == b""
        return piece

    def next(self, size):
        """Return up to size more bytes of the carrier, None when nothing is there yet."""
        piece = self._next(size)
        if piece:
            self.count += len(piece)
            self.hash.update(piece)
        return piece

    def _next(self, size):
        if self.file is not None:
            return self.file.read(size)
        if self.answer is None:
            return b""
        if self._steps is None:
            self._steps = self.answer._reading(size)
        try:
            next(self._steps)
            return None
        except StopIteration as done:
            self._steps = None
            return done.value

    def close(self):
        for one in (self.answer, self.file):
            if one is not None:
                one.close()
        self.answer = self.file = self._steps = None


def _plain(record) -> dict:
    """A record as JSON has it: digests and entries in hexadecimal."""
    found = {}
    for name in record.FIELDS:
        value = getattr(record, name)
        if isinstance(value, bytes):
            value = _hex(value)
        elif name in ("retired", "held"):
            value = [_hex(entry) for entry in value]
        elif name == "holds":
            value = [[_hex(entry), at] for entry, at in value]
        found[name] = value
    return found


def _hex(data) -> str:
    return data.hex() if data else ""  # MicroPython: b"".hex() is b""


def _chance() -> float:
    return os.urandom(1)[0] / 255


def _coded(error) -> "Refused":
    """A refusal with a code for any OSError: of a medium, or of a socket."""
    if isinstance(error, Refused):
        return error
    return Refused("agent.io", error.args[0] if error.args else None)


def _ends_first(state):
    """{"at", "what"} of what ends first in a state: a pin's window, an anchor's trust; or None."""
    if state is None:
        return None
    found = []
    for pin_set in state.pin_sets:
        for pin in pin_set.pins:
            if pin.not_after is not None:
                found.append((pin.not_after, "pin of " + pin_set.name))
    for anchor in state.anchors:
        if anchor.trust_until is not None:
            found.append((anchor.trust_until, "anchor"))
    if not found:
        return None
    at, what = min(found)
    return {"at": at, "what": what}
