# SPDX-License-Identifier: MIT
"""What a device has been told to trust: plain values, no I/O. The rules they keep are in rules.py.

A TrustState is the parsed content of one accepted bundle (or of the literal
`Context(pins=[...])`). It is never changed in place; the next bundle makes the next one.
What the device learned by itself is in local.py.

    service = state.find_service(host="example.net", port=443)

Units: *_at, trust_from, trust_until and windows are Unix seconds, both ends inclusive; None
means no bound. spki_sha256 is SHA-256 over the DER SubjectPublicKeyInfo (RFC 7469 section 2.4).

Anchors are in anchors.py: mode key has none.

Depends on: errors; names when a host is looked up.
Heap: about 3 KB from a .mpy file.
"""

from ..errors import PathError, PinError
from ..kinds import EXPIRY_REFUSE, MODE_KEY, MODE_PATH, RATCHET_BACKUP, SERVER_AUTH

NO_DIGEST = b"\x00" * 32


class Pin:
    """One pinned key. is_backup marks a Backup Pin (RFC 7469 section 4.3)."""

    def __init__(self, spki_sha256: bytes, is_backup=False, not_before=None, not_after=None):
        self.spki_sha256 = spki_sha256
        self.is_backup = is_backup
        self.not_before = not_before
        self.not_after = not_after


class PinSet:
    """At least two pins of different keys, in order of preference, under one name."""

    def __init__(
        self,
        name: str,
        pins,
        on_expiry=EXPIRY_REFUSE,
        ratchet=RATCHET_BACKUP,
        hold_s=0,
        hold_max_s=0,
    ):
        self.name = name
        self.pins = pins
        self.on_expiry = on_expiry
        self.ratchet = ratchet
        self.hold_s = hold_s
        self.hold_max_s = hold_max_s


class Service:
    """One named peer: which hosts it answers for and how it is judged.

    hosts              patterns: A-labels in lower case, "*.example.net", or IP literals; None is
                       any host, for literal states and for CLIENT_AUTH
    port               TCP port, or None for any
    pin_set            name of a PinSet of the same state, or None (mode anchors)
    enforce            False = audit: the pin match is waived, loudly
    check_name/_eku    switches of mode key
    needs_clock        refuse (time.unknown) while the clock is unknown
    max_state_age_s    refuse (time.state_too_old) when the state is older than this
    peer_name          CLIENT_AUTH: mandatory pattern the peer's name must match
    """

    def __init__(
        self,
        name: str,
        hosts,
        port=None,
        purpose=SERVER_AUTH,
        mode=MODE_PATH,
        pin_set=None,
        enforce=True,
        check_name=False,
        check_eku=False,
        needs_clock=False,
        max_state_age_s=None,
        peer_name=None,
    ):
        self.name = name
        self.hosts = hosts
        self.port = port
        self.purpose = purpose
        self.mode = mode
        self.pin_set = pin_set
        self.enforce = enforce
        self.check_name = check_name
        self.check_eku = check_eku
        self.needs_clock = needs_clock
        self.max_state_age_s = max_state_age_s
        self.peer_name = peer_name


class Asked:
    """A service and the reference identity asked for (RFC 9525 section 1.4)."""

    def __init__(self, service: Service, host: "str | None", port: "int | None" = None):
        self.service = service
        self.host = host
        self.port = port


class TrustState:
    """One whole trust state.

    anchors          an anchors.AnchorList or the like; empty when no service needs one
    payload_digest   SHA-256 of the signed payload: the state's identity (zeros: a literal state)
    intermediates    preloaded DER certificates, tried after the sent ones
    denied           concatenated 32-byte SPKI SHA-256 of keys that never count
    """

    def __init__(
        self,
        services=(),
        pin_sets=(),
        anchors=(),
        intermediates=(),
        denied=b"",
        payload_digest=NO_DIGEST,
        epoch=0,
        sequence=0,
        issued_at=0,
        expires_at=None,
    ):
        self.services = services
        self.pin_sets = pin_sets
        self.anchors = anchors
        self.intermediates = intermediates
        self.denied = denied
        self.payload_digest = payload_digest
        self.epoch = epoch
        self.sequence = sequence
        self.issued_at = issued_at
        self.expires_at = expires_at

    def pin_set(self, name: str) -> "PinSet | None":
        for pin_set in self.pin_sets:
            if pin_set.name == name:
                return pin_set
        return None

    def is_denied(self, spki_sha256: bytes) -> bool:
        denied = self.denied
        start = 0
        while start < len(denied):
            if denied[start : start + 32] == spki_sha256:
                return True
            start += 32
        return False

    def find_service(self, name=None, host=None, port=None) -> Service:
        """Return the service of that name, or the SERVER_AUTH one that answers for host and port.

        An exact host goes before a wildcard, a wildcard before any host; on a tie a named port
        goes before any port. Where no port is known (None) and the port decides between several,
        none of them answers: service.ambiguous. With name and host both given, host must be among
        the service's hosts. Refuses with service.unknown, service.host, and name.missing when no
        host is asked for though names are what tells the service's server from any other below
        its anchors.
        """
        found = self._found(name, host, port)
        if host is None and found.purpose == SERVER_AUTH and found.mode != MODE_KEY:
            raise PathError("name.missing")
        return found

    def _found(self, name, host, port):
        best = None
        best_rank = 0
        others = 0  # that answer for the host
        by_port = False  # the port decides which
        for service in self.services:
            if name is not None:
                if service.name != name:
                    continue
                if host is not None and not _answers(service.hosts, host):
                    raise PinError("service.host", host)
                return service
            if service.purpose != SERVER_AUTH or (port and service.port not in (None, port)):
                continue
            answers = _answers(service.hosts, host)
            if not answers:
                continue
            others += best is not None
            by_port |= service.port is not None
            rank = 2 * answers + (service.port is not None)
            if rank > best_rank:
                best = service
                best_rank = rank
        if others and by_port and not port:
            # One of them is laxer than the other: a guess would let a server choose.
            raise PinError("service.ambiguous", host)
        if best is None:
            raise PinError("service.unknown", host if name is None else name)
        return best


def _answers(hosts, host) -> int:
    """How closely the patterns fit: 3 exactly, 2 by a wildcard, 1 any host, 0 not at all."""
    if hosts is None:
        return 1
    if host is None:
        return 0
    from ..x509.names import pattern_matches

    found = 0
    for pattern in hosts:
        if pattern_matches(pattern, host):
            if not pattern.startswith("*."):
                return 3
            found = 2
    return found
