# SPDX-License-Identifier: MIT
"""update.accept for portable tests, with fake signatures behind the one door to cryptography.

    record, current = first()
    new, digest = accept(record, message("state", state(SEQUENCE, 2)), [current])

A key is a name, a signature a hash: the rules are tested without the cost of cryptography.
"""

# isort: skip_file
import lean  # noqa: F401 - first

# In this order, because compiling a source takes heap in one piece.
from trustanchor.update.bundle import parse
from trustanchor.update import acceptance
from trustanchor.crypto import cose_signatures, signatures
from trustanchor.update.authority import authority_at
from trustanchor.update import admit
from trustanchor.state import rules  # noqa: F401 - what update loads late
from trustanchor.state.record import Record
from bundling import KNOWN, Kept, message, state
from trustanchor.encoding.cbor import BytesSource
from trustanchor.compat import finish, sha256


def _replaced(verifying, check_signer, check_key, unload, forget):
    """Replace cryptography behind its door; return what was there."""
    before = (
        cose_signatures.verifying, cose_signatures.check_key, signatures.check_key,
        cose_signatures.unload, acceptance.forget,
    )  # fmt: skip
    cose_signatures.verifying = verifying
    cose_signatures.check_key = check_signer
    signatures.check_key = check_key
    cose_signatures.unload = unload  # it would forget the stand-ins too
    # From source files, loading a module again costs more heap than forgetting it saves.
    acceptance.forget = admit.forget = forget
    return before


def _keep(*names):
    pass


def _verifying_fake(alg, public, message, signature, table=None):
    yield
    return bytes(signature) == sha256(bytes(public), _bytes_of(message))


def _bytes_of(message):
    kept = Kept()
    finish(message.feed(kept))
    return bytes(kept.data)


def _check_fake(alg, public):
    from trustanchor.errors import MalformedError

    if bytes(public) == b"malformed":
        raise MalformedError("sig.key_malformed")


def _check_anchor(spki):
    from trustanchor.errors import MalformedError

    if not spki[-1]:
        raise MalformedError("sig.key_malformed")


class Device:
    product = "pump"
    device_id = "pump-1"


def accept(record, data, loaded=(), at=KNOWN, device=Device):
    """update.accept over bytes; the record must be the same afterwards, accepted or not."""
    return accept_source(record, BytesSource(data), loaded, at, device)


def accept_source(record, source, loaded=(), at=KNOWN, device=Device):
    before = None if record is None else [getattr(record, name) for name in Record.FIELDS]
    real = _replaced(_verifying_fake, _check_fake, _check_anchor, _keep, _keep)
    try:
        return acceptance.accept(record, loaded, source, at, device)
    finally:
        _replaced(*real)
        after = None if record is None else [getattr(record, name) for name in Record.FIELDS]
        if before != after:
            raise AssertionError("accept changed its record")


def first(*changes, at=KNOWN):
    """Provision a device; return (record, Bundle) of its first state."""
    data = message("state", state(*changes), signers=("a1",))
    record, _ = accept(None, data, at=at)
    return record, parse(BytesSource(data))


def record_digest(bundle, span):
    return authority_at(bundle.source, span).digest
