# SPDX-License-Identifier: MIT
"""Which bundle may replace the trust state, and what becomes of it. Decides and does no I/O.

    new, digest = accept(record, loaded, source, at, device)

A device is at a position: epoch, sequence, and the digests of the authorities in force. accept()
walks the links of the file from there to the signers of its state and returns the record to be
written, or refuses; the rules are U1 to U16 of SPEC.md and are cited at the line. What becomes of
a state in trial, trial.py decides.

Refuses with update.*, time.issued_in_future, and with cbor.* cose.* bundle.* state.* service.*
pin.* anchor.* for what the file says.

Depends on: compat, errors, limits, prefix; authority, then admit, then revert, each with
what it needs, as the update goes on.
Heap: 3 KB from a .mpy file; an update needs about 20 KB more while it runs.
"""

from ..compat import collect_every, const, finish, forget
from ..errors import MalformedError, UpdateError
from ..kinds import CLOCK_VERIFIED
from ..limits import BUILD_AT, BUNDLE_BYTES, ISSUED_AHEAD_S, ISSUED_AHEAD_UNKNOWN_S

_GARBAGE_BYTES = const(1024)


def accept(record, loaded, source, at, device):
    """Return (the new Record, payload digest of the accepted state).

    record   the Record in force; None on an unprovisioned device, from the cable or firmware
    loaded   the Bundles that could be loaded: the active one, and the one in trial. Their
             Prefix will do, and saves heap where no state is needed in RAM
    source   the bundle file
    at       (Unix seconds, CLOCK_*), the raw reading of the clock
    device   has product and device_id, texts or None
    """
    before = collect_every(_GARBAGE_BYTES)
    try:
        return finish(accepting(record, loaded, source, at, device))
    finally:
        collect_every(before)


def accepting(record, loaded, source, at, device):
    """accept() as a generator: yields None between slices of work.

    In two phases, because a small heap does not hold the code of both: who signed, then what.
    """
    prefix, digest = yield from _beginning(record, source, at, device)
    authority, backup = yield from _proving(record, loaded, source, prefix)
    _unload()
    confirmed = None
    for one in loaded:
        if record is not None and one.payload_digest == record.active:
            confirmed = one
    state, new = yield from _admitting(record, confirmed, source, authority, backup)
    if state.payload_digest != digest:
        raise MalformedError("bundle.changed")
    if confirmed is not None and state.probes and not state.never_reverts:
        new = new.but(
            active=record.active,
            fallback=record.fallback,
            trial=digest,
            tries=state.tries,
            trial_at=at[0] if at[1] else 0,
        )
    return new, digest


def foresee(record, beginning, size: int, at, device, mending=False) -> None:
    """Refuse by its first bytes a bundle that accept() would refuse: U2 and U4 to U7.

    For carriers, before the first write to flash: beginning is what has come, size what the whole
    will have. 512 bytes will do for an audience of up to ten names, 3,072 for any; with fewer a
    good bundle may be cbor.truncated. Nothing is verified: what passes may still be anything.

    mending  a slot does not load (`store.slot_damaged` in the notes of status()): a bundle that is
             not newer may be the very one that mends it, U3
    """
    from ..encoding.cbor import BytesSource
    from .prefix import Prefix

    _check_size(size)
    prefix = Prefix(BytesSource(beginning, size), early=True)
    if mending:
        _check_audience(prefix, device)
    else:
        _check_beginning(prefix, record, at, device)


def reading(source):
    """Generator: the Bundle in source, if it keeps the rules S1 to S5; signatures do not count."""
    from .admit import reading as steps

    return (yield from steps(source))


def _beginning(record, source, at, device):
    """Generator: U2 to U7, what the first bytes decide; returns (Prefix, payload digest)."""
    from .prefix import Prefix

    _check_size(source.size)
    prefix = Prefix(source, early=None)
    yield from prefix.reading()
    digest = yield from prefix.digesting()
    if record is not None and digest in (record.active, record.trial):  # U3
        raise UpdateError("update.current")
    _check_beginning(prefix, record, at, device)
    return prefix, digest


def _proving(record, loaded, source, prefix):
    """Generator: U8 to U13; returns the digests of authority and backup authority."""
    forget("dn")  # of the anchors, which nobody looks for now
    from .authority import opened, proving

    yield
    message = yield from opened(source)
    return (yield from proving(record, loaded, message, prefix))


def _admitting(record, confirmed, source, authority, backup):
    """Generator: U14 to U16; returns the Bundle and the Record that has it active."""
    from .admit import next_record, reading

    state = yield from reading(source)
    new = next_record(record, state, authority, backup)
    forget("rules names")
    if confirmed is not None:
        if not hasattr(confirmed, "services"):
            from .bundle import reading as steps

            confirmed = yield from steps(confirmed.source)
        from .revert import checking

        yield from checking(confirmed, state, record, new)
    return state, new


def _unload() -> None:
    from ..crypto import cose_signatures

    cose_signatures.unload()
    del cose_signatures  # a function keeps its module
    forget("authority cose dn names")


def _check_size(size: int) -> None:
    if size > BUNDLE_BYTES:
        raise MalformedError("bundle.too_large", size)


def _check_beginning(prefix, record, at, device) -> None:
    _check_audience(prefix, device)
    if record is not None:
        _check_after(prefix, record)
    _check_times(prefix, record, at)


def _check_audience(prefix, device) -> None:
    if prefix.products is not None and device.product not in prefix.products:
        raise UpdateError("update.audience", "product")
    if prefix.devices is not None and device.device_id not in prefix.devices:
        raise UpdateError("update.audience", "device")


def _check_after(prefix, record) -> None:
    if prefix.epoch < record.epoch:
        raise UpdateError("update.epoch_old", prefix.epoch)
    if prefix.epoch == record.epoch and prefix.sequence <= record.sequence:
        raise UpdateError("update.rollback", prefix.sequence)


def _check_times(prefix, record, at) -> None:
    floor = BUILD_AT if record is None else max(record.floor, BUILD_AT)
    # A verified clock is right and a floor above it is not: else each bundle from a day ahead
    # would make the clock unknown, and the next could be from five years ahead.
    known = at[1] == CLOCK_VERIFIED or (bool(at[1]) and at[0] >= floor)
    if known:
        latest = at[0] + ISSUED_AHEAD_S
    else:
        latest = floor + ISSUED_AHEAD_UNKNOWN_S
    if prefix.issued_at > latest:
        raise UpdateError("time.issued_in_future", prefix.issued_at)
    if prefix.expires_at is None:
        return
    if record is not None and prefix.epoch > record.epoch:
        # A hostile floor must not keep the rescue out; the clock alone counts, if there is one.
        now = at[0] if at[1] else 0
    else:
        now = at[0] if known else floor
    if now > prefix.expires_at:
        raise UpdateError("update.expired", prefix.expires_at)
