# SPDX-License-Identifier: MIT
"""Every date on which something ends: in deployed states, in what live servers show, and in what
root programs have announced (root_programs.toml, with source and day of reading for each).

A date after which devices need another state has a last day: the end less the days a fleet takes
to receive a bundle.
"""

import datetime
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from asn1crypto import x509

from host_tools.ops import states
from host_tools.signing.describe import name_text, time_text, whole
from trustanchor.errors import TrustError
from trustanchor.state import derive

DAY_S = 86400
# Announcements older than this are said to be old.
STALE_DAYS = 365
# The last second of the year 9999: a date behind it cannot be written.
LAST_S = 253402300799
_PUBLIC = Path(__file__).with_name("root_programs.toml")
_RENEWED = "the server renews it; if its key changes, the new pin has to be out before"


@dataclass(frozen=True)
class Date:
    """One end. at: Unix seconds; None: it cannot be read, what says why. needs_bundle: devices
    need another state then. where: a file, a server, or `public`."""

    at: int | None
    kind: str
    what: str
    where: str
    needs_bundle: bool
    note: str = ""
    source: str | None = None

    def last_day(self, lead_days: int) -> str | None:
        """The last day (UTC) on which a bundle must be out."""
        if self.at is None or not self.needs_bundle:
            return None
        return _day(self.at - lead_days * DAY_S)

    def as_json(self, lead_days: int) -> dict[str, object]:
        return {
            "ends": time_text(self.at),
            "bundle_by": self.last_day(lead_days),
            "kind": self.kind,
            "what": self.what,
            "where": self.where,
            "note": self.note,
            "source": self.source,
        }


def in_order(found: list[Date]) -> list[Date]:
    return sorted(found, key=lambda one: (one.at is None, one.at or 0, one.where, one.what))


def of_state(deployed: states.Deployed) -> Iterator[Date]:
    """Bundle expiry, greatest ages, pin windows, anchors' dates, intermediates."""
    state, where = deployed.state, deployed.name
    if state.expires_at is not None:
        yield Date(state.expires_at, "bundle", "devices take it no longer", where, True)
    for service in state.services:
        if service.max_state_age_s is not None:
            at = min(state.issued_at + service.max_state_age_s, LAST_S)
            what = f"service {whole(service.name)} refuses: the state is too old"
            yield Date(at, "state age", what, where, True)
    for pin_set in state.pin_sets:
        for pin in pin_set.pins:
            if pin.not_after is not None:
                what = f"{whole(pin_set.name)} {bytes(pin.spki_sha256).hex()}"
                yield Date(pin.not_after, "pin", what, where, True)
    for anchor in state.anchors:
        name = whole(name_text(bytes(anchor.name)))
        if anchor.trust_until is not None:
            yield Date(anchor.trust_until, "anchor", name, where, True)
        if anchor.distrust_leaf_after is not None:
            what = f"leaves issued later are refused: {name}"
            yield Date(anchor.distrust_leaf_after, "anchor", what, where, True)
    for der in state.intermediates:
        yield _certificate(der, "intermediate", where, "preloaded")


def of_chain(chain: list[bytes], where: str) -> Iterator[Date]:
    """The end of each certificate a server shows."""
    for place, der in enumerate(chain):
        yield _certificate(der, "intermediate" if place else "leaf", where, _RENEWED)


def _certificate(der: bytes, kind: str, where: str, note: str) -> Date:
    try:
        parsed = derive.Certificate(der)
    except TrustError as error:
        return Date(None, kind, f"not readable: {error.code}", where, False)
    subject = whole(name_text(bytes(parsed.subject))) or "no subject"
    return Date(parsed.not_after, kind, subject, where, True, note)


def public(
    deployed: list[states.Deployed], chains: dict[str, list[bytes]], today: datetime.date
) -> Iterator[Date]:
    """What was announced. It needs a bundle where a state or a server has a root it names."""
    for row in tomllib.loads(_PUBLIC.read_text())["date"]:
        names = set(row["names"])
        users = [
            one.name
            for one in deployed
            if any(names & _parts(bytes(anchor.name)) for anchor in one.state.anchors)
        ]
        users += [where for where, chain in chains.items() if names & _shown(chain)]
        notes = [f"concerns {', '.join(users)}"] if users else []
        if (today - row["read"]).days > STALE_DAYS:
            notes.append(f"read on {row['read']}, more than a year ago: look at the source")
        midnight = datetime.datetime.combine(row["ends"], datetime.time(), datetime.UTC)
        at = int(midnight.timestamp())
        note = "; ".join(notes)
        yield Date(at, "announced", row["what"], "public", bool(users), note, row["source"])


def _shown(chain: list[bytes]) -> set[str]:
    """Names in a chain, of subjects and issuers: a root itself is seldom sent."""
    found = set()
    for der in chain:
        try:
            parsed = derive.Certificate(der)
        except TrustError:
            continue  # it has a row of its own that says so
        found |= _parts(bytes(parsed.subject)) | _parts(bytes(parsed.issuer))
    return found


def _parts(name: bytes) -> set[str]:
    """The common name and organizational unit of a Name: nothing is decided by them but a row."""
    try:
        native = x509.Name.load(name).native
    except (ValueError, TypeError, KeyError):
        return set()
    values = (native.get("common_name"), native.get("organizational_unit_name"))
    return {value for value in values if isinstance(value, str)}


def day_of(unix_s: int) -> datetime.date:
    """The day (UTC) of a time; the last there is where a calendar ends before it."""
    return datetime.date.fromisoformat(_day(max(0, min(unix_s, LAST_S))))


def _day(unix_s: int) -> str:
    return str(time_text(unix_s)).partition("T")[0]
