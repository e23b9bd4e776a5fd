# SPDX-License-Identifier: MIT
"""Trust that survives power cuts: does the I/O and decides nothing (acceptance.py does).

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

What a phase of a device's life needs is a module of its own, so that a small heap holds one at a
time: boot.py loads, joining.py takes what handshakes teach, install.py takes a bundle.

Depends on: cbor, compat, copies, errors, local, record, model; boot, joining, status, install and
update, trial, tables when they are due.
Heap: 3.5 KB from a .mpy file.
"""

import os

from ..compat import collect_every, const, forget, recover
from ..errors import StoreError
from ..kinds import CLOCK_VERIFIED
from ..state.record import Record
from .copies import FileCopy, NvsCopy, remove

try:
    from _thread import allocate_lock
except ImportError:
    allocate_lock = None  # type: ignore[assignment]

_ENOSPC = const(28)
_GARBAGE_BYTES = const(512)  # for collect_every(): what is loaded lies close together

# Code that nothing but an installation needs, and is done with when it is over.
_INSTALLING = "install boot packing volume"


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
        from ..state.local import LocalState
        from ..state.model import TrustState

        self.root = root
        self.product = product
        self.device_id = device_id
        self.state: "TrustState" = None  # type: ignore[assignment]
        self.local: "LocalState" = None  # type: ignore[assignment]
        self.refusal = "store.not_loaded"
        self.record: "Record" = None  # type: ignore[assignment]
        self.problem: "tuple | None" = None
        self.on_change: "list" = []
        self.clock = clock
        self._notes: "list" = []
        self._generation = 0
        self._dirty = False
        self._epoch = 0
        self._loads = 0
        self._loaded_at = 0  # uptime
        self._probed: "set" = set()
        self._tables = None
        self._past_writes = 0  # of caches and tables that were let go
        self._steps = None  # of the installation in progress, or of one that was abandoned
        self.lock = _NoLock() if allocate_lock is None else allocate_lock()
        if nvs is True:
            from .volume import board_nvs

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
        before = collect_every()
        try:
            from .boot import load

            with self.lock:
                load(self)
        except StoreError as error:
            self.refusal = error.code
            if factory is None or error.code != "store.unprovisioned":
                raise
            self.provision(factory)
        finally:
            collect_every(before)
            forget("boot packing volume")
        return self.state, self.local

    def adopt(self):
        """Take up the state the record names, and go on with what was learned."""
        self.take_up("adopt")

    def take_up(self, name):
        """Do what boot.py does under that name, twice if there is no room at first.

        In a heap without room for the state there is none, nor what was learned, which would be
        written over what the flash has by now; the next connection loads again (client.py).
        """
        try:
            self._boot(name)
        except MemoryError:
            recover()
            try:
                self._boot(name)
            except MemoryError:
                self.state = self.local = None  # type: ignore[assignment]
                self.refusal = "store.no_memory"
                raise
        finally:
            forget("boot")

    def _boot(self, name):
        from . import boot

        getattr(boot, name)(self)

    # Joining what a handshake taught.

    def join(self, verdict, asked=None) -> bool:
        """Join the events of an accepted verdict of a completed handshake.

        What it retires is on flash when this returns. False: the verdict rests on what is gone;
        nothing may be sent before the chain is judged again.
        """
        from .joining import join

        return join(self, verdict, asked)

    def judged(self):
        """The state has reached a verdict, whatever it was: for a state in trial, no crash."""
        if self.record is not None and self.record.trial:
            from .joining import judged

            judged(self)

    def tables(self):
        """Return the tables of kept keys; a device without paths never loads them."""
        if self._tables is None:
            from .tables import Tables

            self._tables = Tables(self.root + "/tables", *self._now())
        return self._tables

    def disprove(self, refused, accepted, asked) -> bool:
        """The one evidence against a trial; True when it ended the trial.

        refused    the trial state's verdict over the chain of a completed handshake to a probe
        accepted   the verdict over the same chain under previous()
        """
        from .joining import disprove

        return disprove(self, refused, accepted, asked)

    def revert(self) -> None:
        """End a trial by hand (the cable, or a program that knows better)."""
        from .joining import revert

        revert(self)

    def previous(self, asked=None):
        """Return the state a running trial would revert to, or None; for disprove().

        With asked: None also for what is no probe, where no evidence can come from.
        """
        if self.record is None or not self.record.trial or self.state is None:
            return None
        if asked is not None and not self.state.is_probe(asked):  # type: ignore[attr-defined]
            return None
        from .boot import open_state

        try:
            return open_state(self, self.record.active)
        finally:
            del open_state
            forget("boot")

    def stands(self, verdict) -> bool:
        """True while a connection opened under verdict may go on; asked after on_change."""
        with self.lock:
            from .joining import do_stand

            return self.state is not None and do_stand(self, verdict)

    def tick(self) -> None:
        """End hold-downs that are over, write what waits, make tables of keys just met.

        For idle moments, once an hour or before a sleep. A table takes as long as two
        verifications of its key; one call makes at most three of them, and mostly none.
        """
        for _ in self.ticking():
            pass

    def ticking(self):
        """tick() as a generator that yields None between slices of work."""
        from .joining import ticking

        yield from ticking(self)

    # Installing; the work is in install.py, which a boot does not load.

    def provision(self, source) -> None:
        """Install the first state: from the cable or from the firmware, never from a carrier.

        Refuses with store.provisioned when there is a record, and as install().
        """
        for _ in self._installation("provisioning", source):
            pass

    def install(self, source) -> None:
        """Install a bundle: bytes, anything with read(n), or root + "/stage" already in place.

        Whether it is installed, acceptance.py says. Refuses with the codes of acceptance.py and
        bundle.py, store.no_space, store.no_memory, store.write_failed, store.busy; then the flash
        is as it was, or, when there was no room for the new state in RAM, in that state whole.
        While it runs there is no state in RAM, because a small heap does not hold it beside what
        verifies signatures: a program with threads uses installing().
        """
        self._give_up()
        before = collect_every()
        try:
            from .install import install

            install(self, source)
        except MemoryError:
            raise StoreError("store.no_memory")
        finally:
            collect_every(before)
            forget(_INSTALLING)

    def installing(self, source):
        """install() as a generator that yields None between slices of work.

        The last one that is started wins: one begun before, which may have been abandoned without
        close(), is given up, and refuses with store.busy if it is asked for another step. One
        that is amid a step, in another thread, goes on, and the new one is store.busy.
        """
        yield from self._installation("installing", source)
        self._changed()

    def _installation(self, name, source):
        """Generator: what install.py does under that name; its code is forgotten afterwards.

        MicroPython runs no `finally` of a generator that is abandoned: the collector is set for
        each step alone, and the store keeps the steps, to close them.
        """
        self._give_up()
        steps = None
        try:
            from . import install

            self._steps = steps = getattr(install, name)(self, source)
            while True:
                before = collect_every(_GARBAGE_BYTES)
                try:
                    next(steps)
                except StopIteration:
                    break
                finally:
                    collect_every(before)
                yield
                if self._steps is not steps:
                    raise StoreError("store.busy")
        except MemoryError:
            raise StoreError("store.no_memory")
        finally:
            install = None  # type: ignore[assignment]
            if self._steps is steps:  # else another one goes on with that code
                self._give_up()
                forget(_INSTALLING)

    def _give_up(self):
        """Close the installation begun before, if there is one (store.busy: amid a step)."""
        if self._steps is not None:
            try:
                self._steps.close()
            except ValueError:  # it is executing
                raise StoreError("store.busy")
            self._steps = None

    def erase(self) -> None:
        """Forget everything (`--erase-trust` on the cable): the one way back to unprovisioned."""
        from .stage import erase

        with self.lock:
            erase(self)
            self._tables = None
        self._changed()

    # Small things.

    def status(self) -> dict:
        """Return what a person asks first; plain values.

        problem is what could not be written, notes what load() found and had to mend:
        store.copy_damaged, store.copy_old, store.slot_damaged, store.fell_back, trial.crashed,
        trial.stalled.
        """
        from .status import status

        return status(self)

    def writes(self) -> int:
        """Return how many times this object wrote a record copy, the cache or the tables."""
        from .status import writes

        return writes(self)

    def source(self, path: str):
        """Return (source for bundle.parse, its open file), or (None, None)."""
        from ..encoding.cbor import FileSource

        try:
            file = open(path, "rb")
        except OSError:
            return None, None
        return FileSource(file, os.stat(path)[6]), file

    # The doors to what decides; tests put something small behind them.

    def rules(self):
        from ..update import acceptance

        return acceptance

    def trials(self):
        from ..update import trial

        return trial

    def _parse(self, source):
        from ..update.bundle import parse

        return parse(source)

    def prefix(self, source, early=False):
        """Return the first fields of the state in source; early as in Prefix."""
        from ..update.prefix import Prefix

        return Prefix(source, early)

    def _now(self):
        seconds, known = self.clock.now()
        return (seconds if known else 0), self.clock.uptime_s()

    def sure_time(self):
        """_now() for what moves trust: a clock that the network may have set counts as unknown."""
        seconds, known = self.clock.now()
        return (seconds if known == CLOCK_VERIFIED else 0), self.clock.uptime_s()

    def slot(self, digest: bytes) -> str:
        return self.root + "/" + digest[:8].hex()

    def _note(self, code, detail=None):
        self._notes.append((code, detail))

    def write(self, record) -> bool:
        """Write both copies; True when at least one took it. RAM holds the record either way."""
        from ..state.packing import pack

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

    def _changed(self):
        _call_each(list(self.on_change))


def _call_each(functions):
    """Call all of them, whatever one raises: each may be dropping connections of a thief."""
    if functions:
        try:
            functions.pop(0)()
        finally:
            _call_each(functions)


class _NoLock:
    """Where there are no threads, an event loop gives way only where it says so, never in here."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return False


_STAYS = True  # compat.forget
