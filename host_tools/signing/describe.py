# SPDX-License-Identifier: MIT
"""What a bundle says, as plain data: for people, for scripts, and for comparing two.

The reading is the device's own (`bundle.parse`). Text in a bundle may be an attacker's: every
string passes through `whole` before it reaches a terminal.
"""

import datetime
from typing import Any

import cbor2
from asn1crypto import x509 as asn1_x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from host_tools.cli.output import printable
from host_tools.signing import bundle_encode, description, draft, signers
from trustanchor.compat import sha256
from trustanchor.encoding.cbor import BytesSource, Reader
from trustanchor.errors import TrustError
from trustanchor.update import authority, bundle
from trustanchor.update.prefix import TYPES

Shown = dict[str, Any]


def describe(content: bytes) -> Shown:
    """Everything a bundle file says; raises the device's own refusals."""
    source = BytesSource(content)
    message = draft.message_at(Reader(source))
    state: Any = bundle.parse(source)
    return {
        "type": TYPES[message.type].decode(),
        "bytes": len(content),
        "payload_digest": state.payload_digest.hex(),
        "epoch": state.epoch,
        "sequence": state.sequence,
        "issued_at": time_text(state.issued_at),
        "expires_at": time_text(state.expires_at),
        "products": _list(state.products),
        "devices": _list(state.devices),
        "revert": "never" if state.never_reverts else "on-evidence",
        "overrides": list(state.overrides),
        "reason": _note(content, bundle_encode.REASON),
        "accepted_stranding": _note(content, bundle_encode.ACCEPTED_STRANDING),
        "trial": {"deadline_s": state.trial_s, "tries": state.tries, "partial": state.is_partial},
        "probes": [
            {"service": one.service, "host": one.host, "port": one.port} for one in state.probes
        ],
        "signed_by": [
            f"{signers.ALGORITHM_NAMES.get(one.alg, one.alg)} {one.kid.hex()}"
            for one in message.signatures
        ],
        "authority": _authority(authority.authority_at(source, state.authority)),
        "backup": _authority(authority.authority_at(source, state.backup)),
        "services": {one.name: _service(one) for one in state.services},
        "pin_sets": {one.name: _pin_set(one) for one in state.pin_sets},
        "anchors": _anchors(state),
        "intermediates": [sha256(der).hex() for der in state.intermediates],
        "denied": [state.denied[at : at + 32].hex() for at in range(0, len(state.denied), 32)],
        "ignored_fields": _ignored(content),
        "links": [_link(link) for link in draft.links_in(content)],
    }


def changes(old: Any, new: Any, path: str = "") -> list[Shown]:
    """[{field, old, new}] for every leaf that differs, one value each; an absent side is None.

    Two descriptions that differ never give an empty list: a signer is shown this list.
    """
    before, after = _children(old), _children(new)
    if not before and not after:
        return [] if old == new else [{"field": path, "old": old, "new": new}]
    found = []
    for name in [*before, *(name for name in after if name not in before)]:
        inner = f"{path}.{step(name)}" if path else step(name)
        found += changes(before.get(name), after.get(name), inner)
    # Names that are added come last and nothing else moves, or the order is said.
    expected = [name for name in before if name in after]
    expected += [name for name in after if name not in before]
    if list(after) != expected:
        found += changes(list(before), list(after), f"{path}.order" if path else "order")
    return found


def _children(value: Any) -> Shown:
    if isinstance(value, list):
        return {str(place): one for place, one in enumerate(value)}
    return value if isinstance(value, dict) else {}


def step(name: str) -> str:
    """One step of a path: the dots and colons of a bundle's own names are no steps."""
    return "".join(f"\\{char}" if char in "\\.:" else char for char in name)


def print_tree(out: Console, shown: Shown) -> None:
    top = Tree(Text(f"{shown['type']} {shown['epoch']}/{shown['sequence']}", style="bold"))
    for name, value in shown.items():
        _branch(top, name, value)
    out.print(top, soft_wrap=True)


def print_changes(out: Console, found: list[Shown]) -> None:
    """One value a line, whole however long it is: what is cut off is signed as well."""
    if not found:
        out.print("Nothing changes.")
    for change in found:
        for mark, side, style in (("-", "old", "red"), ("+", "new", "green")):
            if change[side] is not None:
                line = f"{mark} {whole(change['field'])}: {whole(change[side])}"
                out.print(Text(line, style=style), soft_wrap=True)


def whole(value: Any) -> str:
    """A value as ASCII text that no other value has: nothing cut, nothing that looks alike."""
    text = str(value).replace("\\", "\\\\").encode("ascii", "backslashreplace").decode()
    if text.endswith(" "):
        text = text[:-1] + "\\x20"
    return printable(text, 10 * len(text) + 3)  # an escape has at most ten characters


