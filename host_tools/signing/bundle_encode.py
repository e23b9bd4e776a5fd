# SPDX-License-Identifier: MIT
"""Write what firmware/SPEC.md describes: payloads, COSE_Sign messages, bundle files.

Encodes and signs, decodes nothing: what comes out is read and judged by the device's own code.
A state is described by the device's own values (trustanchor.state) inside a Description.

    payload = encode_state(description)
    signature = signer.sign(to_be_signed("state", payload, signer))      # one signer at a time
    bundle = assemble("state", payload, [(signer, signature)])
    file = bundle_file(bundle, links)
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding

from host_tools.signing.signers import key_record, raw_ecdsa
from trustanchor.kinds import ES256, EXPIRY_REFUSE, MODE_PATH, RATCHET_BACKUP, SERVER_AUTH
from trustanchor.state.anchors import Anchor
from trustanchor.state.model import Pin, PinSet, Service

VERSION = 1
CONTENT_TYPE = "application/x.trustanchor-"
# Fields of a state that no device reads: for whoever signs, and for the record.
REASON, ACCEPTED_STRANDING = 20, 21
REASON_CHARACTERS = 512
_COSE_SIGN = 98
_ALG, _CONTENT_TYPE, _KID = 1, 3, 4
_PSS_SALT_BYTES = 32


class PublicKey(Protocol):
    """What a key record holds; every signer of host_tools.signers is one."""

    @property
    def alg(self) -> int: ...
    @property
    def public(self) -> bytes: ...


class Signer(PublicKey, Protocol):
    def sign(self, message: bytes) -> bytes: ...


@dataclass(frozen=True)
class Key:
    """A public key of an authority."""

    alg: int
    public: bytes


class KeySigner:
    """ES256 or PS256 with a private key in memory."""

    def __init__(self, private_key: Any) -> None:
        self._key = private_key
        self.alg, self.public = key_record(private_key.public_key(), "the signing key")

    def sign(self, message: bytes) -> bytes:
        if self.alg == ES256:
            return raw_ecdsa(self._key.sign(message, ec.ECDSA(hashes.SHA256())))
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), _PSS_SALT_BYTES)
        return self._key.sign(message, pss, hashes.SHA256())


@dataclass(frozen=True)
class Authority:
    """Who may sign: (threshold, keys) of one to three groups; every group must be met."""

    groups: Sequence[tuple[int, Sequence[PublicKey]]]

    def value(self) -> list[Any]:
        return [
            [threshold, [[key.alg, key.public] for key in keys]] for threshold, keys in self.groups
        ]

    def record(self) -> bytes:
        return _dumps(self.value())

    def digest(self) -> bytes:
        return hashlib.sha256(self.record()).digest()


@dataclass(frozen=True)
class Probe:
    """A handshake a trial is confirmed by; host and port default to the service's own."""

    service: str
    host: str | None = None
    port: int | None = None


@dataclass
class Description:
    """Everything a state says (SPEC.md "State"); absent fields are the defaults."""

    sequence: int
    issued_at: int
    authority: Authority
    backup: Authority
    services: Sequence[Service]
    pin_sets: Sequence[PinSet] = ()
    anchors: Sequence[Anchor] = ()
    intermediates: Sequence[bytes] = ()
    denied: Iterable[bytes] = ()
    epoch: int = 0
    expires_at: int | None = None
    products: Sequence[str] | None = None
    devices: Sequence[str] | None = None
    never_reverts: bool = False
    overrides: Sequence[str] = ()
    probes: Sequence[Probe] = ()
    is_partial: bool = False
    trial_s: int | None = None
    tries: int | None = None
    reason: str | None = None  # for people
    accepted_stranding: str | None = None  # why devices may be cut off
    extra: dict[int, Any] = field(default_factory=dict)  # fields 20 to 23
    doubts: list[str] = field(default_factory=list)  # of who has read it; not part of the state


def encode_state(description: Description) -> bytes:
    """Return the payload of a state or rescue message."""
    audience = _map({0: _list(description.products), 1: _list(description.devices)})
    denied = sorted(set(description.denied))
    state = {
        0: VERSION,
        1: description.epoch,
        2: description.sequence,
        3: description.issued_at,
        4: description.expires_at,
        5: audience or None,
        6: description.authority.value(),
        7: description.backup.value(),
        8: 1 if description.never_reverts else None,
        9: _list(description.overrides),
        10: [
            _map({0: probe.service, 1: probe.host, 2: probe.port}) for probe in description.probes
        ],
        11: description.is_partial or None,
        12: _map({0: description.trial_s, 1: description.tries}) or None,
        13: [_service(service) for service in description.services],
        14: [_pin_set(pin_set) for pin_set in description.pin_sets],
        15: b"".join(denied) or None,
        16: _list(description.intermediates),
        17: [_anchor(anchor) for anchor in description.anchors],
        REASON: description.reason,
        ACCEPTED_STRANDING: description.accepted_stranding,
        **description.extra,
    }
    return _dumps(_map({key: None if value == [] else value for key, value in state.items()}))


