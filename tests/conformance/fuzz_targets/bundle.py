# SPDX-License-Identifier: MIT
"""bundle: whatever is accepted has one encoding, moves the device forward and reads back alike.

Every signature counts as valid here, so that mutations get past the signatures to what they
protect: the readers and rules must hold on their own.
"""

from collections.abc import Generator
from types import SimpleNamespace

import cbor2

from tests.conformance.fuzz_targets import fixtures
from trustanchor import record as records
from trustanchor import signatures, update
from trustanchor.bundle import parse
from trustanchor.cbor import BytesSource
from trustanchor.errors import TrustError
from trustanchor.limits import BUILD_AT

DEVICE = SimpleNamespace(product=None, device_id=None)
UNKNOWN = (BUILD_AT, 0)


def _always_valid(*arguments: object) -> Generator[None, None, bool]:
    yield None
    return True


def _accept(record: records.Record | None, data: bytes, loaded: tuple = ()) -> records.Record:
    before = signatures.verifying_cose
    signatures.verifying_cose = _always_valid
    try:
        return update.accept(record, loaded, BytesSource(data), UNKNOWN, DEVICE)[0]
    finally:
        signatures.verifying_cose = before


FIRST = fixtures("bundle/first")[0]
RECORD = _accept(None, FIRST)
LOADED = (parse(BytesSource(FIRST)),)
PACKED = records.pack(RECORD)


def seeds() -> list[bytes]:
    return fixtures("bundle/first", "bundle/next", "bundle/rescue", "bundle/hybrid")


def run(data: bytes) -> None:
    """Offered to a device that has the first state, and to one that has none."""
    try:
        new = _accept(RECORD, data, LOADED)
    except TrustError:
        pass
    else:
        assert (new.epoch, new.sequence) > (RECORD.epoch, RECORD.sequence)
        assert new.epoch == RECORD.epoch + 1 or new.floor >= RECORD.floor
        accepted(data, new)
    assert records.pack(RECORD) == PACKED
    accepted(data, _accept(None, data))


def accepted(data: bytes, new: records.Record) -> None:
    state = parse(BytesSource(data))
    assert state.payload_digest in (new.active, new.trial)
    assert records.pack(records.parse(records.pack(new))) == records.pack(new)
    # SPEC.md E1 to E3: the payload is the one encoding of what it says.
    payload = cbor2.loads(data).value[2]
    assert cbor2.dumps(cbor2.loads(payload), canonical=True) == payload