def _branch(tree: Tree, name: str, value: Any) -> None:
    if value is None or value == [] or value == {}:
        return
    label = whole(name)
    if isinstance(value, dict):
        branch = tree.add(Text(label))
        for inner, one in value.items():
            _branch(branch, inner, one)
    elif isinstance(value, list):
        branch = tree.add(Text(label))
        for one in value:
            if isinstance(one, dict):
                _branch(branch, "-", one)
            else:
                branch.add(Text(whole(one)))
    else:
        tree.add(Text(f"{label}: {whole(value)}"))


def _list(values: Any) -> list[str] | None:
    return None if values is None else list(values)


def time_text(unix_s: int | None) -> str | None:
    if unix_s is None:
        return None
    when = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=unix_s)
    return when.isoformat() + "Z"


def _word(words: dict[str, int], value: int) -> str:
    return next((word for word, one in words.items() if one == value), str(value))


def _authority(parsed: authority.Authority) -> list[Shown]:
    return [
        {
            "threshold": threshold,
            "keys": [
                # The first eight bytes are the kid; two keys of one kid are two signers.
                f"{signers.ALGORITHM_NAMES.get(alg, str(alg))} {_key_digest(alg, public)}"
                for _, alg, public in keys
            ],
        }
        for threshold, keys in parsed.groups
    ]


def _key_digest(alg: int, public: bytes) -> str:
    """SHA-256 of the key's record, whose first eight bytes are the kid."""
    return sha256(cbor2.dumps([alg, bytes(public)], canonical=True)).hex()


def _service(one: Any) -> Shown:
    return {
        "hosts": _list(one.hosts),
        "port": one.port,
        "purpose": _word(description.PURPOSES, one.purpose),
        "mode": _word(description.MODES, one.mode),
        "pins": one.pin_set,
        "audit": True if not one.enforce else None,
        "check_name": one.check_name or None,
        "check_eku": one.check_eku or None,
        "needs_clock": one.needs_clock or None,
        "max_state_age_s": one.max_state_age_s,
        "peer_name": one.peer_name,
    }


def _pin_set(one: Any) -> Shown:
    return {
        "on_expiry": _word(description.EXPIRIES, one.on_expiry),
        "ratchet": _word(description.RATCHETS, one.ratchet),
        "hold_s": one.hold_s or None,
        "hold_max_s": one.hold_max_s or None,
        "pins": {
            pin.spki_sha256.hex(): {
                "place": place,
                "backup": pin.is_backup or None,
                "not_before": time_text(pin.not_before),
                "not_after": time_text(pin.not_after),
            }
            for place, pin in enumerate(one.pins)
        },
    }


def _anchors(state: Any) -> Shown:
    """Anchors by the digest of their key and name: what an anchor is."""
    return {
        sha256(anchor.name, anchor.spki).hex(): {
            "name": name_text(bytes(anchor.name)),
            "key": _key(bytes(anchor.spki)),
            "spki_sha256": sha256(anchor.spki).hex(),
            "hosts": _list(anchor.hosts),
            "purposes": [
                word for word, bit in description.PURPOSES.items() if anchor.purposes & bit
            ],
            "trust_from": time_text(anchor.trust_from),
            "trust_until": time_text(anchor.trust_until),
            "distrust_leaf_after": time_text(anchor.distrust_leaf_after),
            "name_constraints": anchor.name_constraints and anchor.name_constraints.hex(),
            "path_len": anchor.path_len,
        }
        for anchor in state.anchors
    }


def _ignored(content: bytes) -> Shown:
    """Fields that no device reads yet: a signer signs them all the same."""
    payload = draft.payload_of(content)
    reader = Reader(BytesSource(payload))
    found = {}
    for number in reader.fields():
        begin = reader.pos
        reader.skip()
        if number >= 18 and _note(content, number) is None:
            found[str(number)] = payload[begin : reader.pos].hex()
    return found


def _note(content: bytes, number: int) -> str | None:
    """The text of one of the two fields that are for people, None if absent or anything else."""
    if number not in (bundle_encode.REASON, bundle_encode.ACCEPTED_STRANDING):
        return None
    reader = Reader(BytesSource(draft.payload_of(content)))
    for found in reader.fields():
        if found == number:
            try:
                return str(reader.text(1, bundle_encode.REASON_CHARACTERS))
            except TrustError:
                return None  # shown among ignored_fields
        reader.skip()
    return None


def _link(content: bytes) -> Shown:
    link: Any = draft.link_of(BytesSource(content))
    return {
        "epoch": link.epoch,
        "sequence": link.sequence,
        "authority": _authority(link.authority),
        "backup": None if link.backup is None else _authority(link.backup),
    }


def name_text(der: bytes) -> str:
    """A Name as text, for people only: nothing is decided by it."""
    try:
        return str(asn1_x509.Name.load(der).human_friendly)
    except (ValueError, TypeError, KeyError):
        return der.hex()


def _key(spki: bytes) -> str:
    try:
        key = serialization.load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm):
        return "unreadable"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name
    return f"RSA {key.key_size}" if isinstance(key, rsa.RSAPublicKey) else type(key).__name__
