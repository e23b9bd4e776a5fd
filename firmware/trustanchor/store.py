# SPDX-License-Identifier: MIT
"""Trust that survives power cuts: does the I/O and decides nothing (update.py does).

    store = Store(clock)
    state, local = store.load()          # StoreError: store.unprovisioned, store.lost ...
    verdict = judge(chain, asked, clock.now(), state, local)
    stands = store.join(verdict, asked)  # after the handshake; durable when it returns
    store.install(bundle_bytes)          # or a file, or anything with read()
    store.tick()                         # in an idle moment: time, flash and what is slow to make
    store.status()                       # plain values for people and documents

The record (record.py) in two copies is the only commit point: one in NVS and one in the folder
`root`, or without NVS in two folders. Slots hold signed bytes under the name of their digest and
load only if the record names it. Whatever is written, is written beside and then renamed, so for
every power cut the old or the new state loads, never neither, never a mix.

What is refused leaves flash and RAM as they were. What cannot be written while a connection is
being made is held in RAM, reported as store.write_failed and tried again at the next join.

Depends on: cache, cbor, copies, errors, limits, local, record; bundle when a state is loaded,
install and update when one arrives, update while one is on trial, tables with the first path.
Heap: 9 KB from a .mpy file.
"""

import os

from .compat import const
from .copies import FileCopy, NvsCopy, board_nvs, check_filesystem, remove
from .errors import StoreError, TrustError
from .limits import BUILD_AT
from .local import LocalState
from .record import Record, merge, pack, parse
from .state import TrustState

try:
    from _thread import allocate_lock
except ImportError:
    allocate_lock = None  # type: ignore[assignment]

_ENOSPC = const(28)
_LOAD_SHIFT = const(10)  # above any number of retirements between two loads


