# SPDX-License-Identifier: MIT
"""Cut the power at every write and erase of everything the store does, and look what loads.

    make powercut                               every scenario, every cut, double cuts
    python -m tests.powercut update             one scenario
    ... --single update                         without the double cuts
    ... --replay update:lost:17.1               one cut: operation 17, torn in half (flash.py)
    ... --replay update:lost:17.1:3.2           and operation 3 of the recovery

A scenario is prepared once, without cuts. Then it runs once to the end, which gives the records
written, in order, and after how many flash operations each was promised (the call returned). Then
it runs again for every operation and every way to tear it. After each cut a fresh device boots
from what is on the flash and must find

    the last promised record, or the one being written when the power went: nothing else
    a state of that record, whole: the right pins, the right retired ones
    the same again at the next boot, also when either copy of the record is lost by then
    a store that works: the next bundle installs

and the same when the power goes a second time at every operation of that recovery.

And every operation fails with the power on, once and from there on for ever: then the scenario
goes on to its end, with nothing but coded refusals, what is in RAM agrees with itself and is no
weaker than what the next boot finds, and that is checked as after a cut.

NVS: `none` two folders instead; `kept` what was set but not committed survives, `lost` it does
not, `erased` the NVS is empty after the cut.

Needs a heap of 2 MB for flash images; the store itself also passes at 100K (tests/portable).
"""

import gc
import os
import sys

HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
sys.path[:0] = [HERE, HERE + "/../portable", HERE + "/../../firmware"]

import trustanchor.compat as compat  # noqa: E402

# What keeps a board's heap small and in one piece is of no use in this one: a collection for every
# 512 bytes that an install allocates made each cut take twenty times as long, and so did compiling
# again from source the code that a store gives back after each phase.
compat.collect_every = lambda count=1024: 0
compat.forget = lambda *names: None

import stand_in  # noqa: E402
import vfs  # noqa: E402
from flash import FAULTS, NOT_BEGUN, TEARS, Flash, Power, PowerCut, blank  # noqa: E402
from scratch import key  # noqa: E402
from stand_in import Clock, Nvs, SmallStore, Verdict, asked, bundle  # noqa: E402

from trustanchor.errors import StoreError, TrustError  # noqa: E402
from trustanchor.kinds import EVENT_INTERMEDIATES, EVENT_PATH  # noqa: E402
from trustanchor.state.record import Record  # noqa: E402
from trustanchor.store.boot import read_record  # noqa: E402

MOUNT = "/cut"
ROOT = MOUNT + "/trust"
BLOCKS = 20
NVS_KINDS = ("none", "kept", "lost", "erased")
CLOCK = Clock().unix_s
HEADER = "scenario       nvs     operations  erases    cuts  faults  failed"
FIELDS = tuple(field for field in Record.FIELDS if field != "generation")


class Device:
    """A board: flash, NVS and the power they share. Each boot gets a new one."""

    def __init__(self, image, nvs, power=None):
        self.kind = "lost"
        self.problem = None  # of the store that booted last
        self.last = None  # store that was made
        self.power = Power() if power is None else power
        self.flash = Flash(image, self.power)
        self.nvs = None
        if nvs is not None:
            self.nvs = Nvs()
            self.nvs.kept = dict(nvs)
            self.nvs.operation = self._nvs_operation
        self.clock = Clock(CLOCK)
        self.written = []  # (operations when it was promised, values of the record)
        vfs.mount(vfs.VfsLfs2(self.flash), MOUNT)

    def _nvs_operation(self):
        if self.power.is_off or self.power.operation():
            if self.power.tear in FAULTS:
                raise OSError(-0x1103, "ESP_ERR_NVS_INVALID_STATE")
            raise PowerCut

    def store(self):
        self.last = _Watched(self)
        return self.last

    def booted(self):
        store = self.store()
        store.load()
        self.problem = store.problem
        return store

    def off(self, kind="lost"):
        """Switch off; return what is left: (image, kept NVS)."""
        self.power.is_off = True
        vfs.umount(MOUNT)
        if self.nvs is None:
            return self.flash.image, None
        self.nvs.power_cut(kind == "kept")
        return self.flash.image, {} if kind == "erased" else self.nvs.kept