def encode_link(
    epoch: int,
    sequence: int,
    old: Authority,
    authority: Authority,
    backup: Authority | None = None,
) -> bytes:
    """Return the payload of a link; with backup, of a rescue link (old is then a backup)."""
    link = {
        0: VERSION,
        1: epoch,
        2: sequence,
        6: authority.value(),
        7: None if backup is None else backup.value(),
        8: old.value(),
    }
    return _dumps(_map(link))


def kid(key: PublicKey) -> bytes:
    return hashlib.sha256(_dumps([key.alg, key.public])).digest()[:8]


def to_be_signed(kind: str, payload: bytes, key: PublicKey) -> bytes:
    """Return the Sig_structure (RFC 9052 section 4.4) that key signs.

    kind is state, rescue or link.
    """
    return _dumps(
        [
            "Signature",
            _body_header(kind),
            _sign_header(key),
            f"trustanchor/{kind}/{VERSION}".encode(),
            payload,
        ]
    )


def assemble(kind: str, payload: bytes, signatures: Iterable[tuple[PublicKey, bytes]]) -> bytes:
    """Return the COSE_Sign message."""
    signed = [[_sign_header(key), {}, signature] for key, signature in signatures]
    return _dumps(cbor2.CBORTag(_COSE_SIGN, [_body_header(kind), {}, payload, signed]))


def sign(kind: str, payload: bytes, signers: Iterable[Signer]) -> bytes:
    """Return the message signed by every signer; for tests and for keys that are all at hand."""
    return assemble(
        kind, payload, [(one, one.sign(to_be_signed(kind, payload, one))) for one in signers]
    )


def bundle_file(state: bytes, links: Iterable[bytes] = ()) -> bytes:
    """Return the file: the state's message, then the links, oldest first."""
    return b"".join((state, *links))


def _body_header(kind: str) -> bytes:
    return _dumps({_CONTENT_TYPE: CONTENT_TYPE + kind})


def _sign_header(key: PublicKey) -> bytes:
    return _dumps({_ALG: key.alg, _KID: kid(key)})


def _service(service: Service) -> dict[int, Any]:
    return _map(
        {
            0: service.name,
            1: _list(service.hosts),
            2: service.port,
            3: None if service.purpose == SERVER_AUTH else service.purpose,
            4: None if service.mode == MODE_PATH else service.mode,
            5: service.pin_set,
            6: None if service.enforce else True,
            7: service.check_name or None,
            8: service.check_eku or None,
            9: service.needs_clock or None,
            10: service.max_state_age_s,
            11: service.peer_name,
        }
    )


def _pin_set(pin_set: PinSet) -> dict[int, Any]:
    return _map(
        {
            0: pin_set.name,
            1: [_pin(pin) for pin in pin_set.pins],
            2: None if pin_set.on_expiry == EXPIRY_REFUSE else pin_set.on_expiry,
            3: None if pin_set.ratchet == RATCHET_BACKUP else pin_set.ratchet,
            4: pin_set.hold_s or None,
            5: pin_set.hold_max_s or None,
        }
    )


def _pin(pin: Pin) -> dict[int, Any]:
    return _map(
        {0: pin.spki_sha256, 1: pin.is_backup or None, 2: pin.not_before, 3: pin.not_after}
    )


def _anchor(anchor: Anchor) -> dict[int, Any]:
    return _map(
        {
            0: anchor.name,
            1: anchor.spki,
            2: _list(anchor.hosts),
            3: None if anchor.purposes == SERVER_AUTH else anchor.purposes,
            4: anchor.trust_from,
            5: anchor.trust_until,
            6: anchor.distrust_leaf_after,
            7: anchor.name_constraints,
            8: anchor.path_len,
        }
    )


def _list(values: Iterable[Any] | None) -> list[Any] | None:
    # An empty list stays one: absent means "any", and the device refuses the empty list.
    return None if values is None else list(values)


def _map(fields: dict[int, Any]) -> dict[int, Any]:
    """Without the fields that are absent: SPEC.md E3 has no null."""
    return {key: value for key, value in fields.items() if value is not None}


def _dumps(value: Any) -> bytes:
    # Keys are 0 to 23, for which cbor2's canonical order is that of RFC 8949.
    return cbor2.dumps(value, canonical=True)