class Store:
    """One device's trust on its flash.

    clock    the module clock, or anything with now() and uptime_s()
    root     folder of the store; a second one, root + ".2", is used when there is no NVS
    nvs      an esp32.NVS, None for none, or True to use the board's if it has one
    product, device_id   for the audience of bundles
    state, local         what load() returned last; None before
    refusal              while there is no state: the code every connection is refused with
    record               the Record behind them
    problem              the last thing that could not be written, as (code, where), or None
    on_change            functions called without arguments when connections may no longer stand
    """

    def __init__(self, clock, root="/trust", nvs=True, product=None, device_id=None):
        self.root = root
        self.product = product
        self.device_id = device_id
        self.state: "TrustState" = None  # type: ignore[assignment]
        self.local: "LocalState" = None  # type: ignore[assignment]
        self.refusal = "store.unprovisioned"
        self.record: "Record" = None  # type: ignore[assignment]
        self.problem: "tuple | None" = None
        self.on_change: "list" = []
        self.clock = clock
        self._notes: "list" = []
        self._generation = 0
        self._dirty = False
        self._epoch = 0
        self._loads = 0
        self._probed: "set" = set()
        self._tables = None
        self.is_installing = False
        self.lock = _NoLock() if allocate_lock is None else allocate_lock()
        if nvs is True:
            nvs = board_nvs()
        # The folder first: a cut between the two leaves the newer record where no one erases it.
        self.copies = (
            FileCopy(root),
            FileCopy(root + ".2") if nvs is None else NvsCopy(nvs),
        )

    # Loading.

    def load(self, factory=None):
        """Return (TrustState, LocalState) as flash has them, repairing a copy that lags.

        factory  a bundle, from a frozen module, that provisions a device without any record
        Refuses with store.filesystem, store.unprovisioned (no record anywhere), store.lost (a
        record without a state that loads, or only damaged records). No connection may be made
        then.
        """
        try:
            with self.lock:
                return self._load()
        except StoreError as error:
            self.refusal = error.code
            if factory is None or error.code != "store.unprovisioned":
                raise
        self.provision(factory)
        return self.state, self.local

    def _load(self):
        self.state = self.local = None  # type: ignore[assignment]
        check_filesystem(self.root)
        self._notes = []
        self.record = record = self.read_record()
        if record.trial:
            self._begin_trial(record)
        elif self._dirty:
            self.write(record)
        self.adopt()
        return self.state, self.local

    def adopt(self):
        """Take up the state the record names, and go on with what was learned."""
        old = self.local
        self._take_state()
        record = self.record
        self._probed = set()
        floor = max(record.floor, BUILD_AT)
        if old is None:
            from .cache import Cache

            memory = Cache(self.root + "/cache", *self._now())
            self.local = LocalState(floor, record.retired, record.held, record.holds, memory)
            self.local.tables = self.tables
            # No verdict from before a reload may find its generation again.
            self._loads += 1
            self.local.retired_generation = self._loads << _LOAD_SHIFT
        else:
            # In place: who holds the LocalState must not go on with the old one.
            old.moved_on(floor, record.retired, record.held, record.epoch != self._epoch)
        self._epoch = record.epoch

    def _take_state(self):
        """Open the state the record names; refuses with store.lost."""
        record = self.record
        state = self._open(record.trial or record.active)
        if state is None and record.trial:
            # A trial whose bytes are gone is over, and what was active stays so.
            self.write(self.rules().reverted(record))
            record = self.record
            state = self._open(record.active)
        if state is None and record.fallback:
            state = self._open(record.fallback)
            if state is not None:
                self._note("store.fell_back")
        self.state = state
        if state is None:
            self.local = None  # type: ignore[assignment]
            self.refusal = "store.lost"
            raise StoreError("store.lost", "slot")

    def read_record(self):
        """Join the copies; _dirty says that one of them lags or is damaged."""
        found = []
        damaged = 0
        for copy in self.copies:
            record = None
            data = copy.read()
            if data is not None:
                try:
                    record = parse(data)
                except StoreError:
                    damaged += 1
                    self._note("store.copy_damaged", copy.name)
            found.append(record)
        record = merge(found[0], found[1])
        if record is None:
            self._dirty = False
            raise (
                StoreError("store.lost", "record")
                if damaged
                else StoreError("store.unprovisioned")
            )
        for one in found:
            if one is not None:
                self._generation = max(self._generation, one.generation)
        whole = pack(record)
        self._dirty = any(one is None or pack(one) != whole for one in found)
        if self._dirty and not damaged:
            self._note("store.copy_old")
        return record

    def _begin_trial(self, record):
        """Count this load of the trial state before it happens, or end the trial."""
        loading = self.rules().loading(record)
        if not loading.trial:
            self._note("trial.crashed")
        if not self.write(loading) and loading.trial:
            # Not counted, so not loaded: a state that crashes the board would do so for ever.
            self.record = self.rules().reverted(record)

    def _open(self, digest: bytes):
        """Return the state whose signed bytes are in the slot of digest, or None."""
        source, _ = self.source(self.slot(digest))
        if source is None:
            return None
        # The file stays open: bodies are read from it when a verdict needs them.
        try:
            state = self._parse(source)
        except (TrustError, OSError):
            state = None
        if state is None or state.payload_digest != digest:
            self._note("store.slot_damaged", _hex(digest[:4]))
            return None
        return state

    # Joining what a handshake taught.

    def join(self, verdict, asked=None) -> bool:
        """Join the events of an accepted verdict of a completed handshake.

        What it retires is on flash when this returns. False: the verdict rests on what is gone;
        nothing may be sent before the chain is judged again.
        """
        with self.lock:
            if self.state is None:
                return False
            local = self.local
            before = local.retired_generation
            unix_s, uptime_s = self._now()
            record = self.record
            stands = local.join(verdict, self.state, unix_s, uptime_s, bool(record.trial))
            if stands and record.trial:
                record = self._judged_in_trial(record, verdict, asked)
            if not record.trial:
                local.end_holds(self.state, unix_s, uptime_s)
                stands = stands and self._stands(verdict)
            if (
                record is not self.record
                or self._dirty
                or local.retired != record.retired
                or local.held != record.held
                or local.holds != record.holds
            ):
                self.write(record.but(retired=local.retired, held=local.held, holds=local.holds))
            self._write_cache(unix_s, uptime_s)
            # No events: audited, or of a client.
            if stands and verdict.events and verdict.path is not None and not record.trial:
                self.tables().want(verdict.path)
            changed = local.retired_generation != before
        if changed:
            self._changed()
        return stands

    def tables(self):
        """Return the tables of kept keys; a device without paths never loads them."""
        if self._tables is None:
            from .tables import Tables

            self._tables = Tables(self.root + "/tables", *self._now())
        return self._tables

    def _judged_in_trial(self, record, verdict, asked):
        """Return the record after the trial state accepted a completed handshake."""
        rules = self.rules()
        record = rules.judged(record, self.state)
        if asked is not None:
            self._probed.add((asked.service.name, asked.host, asked.port))
            confirmed = rules.probed(record, self.state, self._probed)
            if confirmed is not record:
                self.local.confirmed(self.state, *self._now())
                record = confirmed
        return record

    def disprove(self, refused, accepted, asked) -> bool:
        """The one evidence against a trial; True when it ended the trial.

        refused    the trial state's verdict over the chain of a completed handshake to a probe
        accepted   the verdict over the same chain under previous()
        """
        with self.lock:
            if (
                self.state is None
                or not self.record.trial
                or refused.state_digest != self.state.payload_digest
                or accepted.state_digest != self.record.active
            ):
                return False
            record = self.rules().disproved(self.record, self.state, refused, accepted, asked)
            if record is self.record:
                return False
            self._end_trial(record)
        self._changed()
        return True

    def revert(self) -> None:
        """End a trial by hand (the cable, or a program that knows better)."""
        with self.lock:
            if self.record is None or not self.record.trial:
                return
            self._end_trial(self.rules().reverted(self.record))
        self._changed()

    def _end_trial(self, record):
        self.local.reverted()
        self.write(record.but(held=()))
        self.adopt()

    def previous(self, asked=None):
        """Return the state a running trial would revert to, or None; for disprove().

        With asked: None also for what is no probe, where no evidence can come from.
        """
        if self.record is None or not self.record.trial or self.state is None:
            return None
        if asked is not None and not self.state.is_probe(asked):  # type: ignore[attr-defined]
            return None
        return self._open(self.record.active)

    def _stands(self, verdict) -> bool:
        if verdict.state_digest != self.state.payload_digest:
            return False
        if verdict.retired_generation == self.local.retired_generation or verdict.pin is None:
            return True
        matched = verdict.wanted[verdict.pin]
        for pin_set in self.state.pin_sets:
            # A verdict names its pins, not their set: any set with the same pins will do.
            pins = tuple(pin.spki_sha256 for pin in pin_set.pins)
            if pins == verdict.wanted and self.local.is_retired(pin_set.name, matched):
                return False
        return True

    def stands(self, verdict) -> bool:
        """True while a connection opened under verdict may go on; asked after on_change."""
        with self.lock:
            return self.state is not None and self._stands(verdict)

    def tick(self) -> None:
        """End hold-downs that are over, write what waits, make tables of keys just met.

        For idle moments, once an hour or before a sleep. A table takes as long as two
        verifications of its key; one call makes at most three of them, and mostly none.
        """
        for _ in self.ticking():
            pass

    def ticking(self):
        """tick() as a generator that yields None between slices of work."""
        with self.lock:
            if self.state is None:
                return
            before = self.local.retired_generation
            unix_s, uptime_s = self._now()
            if not self.record.trial:
                self.local.end_holds(self.state, unix_s, uptime_s)
            if self._dirty or self.local.retired != self.record.retired:
                self.write(self.record.but(retired=self.local.retired, holds=self.local.holds))
            self._write_cache(unix_s, uptime_s)
            changed = self.local.retired_generation != before
        if changed:
            self._changed()
        tables = self._tables
        if tables is not None:
            yield from tables.making(self._now()[1])
            with self.lock:
                self._write_memory(tables.write, *self._now())

    # Installing; the work is in install.py, which a boot does not load.

    def provision(self, source) -> None:
        """Install the first state: from the cable or from the firmware, never from a carrier.

        Refuses with store.provisioned when there is a record, and as install().
        """
        from .install import provisioning

        for _ in provisioning(self, source):
            pass

    def install(self, source) -> None:
        """Install a bundle: bytes, anything with read(n), or root + "/stage" already in place.

        Whether it is installed, update.py says. Refuses with the codes of update.py and
        bundle.py, store.no_space, store.no_memory, store.write_failed, store.busy; then all is as
        it was.
        While it runs there is no state in RAM, because a small heap does not hold it beside what
        verifies signatures: a program with threads uses installing().
        """
        if self.is_installing:
            raise StoreError("store.busy")
        was_loaded = self.state is not None
        refusal = self.refusal
        self.state = None  # type: ignore[assignment]
        self.refusal = "store.busy"
        try:
            for _ in self.installing(source):
                pass
        finally:
            if was_loaded and self.state is None:
                self._take_state()
            elif self.state is None:
                self.refusal = refusal

    def installing(self, source):
        """install() as a generator that yields None between slices of work."""
        from .install import installing

        yield from installing(self, source)
        self._changed()

    def erase(self) -> None:
        """Forget everything (`--erase-trust` on the cable): the one way back to unprovisioned."""
        from . import install

        with self.lock:
            install.erase(self)
            self._tables = None
        self._changed()

    # Small things.

    def status(self) -> dict:
        """Return what a person asks first; plain values.

        problem is what could not be written, notes what load() found and had to mend:
        store.copy_damaged, store.copy_old, store.slot_damaged, store.fell_back, trial.crashed,
        trial.stalled.
        """
        record = self.record
        found: "dict" = {
            "provisioned": record is not None,
            "loaded": self.state is not None,
            "problem": self.problem,
            "notes": list(self._notes),
        }
        if record is None:
            return found
        if record.trial and self.state is not None:
            unix_s, _ = self._now()
            if self.rules().is_stalled(record, self.state, unix_s):
                found["notes"].append(("trial.stalled", None))
        for name in ("epoch", "sequence", "floor", "tries"):
            found[name] = getattr(record, name)
        for name in ("active", "fallback", "trial"):
            found[name] = _hex(getattr(record, name))
        for name in ("retired", "held", "holds"):
            found[name] = len(getattr(record, name))
        return found

    def writes(self) -> int:
        """Return how many times this object wrote a record copy, the cache or the tables."""
        count = sum(copy.writes for copy in self.copies)
        if self._tables is not None:
            count += self._tables.writes
        if self.local is not None:
            count += self.local.memory.writes
        return count

    def source(self, path: str):
        """Return (source for bundle.parse, its open file), or (None, None)."""
        from .cbor import FileSource

        try:
            file = open(path, "rb")
        except OSError:
            return None, None
        return FileSource(file, os.stat(path)[6]), file

    # The two doors to what decides; tests put something small behind them.

    def rules(self):
        from . import update

        return update

    def _parse(self, source):
        from .bundle import parse

        return parse(source)

    def prefix(self, source):
        """Return the first fields of the state in source."""
        from .prefix import Prefix

        return Prefix(source)

    def _now(self):
        seconds, known = self.clock.now()
        return (seconds if known else 0), self.clock.uptime_s()

    def slot(self, digest: bytes) -> str:
        return self.root + "/" + _hex(digest[:8])

    def _note(self, code, detail=None):
        self._notes.append((code, detail))

    def write(self, record) -> bool:
        """Write both copies; True when at least one took it. RAM holds the record either way."""
        # A write that seemed to fail may be on flash: its generation is never used again.
        self._generation += 1
        self.record = record = record.but(generation=self._generation)
        data = pack(record)
        taken = 0
        self.problem = None
        for copy in self.copies:
            try:
                try:
                    copy.write(data)
                except OSError as error:
                    if error.args[0] != _ENOSPC:
                        raise
                    # A full volume: what only saves time gives way to what may not be lost.
                    remove(self.root + "/tables")
                    remove(self.root + "/cache")
                    copy.write(data)
                taken += 1
            except OSError as error:
                self.problem = ("store.write_failed", copy.name, error.args[0])
        self._dirty = taken < len(self.copies)
        return taken > 0

    def _write_cache(self, unix_s, uptime_s):
        if self._dirty:
            # A remembered path hides its leaf from the ratchet: only after what it retired.
            return
        self._write_memory(self.local.memory.write_if_due, unix_s, uptime_s)

    def _write_memory(self, write, unix_s, uptime_s):
        try:
            write(unix_s, uptime_s)
        except OSError as error:
            # Losing it costs time and nothing else.
            self._note("store.cache_failed", error.args[0])

    def _changed(self):
        _call_each(list(self.on_change))


def _call_each(functions):
    """Call all of them, whatever one raises: each may be dropping connections of a thief."""
    if functions:
        try:
            functions.pop(0)()
        finally:
            _call_each(functions)


def _hex(data: bytes) -> str:
    # MicroPython: b"".hex() is b"".
    return data.hex() if data else ""


class _NoLock:
    """Where there are no threads, an event loop gives way only where it says so, never in here."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return False


_STAYS = True  # compat.forget