class _Watched(SmallStore):
    """A store that notes which records it promised."""

    def __init__(self, device):
        super().__init__(device.clock, ROOT, device.nvs)
        self._device = device

    def write(self, record):
        taken = super().write(record)
        # What no copy took was never promised, and may be found all the same. What one of them did
        # not take is reported: it survives a power cut, and the loss of the other one not.
        promised_at = self._device.power.operations if taken else None
        if self.problem is not None and self._device.kind == "erased":
            promised_at = None
        self._device.written.append((promised_at, values(record)))
        return taken


def values(record):
    return tuple(getattr(record, field) for field in FIELDS)


def named(found):
    return {FIELDS[at]: found[at] for at in range(len(FIELDS))}


def different(found, other):
    """Return in words what one record says and the other does not."""
    if isinstance(found, str) or isinstance(other, str):
        words = [one if isinstance(one, str) else "a record" for one in (found, other)]
        return "%s, not %s" % tuple(words)
    return " ".join(
        "%s %s, not %s" % (FIELDS[at], _short(found[at]), _short(other[at]))
        for at in range(len(FIELDS))
        if found[at] != other[at]
    )


def _short(value):
    if isinstance(value, bytes):
        return value[:4].hex() if value else "none"
    return "%d of them" % len(value) if isinstance(value, tuple) else str(value)


# Scenarios: prepare(device) without cuts, then act(device) with them.


def nothing(device):
    pass


def provisioned(device):
    device.store().provision(bundle(1))


def used(device):
    """A device with a fallback, a retired pin and something in its cache."""
    provisioned(device)
    store = device.booted()
    store.install(bundle(2, trial=3, pins=("one", "two", "three")))
    store.join(Verdict(store, "one"), asked(store))
    store.join(Verdict(store, "two"), asked(store))
    _learn(store, 1)


def on_trial(device):
    used(device)
    device.booted().install(bundle(3, trial=2, pins=("one", "two", "three", "four")))


def used_up(device):
    on_trial(device)
    device.booted()
    device.booted()


def lagging(device):
    """One copy of the record is old: the power went between the two."""
    used(device)
    store = device.booted()
    old = store.copies[1].read()
    old = bytes(old)
    store.join(Verdict(store, "three"), asked(store))
    store.copies[1].write(old)


def full(device):
    """Room for a record, and for no bundle."""
    used(device)
    _fill(1)


def brimful(device):
    """Not a block is free."""
    used(device)
    _fill(0)


def stuck(device):
    """Not a block is free, and nothing is there to give way."""
    used(device)
    _remove(ROOT + "/cache")
    _fill(0)


def _fill(spare):
    taken = 0
    try:
        while True:
            with open(MOUNT + "/filler%d" % taken, "wb") as file:
                file.write(b"f" * 4096)
            taken += 1
    except OSError:
        pass
    for number in range(taken - spare, taken + 1):
        _remove(MOUNT + "/filler%d" % number)


def _remove(path):
    try:
        os.remove(path)
    except OSError:
        pass


def _learn(store, number):
    events = ((EVENT_PATH, key("path%d" % number), 0, CLOCK, b"v" * 96),)
    events += ((EVENT_INTERMEDIATES, b"\x30\x82%d" % number + b"i" * 600),)
    return store.join(Verdict(store, "three", events=events), asked(store))


def provision(device):
    device.store().provision(bundle(1, size=3000))


def update(device):
    device.booted().install(bundle(3, pins=("two", "three", "four"), size=5000))


def floor_advance(device):
    device.booted().install(bundle(3, issued_at=CLOCK, pins=("two", "three")))


