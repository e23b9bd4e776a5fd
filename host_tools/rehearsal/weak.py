# SPDX-License-Identifier: MIT
"""What one loss would end, and what ends next of itself, as sentences about a plan."""

from collections.abc import Iterator

from host_tools.rehearsal.plan import FleetState, Plan
from host_tools.signing import describe
from host_tools.signing.describe import time_text
from trustanchor.encoding.cbor import BytesSource
from trustanchor.errors import TrustError
from trustanchor.state import derive
from trustanchor.update import authority

_NEXT = 3  # dates that are named
_DIGITS = 16


def single_points(plan: Plan) -> list[str]:
    """One key in two sets, pins under one CA, backups that no server shows, signers of whom none
    may be lost."""
    shown = _shown(plan)
    said: dict[str, list[str]] = {}
    for one in plan.fleet:
        for text in [*_pins(one, shown), *_signers(one)]:
            said.setdefault(text, []).append(one.name)
    return [
        f"state{'s' if len(names) > 1 else ''} {', '.join(dict.fromkeys(names))}: {text}"
        for text, names in said.items()
    ]


def ends_next(plan: Plan) -> list[str]:
    """The first certificates, pins and anchors that end after the plan begins."""
    found: dict[tuple[int, str], None] = {}
    for server in plan.servers:
        for chain in server.chains:
            for place, der in enumerate(chain.certificates, 1):
                parsed = _parsed(der)
                if parsed is not None:
                    what = f"certificate {place} of {server.name}, chain {chain.name}"
                    found[parsed.not_after + 1, what] = None
    for one in plan.fleet:
        for pin_set in one.state.pin_sets:
            for pin in pin_set.pins:
                if pin.not_after is not None:
                    what = f"pin {_short(pin.spki_sha256)} of {pin_set.name}, state {one.name}"
                    found[pin.not_after + 1, what] = None
        for anchor in one.state.anchors:
            if anchor.trust_until is not None:
                name = describe.name_text(bytes(anchor.name))
                found[anchor.trust_until + 1, f"anchor {name}, state {one.name}"] = None
    coming = sorted(key for key in found if plan.begins < key[0] < plan.ends)
    return [f"ends next, {_day(at)}: {describe.whole(what)}." for at, what in coming[:_NEXT]]


def _shown(plan: Plan) -> dict[bytes, set[bytes]]:
    """{SPKI SHA-256 of a key that is sent: the names of the CAs that chains with it end at}."""
    found: dict[bytes, set[bytes]] = {}
    for server in plan.servers:
        for chain in server.chains:
            last = _parsed(chain.certificates[-1])
            for one in map(_parsed, chain.certificates):
                if one is not None and last is not None:
                    found.setdefault(bytes(one.spki_sha256), set()).add(bytes(last.issuer))
    return found


def _pins(one: FleetState, shown: dict[bytes, set[bytes]]) -> Iterator[str]:
    names: dict[bytes, list[str]] = {}
    for pin_set in one.state.pin_sets:
        keys = [bytes(pin.spki_sha256) for pin in pin_set.pins]
        for digest in keys:
            names.setdefault(digest, []).append(pin_set.name)
        issued = [shown[digest] for digest in keys if digest in shown]
        if len(issued) > 1 and len(set.union(*issued)) == 1:
            name = describe.whole(describe.name_text(next(iter(issued[0]))))
            yield (
                f"all keys of {pin_set.name} that servers show are certified under one CA "
                f"({name}); it takes them all with it."
            )
        for pin in pin_set.pins:
            if pin.is_backup and bytes(pin.spki_sha256) not in shown:
                yield (
                    f"no server of the plan shows backup key {_short(pin.spki_sha256)} of "
                    f"{pin_set.name}; nobody has tried it."
                )
    for digest, sets in names.items():
        if len(sets) > 1:
            yield f"key {_short(digest)} is in {' and '.join(sets)}."


def _signers(one: FleetState) -> Iterator[str]:
    """A group whose threshold is the number of its keys: one lost key is a lost group."""
    if not one.content:
        return
    source = BytesSource(one.content)
    for name in ("authority", "backup"):
        for threshold, keys in authority.authority_at(source, getattr(one.state, name)).groups:
            if threshold == len(keys):
                yield (
                    f"{threshold} of {len(keys)} keys must sign ({name}); none "
                    "of them may be lost."
                )


def _parsed(der: bytes) -> derive.Certificate | None:
    try:
        return derive.Certificate(der)
    except TrustError:
        return None  # an extra that no path can use


def _short(digest: bytes) -> str:
    """The first digits of an SPKI SHA-256, as `trustanchor pin` prints it."""
    return bytes(digest).hex()[:_DIGITS]


def _day(at: int) -> str:
    return str(time_text(at)).partition("T")[0]
