# SPDX-License-Identifier: MIT
"""What devices will say to a draft once everybody has signed, and what in it they mean.

    rehearse(draft, current)             the record a device at current would write, or its refusal
    named(error, description)            the entry and the field of a refusal, for people

The rules are the device's own code; only the signatures, which nobody has made yet, are taken as
valid. What this refuses is refused before the first signer is asked.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from host_tools.cli.output import printable
from host_tools.signing import bundle_encode, draft
from host_tools.signing.bundle_encode import Description, PublicKey
from host_tools.signing.draft import Device, Draft, Part
from trustanchor.encoding.cbor import BytesSource, Reader
from trustanchor.errors import TrustError
from trustanchor.kinds import ES256
from trustanchor.state.record import Record
from trustanchor.update import bundle, prefix
from trustanchor.update.cose import Message

_ENTRIES = 1 << 16  # above whatever a bundle holds

# Fields of a payload as a description names them (SPEC.md "State").
_STATE = {
    1: "epoch",
    2: "sequence",
    3: "issued_at",
    4: "expires_at",
    5: "audience",
    6: "authority",
    7: "backup",
    8: "revert",
    9: "overrides",
    10: "probe",
    12: "trial",
    13: "service",
    14: "pin_set",
    15: "deny",
    16: "intermediates",
    17: "anchor",
    20: "reason",
    21: "accepted_stranding",
}
_INNER = {
    5: {0: "products", 1: "devices"},
    10: {0: "service", 1: "host", 2: "port"},
    12: {0: "deadline_s", 1: "tries"},
    13: {0: "name", 1: "hosts", 2: "port", 5: "pins", 10: "max_state_age_s", 11: "peer_name"},
    14: {0: "name", 1: "pins", 2: "on_expiry", 3: "ratchet", 4: "hold_s", 5: "hold_max_s"},
    17: {2: "hosts", 4: "trust_from", 5: "trust_until", 6: "distrust_leaf_after"},
}
_NUMBERED = {
    "bundle.anchor": "anchor",
    "bundle.anchor_repeated": "anchor",
    "bundle.intermediate": "intermediates",
}


def rehearse(made: Draft, current: bytes, device: Device | None = None) -> Record:
    """Return the record of a device at current (b"": none yet), or raise its refusal."""
    full = as_if_signed(made)
    with _signatures_taken_as_valid():
        record = draft.accept(full.file(), current, device)
        if current == made.current:
            full.accept(device)  # its link too
    return record


def as_if_signed(made: Draft) -> Draft:
    """The draft with a blank signature of every signer asked for."""
    return replace(
        made, state=_as_signed(made, made.state), link=made.link and _as_signed(made, made.link)
    )


def _as_signed(made: Draft, part: Part) -> Part:
    keys = {
        bundle_encode.kid(key): key
        for asked in made.wanted(part)
        for _, members in asked.groups
        for key in members
    }
    return Part(part.kind, part.payload, [(key, _blank(key)) for key in keys.values()])


def _blank(key: PublicKey) -> bytes:
    return bytes(64 if key.alg == ES256 else len(key.public))


@contextlib.contextmanager
def _signatures_taken_as_valid() -> Iterator[None]:
    genuine = Message.verifying

    def verifying(message: Message, signature: Any, public: Any) -> Any:
        return True
        yield  # a generator, as the one it stands for

    Message.verifying = verifying  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        Message.verifying = genuine  # type: ignore[method-assign]


def place(content: bytes) -> str:
    """Where a device is that has this bundle: epoch/sequence."""
    state: Any = bundle.parse(BytesSource(content))
    return f"{state.epoch}/{state.sequence}"


def named(error: TrustError, description: Description, kind: str) -> str:
    """The entry and field a refusal is about, as a description calls them, or ""."""
    detail = error.detail
    if error.code in _NUMBERED:
        number, _, reason = str(detail).partition(" ")
        where = f"{_NUMBERED[error.code]} {int(number) + 1}"
        return f"{where}: {reason}" if reason else where
    if error.code == "state.duplicate":
        return _repeated(description)
    if error.code.startswith("anchor.") or (error.code == "service.no_hosts" and detail is None):
        return _anchor(error, description, kind)
    if isinstance(detail, int) and error.code.startswith("cbor."):
        # An anchor is read from a piece of its own, from which the offset counts.
        if not _stays(error, replace(description, anchors=[]), kind):
            return _anchor(error, description, kind)
        return _field_at(bundle_encode.encode_state(description), kind, detail)
    return "" if detail is None else printable(str(detail))


def _repeated(description: Description) -> str:
    for field, entries in (("service", description.services), ("pin_set", description.pin_sets)):
        names = [one.name for one in entries]
        for number, name in enumerate(names, 1):
            if name in names[: number - 1]:
                return f"{field} {number}: {printable(name)} again"
    return ""


def _anchor(error: TrustError, description: Description, kind: str) -> str:
    """The device does not say which anchor it is: each is tried alone."""
    for number, anchor in enumerate(description.anchors, 1):
        if _stays(error, replace(description, anchors=[anchor]), kind):
            return f"anchor {number}"
    return ""


def _stays(error: TrustError, description: Description, kind: str) -> bool:
    try:
        draft.check_payload(kind, bundle_encode.encode_state(description))
    except TrustError as found:
        return found.code == error.code
    return False


def _field_at(payload: bytes, kind: str, offset: int) -> str:
    """The field of a payload that the offset of a refusal points into."""
    source = BytesSource(draft.unsigned(kind, payload))
    _, _, (start, end) = prefix.envelope(Reader(source))
    reader = Reader(source, start, end)
    for number in reader.fields():
        begin = reader.pos
        reader.skip()
        if begin <= offset < reader.pos:
            name = _STATE.get(number, f"field {number}")
            return f"{name}{_inside(source, begin, reader.pos, number, offset)}"
    return ""


def _inside(source: BytesSource, begin: int, end: int, number: int, offset: int) -> str:
    names = _INNER.get(number)
    if names is None:
        return ""
    found = ""
    if number in (10, 13, 14, 17):
        reader = Reader(source, begin, end)
        for entry in range(1, reader.array(0, _ENTRIES) + 1):
            begin = reader.pos
            reader.skip()
            if begin <= offset < reader.pos:
                found, end = f" {entry}", reader.pos
                break
    reader = Reader(source, begin, end)
    if begin == offset:
        return found
    for field in reader.fields():
        begin = reader.pos
        reader.skip()
        if begin <= offset < reader.pos:
            return f"{found}, {names.get(field, field)}"
    return found