def trial_start(device):
    device.booted().install(bundle(3, trial=2, pins=("two", "three", "four")))


def trial_load(device):
    device.booted()


def confirm(device):
    store = device.booted()
    store.join(Verdict(store, "three"))
    store.join(Verdict(store, "three"), asked(store))


def revert(device):
    store = device.booted()
    store.join(Verdict(store, "three"))
    refused = Verdict(store, "five", accepted=False)
    store.disprove(refused, Verdict(store, "five", state_digest=store.record.active), asked(store))


def stalled(device):
    """A trial that nobody confirms, still updatable."""
    store = device.booted()
    device.clock.passes(3601)
    store.tick()
    if store.record.trial and ("trial.stalled", None) not in store.status()["notes"]:
        raise Violation("not stalled")
    store.install(bundle(4, trial=2, pins=("two", "three", "five")))


def crash_loop(device):
    device.booted()


def ratchet(device):
    store = device.booted()
    store.join(Verdict(store, "three"), asked(store))


def hold_down(device):
    store = device.booted()
    store.install(bundle(3, pins=("two", "three", "four"), hold_s=60, hold_max_s=600))
    store.join(Verdict(store, "three"), asked(store))
    device.clock.passes(61)
    store.join(Verdict(store, "three"), asked(store))


def rescue(device):
    device.booted().install(bundle(1, epoch=1, issued_at=CLOCK - 400000, pins=("one", "nine")))


def cache_write(device):
    store = device.booted()
    device.clock.passes(7 * 3600)
    _learn(store, 2)
    device.clock.passes(7 * 3600)
    _learn(store, 3)


def tables_write(device):
    """A key gets its table, and six hours later another one gets its own."""
    store = device.booted()
    for name in ("intermediate", "anchor"):
        store.tables().keep(key(name), b"t" * 1041)
        store.tick()
        device.clock.passes(7 * 3600)


def repair(device):
    device.booted()


def disk_full(device):
    store = device.booted()
    store.join(Verdict(store, "three"), asked(store))
    try:
        store.install(bundle(3, pins=("two", "three", "four"), size=20000))
    except StoreError as error:
        if error.code == "store.no_space":
            return
        raise
    raise Violation("there was room")


def disk_brimful(device):
    """A pin is retired, and the cache gives way to it."""
    store = device.booted()
    store.join(Verdict(store, "three"), asked(store))


def disk_stuck(device):
    """A pin is retired; no folder can take it before there is room again."""
    store = device.booted()
    store.join(Verdict(store, "three"), asked(store))
    if store.problem is None and not device.power.is_off:
        raise Violation("there was room")
    _unfill()
    store.join(Verdict(store, "three"), asked(store))


def _unfill():
    for name in os.listdir(MOUNT):
        if name.startswith("filler"):
            _remove(MOUNT + "/" + name)


def erase(device):
    store = device.booted()
    store.erase()


# What a scenario has to have done when nothing was cut: (values before, values after, device).


def _is_first(old, new, device):
    return old == "store.unprovisioned" and named(new)["sequence"] == 1


def _changes(*fields):
    """Exactly these fields of the record are others now."""

    def has(old, new, device):
        return [name for at, name in enumerate(FIELDS) if old[at] != new[at]] == sorted(
            fields, key=FIELDS.index
        )

    return has


def _has_held_down(old, new, device):
    was_held = any(named(record)["holds"] for _, record in device.written)
    return was_held and len(named(new)["retired"]) > len(named(old)["retired"])


def _has_written(name):
    def has(old, new, device):
        return old == new and name in os.listdir(ROOT)

    return has


def _has_mended(old, new, device):
    one, other = device.store().copies
    return old == new and bytes(one.read()) == bytes(other.read()) and device.written


def _is_gone(old, new, device):
    return new == "store.unprovisioned"


_UPDATE = ("sequence", "active", "fallback", "floor")

