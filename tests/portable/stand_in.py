# SPDX-License-Identifier: MIT
"""Small stand-ins for what the store depends on: signed bundles, their rules, NVS and a clock.

The rules are those of SPEC.md "Acceptance" and "Trial" with nothing signed, so that a test of the
store shows the store. tests with real bundles are in test_store_update.py.
"""

import json

from scratch import key

from trustanchor.compat import sha256
from trustanchor.errors import UpdateError
from trustanchor.kinds import MODE_KEY
from trustanchor.limits import BUILD_AT
from trustanchor.state.local import LocalState, retired_entry
from trustanchor.state.model import Asked, Pin, PinSet, Service, TrustState
from trustanchor.state.record import Record
from trustanchor.store.trust_store import Store

AUTHORITY = sha256(b"authority")
BACKUP = sha256(b"backup authority")


def bundle(sequence=1, epoch=0, issued_at=None, pins=("one", "two"), trial=0, size=0, **pin_set):
    """Return the bytes of a bundle; trial is the number of tries, 0 for `revert: never`."""
    said = {
        "sequence": sequence,
        "epoch": epoch,
        "issued_at": BUILD_AT + 1000 * sequence if issued_at is None else issued_at,
        "pins": list(pins),
        "trial": trial,
        "pin_set": pin_set,
    }
    data = json.dumps(said).encode()
    return data + b" " * (size - len(data))


class _State(TrustState):
    tries = 0


def parse(source):
    try:
        return _parsed(bytes(source.read(0, source.size)))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UpdateError("bundle.file")


def _parsed(data):
    said = json.loads(data)
    pins = [Pin(key(name), is_backup=at > 0) for at, name in enumerate(said["pins"])]
    state = _State(
        (Service("web", ("web.example",), mode=MODE_KEY, pin_set="pins"),),
        (PinSet("pins", pins, **said["pin_set"]),),
        payload_digest=sha256(data),
        epoch=said["epoch"],
        sequence=said["sequence"],
        issued_at=said["issued_at"],
    )
    state.tries = said["trial"]
    return state


class Rules:
    """What acceptance.py decides."""

    def accept(self, record, loaded, source, at, device):
        state = parse(source)
        digest = state.payload_digest
        if record is None:
            return (
                Record(
                    state.epoch, state.sequence, AUTHORITY, BACKUP, digest, floor=state.issued_at
                ),
                digest,
            )
        if digest in (record.active, record.trial):
            raise UpdateError("update.current")
        if state.epoch < record.epoch:
            raise UpdateError("update.epoch_old")
        if state.epoch == record.epoch and state.sequence <= record.sequence:
            raise UpdateError("update.rollback")
        new = record.but(
            epoch=state.epoch, sequence=state.sequence, trial=b"", tries=0, held=(), trial_at=0
        )
        if state.epoch > record.epoch:
            listed = [retired_entry(pin.spki_sha256) for pin in state.pin_sets[0].pins]
            retired = tuple(one for one in record.retired if one not in listed)
            new = new.but(
                active=digest, fallback=b"", floor=state.issued_at, retired=retired, holds=()
            )
        else:
            new = new.but(floor=max(record.floor, state.issued_at))
            active = [one for one in loaded if one.payload_digest == record.active]
            if state.tries and active:
                new = new.but(trial=digest, tries=state.tries, fallback=b"", trial_at=at[0])
            else:
                new = new.but(active=digest, fallback=b"")
        return new, digest

    def accepting(self, record, loaded, source, at, device):
        yield
        return self.accept(record, loaded, source, at, device)

    def loading(self, record):
        if record.tries == 0:
            return self.reverted(record)
        return record.but(tries=record.tries - 1)

    def judged(self, record, state):
        return record if record.tries == state.tries else record.but(tries=state.tries)

    def probed(self, record, state, probed):
        for service, _, _ in probed:
            if service == "web":
                return record.but(
                    active=record.trial, fallback=record.active, trial=b"", tries=0, trial_at=0
                )
        return record

    def disproved(self, record, state, refused, accepted, asked):
        if refused.accepted or not accepted.accepted:
            return record
        return self.reverted(record)

    def is_stalled(self, record, state, unix_s, running_s=0):
        late = record.trial_at and unix_s and unix_s - record.trial_at > 3600
        return bool(record.trial and (late or running_s > 3600))

    def reverted(self, record):
        return record.but(trial=b"", tries=0, held=(), trial_at=0)


class SmallStore(Store):
    """A Store with the stand-ins behind its doors."""

    def rules(self):
        return Rules()

    trials = rules

    def _parse(self, source):
        return parse(source)

    def prefix(self, source, early=False):
        return SmallPrefix(source)


class SmallPrefix:
    """Of a state what deciding needs of those in force."""

    def __init__(self, source):
        self.payload_digest = parse(source).payload_digest

    def digesting(self):
        yield
        return self.payload_digest


class Clock:
    """A clock that stands still until it is told to move."""

    def __init__(self, unix_s=BUILD_AT + 500000, known=1):
        self.unix_s = unix_s
        self.known = known
        self.up_s = 0

    def now(self):
        return self.unix_s, self.known

    def uptime_s(self):
        return self.up_s

    def passes(self, seconds):
        self.unix_s += seconds
        self.up_s += seconds


class Nvs:
    """esp32.NVS: what was set but not committed may be kept or lost when the power goes."""

    def __init__(self):
        self.kept = {}
        self.waiting = {}
        self.operation = lambda: None  # called before each write: power cuts, failing flash

    def get_blob(self, name, buffer):
        value = self.waiting.get(name, self.kept.get(name))
        if value is None:
            raise OSError(-0x1102, "ESP_ERR_NVS_NOT_FOUND")
        if len(value) > len(buffer):
            raise OSError(-0x110C, "ESP_ERR_NVS_INVALID_LENGTH")
        buffer[: len(value)] = value
        return len(value)

    def set_blob(self, name, value):
        self.operation()
        self.waiting[name] = bytes(value)

    def erase_key(self, name):
        self.operation()
        if name not in self.kept and name not in self.waiting:
            raise OSError(-0x1102, "ESP_ERR_NVS_NOT_FOUND")
        self.waiting[name] = None

    def commit(self):
        self.operation()
        self.power_cut(True)

    def power_cut(self, keeps):
        """The power goes; what was not committed is kept or lost."""
        if keeps:
            for name, value in self.waiting.items():
                if value is None:
                    self.kept.pop(name, None)
                else:
                    self.kept[name] = value
        self.waiting = {}


class Holder:
    """Has state and local, as a store does."""

    state: "TrustState"
    local: "LocalState"


class Verdict:
    """What join() reads of a policy.Verdict, for a leaf with a key of the state."""

    def __init__(self, store: "Holder | Store", leaf="one", accepted=True, events=None, **fields):
        pin_set = store.state.pin_sets[0]
        self.accepted = accepted
        self.cached = False
        self.audited = False
        self.path = None
        self.wanted = tuple(pin.spki_sha256 for pin in pin_set.pins)
        self.pin = self.wanted.index(key(leaf)) if key(leaf) in self.wanted else None
        self.state_digest = store.state.payload_digest
        self.retired_generation = store.local.retired_generation
        self.events = events
        if events is None:
            self.events = ((1, "pins", self.pin, key(leaf)),) if self.pin is not None else ()
        for name, value in fields.items():
            setattr(self, name, value)


def asked(store):
    return Asked(store.state.services[0], "web.example", 443)
