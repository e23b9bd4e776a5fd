# SPDX-License-Identifier: MIT
"""Mode key of the verdict: a live pin equals the end entity's key. No path, no signature code.

Possession of the key is what the handshake proves. `case` is policy's.

    yield from decide(case)         # accepts by returning, refuses by raising

Depends on: compat, errors, leaf, model; certificate, identity for the switches.
Heap: about 1 KB from a .mpy file.
"""

from ..compat import sha256
from ..errors import PathError, PinError
from ..kinds import CLIENT_AUTH, EVENT_PIN_SEEN, SERVER_AUTH
from ..x509.leaf import key_and_dates


def decide(case):
    """Generator, as mode_path's is; it is done in one slice."""
    spki, not_before, not_after = key_and_dates(case.chain[0])
    served = sha256(spki)
    case.verdict.served = served
    if case.state.is_denied(served):
        raise PathError("path.key_denied")
    keys = (served,)
    case.verdict.pin = case.match(keys)
    if case.verdict.pin is None:
        raise PinError(case.why_none(keys))
    # RFC 5280 section 4.1.2.5: both ends inclusive.
    if case.at > not_after:
        raise PathError("path.expired", 0)
    if case.known and case.at < not_before:
        raise PathError("path.not_yet_valid", 0)
    service = case.service
    if service.check_name or service.check_eku or service.purpose == CLIENT_AUTH:
        _check_identity(case)
    if service.purpose == SERVER_AUTH:
        case.verdict.events = ((EVENT_PIN_SEEN, case.pin_set.name, case.verdict.pin, served),)
    yield None


def _check_identity(case) -> None:
    """The switches: what the certificate says of itself."""
    from ..x509.certificate import Certificate
    from ..x509.identity import check_name, check_purpose

    leaf = Certificate(case.chain[0])
    service = case.service
    if service.check_eku:
        check_purpose(leaf, service.purpose)
    if service.purpose == CLIENT_AUTH:
        case.authenticate(leaf)
    elif service.check_name:
        check_name(leaf, case.asked.host)