SCENARIOS = (
    ("provision", nothing, provision, _is_first),
    ("update", used, update, _changes(*_UPDATE)),
    ("floor_advance", used, floor_advance, _changes(*_UPDATE)),
    (
        "trial_start",
        used,
        trial_start,
        _changes("sequence", "fallback", "trial", "tries", "floor", "trial_at"),
    ),
    ("trial_load", on_trial, trial_load, _changes("tries")),
    (
        "confirm",
        on_trial,
        confirm,
        _changes("active", "fallback", "trial", "tries", "retired", "trial_at"),
    ),
    ("revert", on_trial, revert, _changes("trial", "tries", "trial_at")),
    ("stalled", on_trial, stalled, _changes("sequence", "trial", "floor", "trial_at")),
    ("crash_loop", used_up, crash_loop, _changes("trial", "trial_at")),
    ("ratchet", used, ratchet, _changes("retired")),
    ("hold_down", used, hold_down, _has_held_down),
    (
        "rescue",
        used,
        rescue,
        _changes("epoch", "sequence", "active", "fallback", "floor", "retired"),
    ),
    ("cache_write", used, cache_write, _has_written("cache")),
    ("tables_write", used, tables_write, _has_written("tables")),
    ("repair", lagging, repair, _has_mended),
    ("disk_full", full, disk_full, _changes("retired")),
    ("disk_brimful", brimful, disk_brimful, _changes("retired")),
    ("disk_stuck", stuck, disk_stuck, _changes("retired")),
    ("erase", used, erase, _is_gone),
)


class Violation(Exception):
    pass


def survives(device, act):
    """Act until the power goes; what the program does in the moment after is of no account."""
    try:
        act(device)
    except PowerCut:
        pass
    except (OSError, TrustError):
        if not device.power.is_off:
            raise


class Trial:
    """One scenario with one kind of NVS: the image it starts from and what it writes."""

    def __init__(self, name, kind):
        for scenario in SCENARIOS:
            if scenario[0] == name:
                self.prepare, self.act, has_done = scenario[1:]
        self.name = name
        self.kind = kind
        image = blank(BLOCKS)
        vfs.VfsLfs2.mkfs(Flash(image))
        device = Device(image, None if kind == "none" else {})
        self.prepare(device)
        self.start = device.off()
        device = self.device()
        self.old = self._record(device)
        device.off()
        device = self.device()
        self.act(device)
        self.operations = device.power.operations
        self.erases = device.flash.erases
        self.written = device.written
        if not has_done(self.old, self._record(device), device):
            raise Violation("%s with NVS %s does not do what it is named for" % (name, kind))
        device.off()
        self.cuts = self.faults = 0

    def device(self, power=None):
        image, nvs = self.start
        device = Device(bytearray(image), nvs, power)
        device.kind = self.kind
        return device

    def cut(self, cut_at, tear):
        """Act until operation cut_at; return (image, NVS) as the power left them."""
        device = self.device(Power(cut_at, tear))
        survives(device, self.act)
        return device.off(self.kind)

    def fault(self, at, kind):
        """Act while operation at fails; return what is on flash and what may be found there."""
        device = self.device(Power(at, kind))
        try:
            self.act(device)
        except TrustError:
            pass
        except OSError:
            if self.name != "erase":  # on the cable: a person sees it and tries again
                raise
        store = device.last
        ram = None
        if store.state is not None:
            self._check_state(store, values(store.record))
            # One copy alone does not outlive the NVS: that is what the store has reported.
            if store.problem is None or self.kind != "erased":
                ram = values(store.record)
        written = device.written
        device.power.tear = NOT_BEGUN
        return device.off(self.kind), self._allowed(written, device.power.operations), ram

    def allowed(self, cut_at):
        return self._allowed(self.written, cut_at)

    def _allowed(self, written, cut_at):
        """Return the records that may be found: the last promised and the one in the making."""
        found = [self.old]
        for promised_at, record in written:
            if promised_at is None:
                found.append(record)
            elif promised_at <= cut_at:
                found = [record]
            else:
                found.append(record)
                break
        if self.name == "erase":
            found += ["store.lost", "store.unprovisioned"]
        return found

    def boot(self, left, allowed, power=None):
        """Boot from what is left and check everything; return the device, still on."""
        image, nvs = left
        device = Device(bytearray(image), nvs, power)
        found = self._record(device)
        if found not in allowed:
            others = "; ".join(different(found, one) for one in allowed)
            raise Violation("the record is none of those allowed: " + others)
        try:
            store = device.booted()
        except TrustError as error:
            if error.code in allowed or (self.name == "erase" and error.code == "store.lost"):
                return device
            raise Violation("loads not: %r" % error)
        self._check_state(store, found)
        return device

    def _record(self, device):
        try:
            return values(read_record(device.store()))
        except TrustError as error:
            return error.code

    def _check_state(self, store, found):
        record = named(found)
        digests = (record["trial"] or record["active"], record["active"])
        if store.state.payload_digest not in digests:
            raise Violation("a state the record does not name")
        if store.state.payload_digest != digests[0] and record["tries"]:
            raise Violation("the trial state is gone")
        if store.local.retired != record["retired"]:
            raise Violation("retired %r, not %r" % (store.local.retired, record["retired"]))
        if store.local.floor < record["floor"]:
            raise Violation("the floor sank")

    def check(self, left, allowed, goes_on=True, ram=None):
        """Everything a device must do after a power cut; returns the flash operations it took."""
        self.cuts += 1
        device = self.boot(left, allowed)
        operations = device.power.operations
        found = self._record(device)
        if ram is not None:
            _check_no_weaker(named(ram), found)
        left = device.off("lost")
        # What a boot has shown stays, also when one of the copies is then lost whole: unless the
        # boot has reported that it could not mend one.
        is_whole = device.problem is None
        for lost in (None, 0, 1) if is_whole else (None,):
            device = Device(bytearray(left[0]), left[1])
            if lost is not None and not isinstance(found, str):
                device.store().copies[lost].erase()
            again = self._record(device)
            if again != found:
                raise Violation("without copy %r: %s" % (lost, different(again, found)))
            device.off()
        if goes_on:
            self._go_on(left)
        return operations

    def _go_on(self, left):
        """The next bundle installs: the store still works."""
        device = Device(bytearray(left[0]), left[1])
        _unfill()
        store = device.store()
        try:
            try:
                store.load()
            except StoreError as error:
                if error.code == "store.unprovisioned":
                    store.provision(bundle(1))
                    store.load()
                elif error.code != "store.lost":
                    raise
            if store.state is None:
                store.erase()
                store.provision(bundle(1))
                store.load()
            store.install(bundle(9, epoch=store.record.epoch, pins=("two", "six")))
        except TrustError as error:
            raise Violation("does not go on: %r" % error)
        if store.state.sequence != 9:
            raise Violation("the next bundle is not in force")
        device.off()


def explore(name, kind, doubles=True):
    """Return (operations, cuts, failures) over every cut of one scenario."""
    trial = Trial(name, kind)
    failures = []
    for cut_at in range(trial.operations + 1):
        for tear in TEARS:
            if cut_at == trial.operations and tear != NOT_BEGUN:
                continue  # nothing was torn: the scenario ran to its end
            point = "%s:%s:%d.%d" % (name, kind, cut_at, tear)
            gc.collect()
            recovery = attempt(point, failures, one_cut, trial, cut_at, tear)
            if not doubles or tear == NOT_BEGUN:
                continue
            for second in range(recovery or 0):
                # Every operation is cut; the ways to tear it take turns.
                tear2 = TEARS[(cut_at + second) % len(TEARS)]
                again = "%s:%d.%d" % (point, second, tear2)
                attempt(again, failures, two_cuts, trial, cut_at, tear, second, tear2)
    cuts = trial.cuts
    for at in range(trial.operations):
        for fault in FAULTS:
            point = "%s:%s:%d.%d" % (name, kind, at, fault)
            gc.collect()
            attempt(point, failures, one_fault, trial, at, fault)
    trial.faults = trial.cuts - cuts
    trial.cuts = cuts
    return trial, failures


def attempt(point, failures, function, *arguments):
    try:
        return function(*arguments)
    except Exception as error:  # noqa: BLE001 - whatever leaves the store at a cut is a failure
        failures.append(point)
        print("VIOLATION %s: %r" % (point, error))
        if not isinstance(error, Violation):
            sys.print_exception(error)
        try:
            vfs.umount(MOUNT)
        except OSError:
            pass


def one_cut(trial, cut_at, tear):
    return trial.check(trial.cut(cut_at, tear), trial.allowed(cut_at))


def one_fault(trial, at, fault):
    left, allowed, ram = trial.fault(at, fault)
    return trial.check(left, allowed, ram=ram)


def _check_no_weaker(ram, found):
    """What a device without power believed is at least what it finds when it has it again."""
    if isinstance(found, str):
        raise Violation("a record in RAM and %s" % found)
    found = named(found)
    if ram["epoch"] != found["epoch"]:
        return
    if ram["floor"] < found["floor"] or set(found["retired"]) - set(ram["retired"]):
        raise Violation("RAM is weaker than flash")


def two_cuts(trial, cut_at, tear, second, tear2):
    """The power goes again while the device recovers from the first cut."""
    left = trial.cut(cut_at, tear)
    allowed = trial.allowed(cut_at)
    device = Device(bytearray(left[0]), left[1], Power(second, tear2))
    first = trial._record(device)
    survives(device, Device.booted)
    # A boot on trial counts a try, so what it was writing is allowed as well.
    allowed = allowed + [record for _, record in device.written] + after_boot(first)
    trial.check(device.off(trial.kind), allowed, False)


def after_boot(found):
    """Return the record a boot makes of found: a try less, or the end of the trial."""
    if isinstance(found, str):
        return []
    record = named(found)
    if not record["trial"]:
        return []
    whole = Record(0, 0, b"", b"", b"").but(**record)
    return [values(stand_in.Rules().loading(whole)), values(stand_in.Rules().reverted(whole))]


def main(arguments):
    if arguments[:1] == ["--replay"]:
        return replay(arguments[1])
    if arguments == ["--list"]:
        print(" ".join(scenario[0] for scenario in SCENARIOS))
        return 0
    quick = "--single" in arguments
    names = [name for name in arguments if not name.startswith("--")]
    names = names or [scenario[0] for scenario in SCENARIOS]
    points = cuts = faults = bad = 0
    print(HEADER)
    for name in names:
        for kind in NVS_KINDS:
            trial, failures = explore(name, kind, not quick)
            row = (name, kind, trial.operations, trial.erases, trial.cuts, trial.faults)
            print("%-14s %-7s %10d %7d %7d %7d %7d" % (row + (len(failures),)))
            points += trial.operations
            cuts += trial.cuts
            faults += trial.faults
            bad += len(failures)
    print("%d operations, %d cuts, %d faults, %d failures" % (points, cuts, faults, bad))
    return 1 if bad or not cuts else 0


def replay(point):
    parts = point.split(":")
    trial = Trial(parts[0], parts[1])
    pairs = [[int(number) for number in part.split(".")] for part in parts[2:]]
    failures = []
    if pairs[0][1] in FAULTS:
        attempt(point, failures, one_fault, trial, *pairs[0])
    elif len(pairs) == 1:
        attempt(point, failures, one_cut, trial, *pairs[0])
    else:
        attempt(point, failures, two_cuts, trial, *(pairs[0] + pairs[1]))
    print("%s: %s" % (point, "failed" if failures else "passed"))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
