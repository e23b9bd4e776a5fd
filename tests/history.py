# SPDX-License-Identifier: MIT
"""What has happened to public roots, as chains with the real dates: who should say what.

    for case in cases(Past()):          # the dates that were
    for case in cases(Past(shift)):     # every date moved by so many seconds, the same keys

Names, dates and kinds of keys follow the public record (Certificate Transparency, the CAs' own
pages); the keys are made at run time and belong to nobody. Each case says what a device has, what
a server sends, what our verdict is on that day, and whether stock `tls` with the same roots
connects.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.certs import pki
from tests.planned import at

HOST = "api.example.com"
HOSTS = [HOST, "127.0.0.1"]
MINUTE = 60


@dataclass(frozen=True)
class Root:
    """What a device trusts: a root, with what its owner has written beside it."""

    entity: pki.Entity
    policy: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """event and what: the line of the table. at: the moment, Unix seconds, not shifted.

    clock: what the clock of the device shows then; None: the right time. stock: whether `tls`
    with verify_mode CERT_REQUIRED and the same roots connects.
    """

    event: str
    what: str
    at: int
    chain: tuple[pki.Entity, ...]
    trusted: tuple[Root, ...]
    ours: str
    stock: bool
    clock: int | None = None
    pins: tuple[bytes, ...] = ()
    denied: bytes = b""

    @property
    def name(self) -> str:
        return f"{self.event}: {self.what}"


@functools.cache
def _key(name: str, kind: str) -> Any:
    return pki.make_key(kind)


class Past:
    """Certificates of the record. A name and a kind of key stand for one key."""

    def __init__(self, shift: int = 0) -> None:
        self.shift = shift

    def dates(self, first: str, last: str) -> dict[str, Any]:
        return {
            "not_before": pki.utc(at(first) + self.shift),
            "not_after": pki.utc(at(last) - 1 + self.shift),
        }

    def ca(
        self,
        name: str,
        first: str,
        last: str,
        issuer: pki.Entity | None = None,
        kind: str = "p256",
    ) -> pki.Entity:
        """A root, or with an issuer an intermediate or a cross-sign of the root of that name."""
        key = _key(name, kind)
        return pki.authority(name, issuer=issuer, key=key, **self.dates(first, last))

    def leaf(
        self, issuer: pki.Entity, first: str, last: str, key: str = "server", bare: bool = False
    ) -> pki.Entity:
        """bare: without common name, key identifiers, and addresses of revocation lists."""
        names = pki.x509.SubjectAlternativeName([pki.general_name(host) for host in HOSTS])
        more: dict[str, Any] = {}
        if bare:  # RFC 5280 section 4.2.1.6: critical where the subject is empty
            more = {"subject": pki.x509.Name([]), "san": False, "extra": [(names, True)]}
        return pki.end_entity(
            HOSTS, issuer=issuer, key=_key(key, "p256"), **more, **self.dates(first, last)
        )

    def dated(self, root: pki.Entity) -> Root:
        """Trusted until its own end."""
        end = int(root.certificate.not_valid_after_utc.timestamp())
        return Root(root, {"trust_until": end})

    def until(self, day: str) -> int:
        return at(day) - 1 + self.shift


def cases(past: Past) -> Iterator[Case]:
    for event in (
        _dst_root_x3,
        _distrust,
        _baltimore,
        _lets_encrypt_generation_y,
        _cross_signs_again,
        _gts_root_r4,
        _fifteen_years,
        _short_leaves,
        _pins_done_wrong,
        _stolen_key,
    ):
        yield from event(past)


def _dst_root_x3(past: Past) -> Iterator[Case]:
    event = "DST Root CA X3 ends (2021-09-30)"
    x3 = past.ca("DST Root CA X3", "2000-09-30", "2021-09-30", kind="rsa2048")
    x1 = past.ca("ISRG Root X1", "2015-06-04", "2035-06-04", kind="rsa2048")
    cross = past.ca("ISRG Root X1", "2021-01-20", "2024-09-30", x3, "rsa2048")
    r3 = past.ca("R3", "2020-09-04", "2025-09-15", x1, "rsa2048")
    leaf = past.leaf(r3, "2021-08-01", "2021-10-30")
    chain = (leaf, r3, cross)
    before, after = at("2021-09-29"), at("2021-10-01")
    dated, bare, both = (past.dated(x3),), (Root(x3),), (past.dated(x3), Root(x1))
    yield Case(event, "X3 with its date, the day before", before, chain, dated, "ok", True)
    yield Case(event, "X3 with its date", after, chain, dated, "anchor.expired", False)
    yield Case(event, "X3 without its date", after, chain, bare, "ok", False)
    yield Case(event, "X3 and X1", after, chain, both, "ok", True)


def _distrust(past: Past) -> Iterator[Case]:
    for who, distrusted, renewed, ends in (
        ("Symantec", "2016-06-01", "2016-07-01", "2017-07-01"),
        ("Entrust", "2024-11-12", "2024-12-01", "2025-12-15"),
    ):
        event = f"{who} is distrusted for leaves from {distrusted} on"
        root = past.ca(f"{who} Root", "2006-01-01", "2036-01-01")
        policy = {"distrust_leaf_after": past.until(distrusted), "trust_until": past.until(ends)}
        trusted = (Root(root, policy),)
        old = past.leaf(root, distrusted[:4] + "-01-10", ends)
        new = past.leaf(root, renewed, ends)
        day = at(renewed) + 86400
        yield Case(event, "a leaf of before", day, (old,), trusted, "ok", True)
        yield Case(event, "a leaf of after", day, (new,), trusted, "anchor.distrusted", True)


def _baltimore(past: Past) -> Iterator[Case]:
    event = "From Baltimore CyberTrust to DigiCert Global G2 (2022-10)"
    old = past.ca("Baltimore CyberTrust Root", "2000-05-12", "2025-05-12", kind="rsa2048")
    new = past.ca("DigiCert Global Root G2", "2013-08-01", "2038-01-15", kind="rsa2048")
    chain = (past.leaf(new, "2022-09-20", "2023-09-20"),)
    day = at("2022-10-15")
    yield Case(
        event, "a fleet that never updates", day, chain, (Root(old),), "path.no_issuer", False
    )
    yield Case(event, "an updated device", day, chain, (Root(old), Root(new)), "ok", True)


class _LetsEncrypt:
    def __init__(self, past: Past) -> None:
        self.past = past
        self.x1 = past.ca("ISRG Root X1", "2015-06-04", "2035-06-04", kind="rsa2048")
        self.x2 = past.ca("ISRG Root X2", "2020-09-04", "2040-09-17", kind="p384")
        self.ye = past.ca("ISRG Root YE", "2025-09-03", "2045-09-02", kind="p384")
        self.e8 = past.ca("E8", "2024-03-13", "2027-03-12", self.x1)
        self.ye1 = past.ca("YE1", "2025-09-03", "2028-09-02", self.ye)
        self.first_cross = self.cross("2025-09-03", "2032-09-02")
        self.second_cross = self.cross("2026-05-08", "2032-09-02")
        self.x2_cross = past.ca("ISRG Root X2", "2020-09-04", "2028-09-15", self.x1, "p384")

    def cross(self, first: str, last: str) -> pki.Entity:
        return self.past.ca("ISRG Root YE", first, last, self.x2, "p384")


def _lets_encrypt_generation_y(past: Past) -> Iterator[Case]:
    event = "Let's Encrypt: generation Y, forward, back and forward again (2026-05)"
    le = _LetsEncrypt(past)
    new = past.leaf(le.ye1, "2026-05-07", "2026-06-21")
    old = past.leaf(le.e8, "2026-05-07", "2026-08-05")
    forward, back = (new, le.ye1, le.first_cross, le.x2_cross), (old, le.e8)
    again = (new, le.ye1, le.second_cross, le.x2_cross)
    fleets = (
        ("YE alone", (Root(le.ye),), "path.no_issuer"),
        ("X1 alone", (Root(le.x1),), "ok"),
        ("X1, X2 and YE", (Root(le.x1), Root(le.x2), Root(le.ye)), "ok"),
    )
    for name, trusted, when_back in fleets:
        day = at("2026-05-08") + 600 * MINUTE
        yield Case(event, f"{name}, forward", day, forward, trusted, "ok", True)
        yield Case(event, f"{name}, back", day, back, trusted, when_back, when_back == "ok")
        day = at("2026-05-14")
        yield Case(event, f"{name}, forward again", day, again, trusted, "ok", True)


def _cross_signs_again(past: Past) -> Iterator[Case]:
    event = "A cross-sign is issued again under the same name and key"
    le = _LetsEncrypt(past)
    leaf = past.leaf(le.ye1, "2026-05-10", "2026-06-24")
    ended = le.cross("2025-09-03", "2026-05-09")
    day, trusted = at("2026-05-14"), (Root(le.x2),)
    for what, crosses, ours, stock in (
        ("both valid, the old one sent alone", (le.first_cross,), "ok", True),
        ("both valid, both sent", (le.first_cross, le.second_cross), "ok", True),
        ("the old one has ended and is sent alone", (ended,), "path.expired", False),
        ("the old one has ended, the new one behind it", (ended, le.second_cross), "ok", True),
        ("the old one has ended, the new one before it", (le.second_cross, ended), "ok", True),
    ):
        yield Case(event, what, day, (leaf, le.ye1, *crosses), trusted, ours, stock)


def _gts_root_r4(past: Past) -> Iterator[Case]:
    event = "GTS Root R4 and its cross-sign by GlobalSign (ends 2028-01-28)"
    globalsign = past.ca("GlobalSign Root CA", "1998-09-01", "2028-01-29", kind="rsa2048")
    r4 = past.ca("GTS Root R4", "2016-06-22", "2036-06-22", kind="p384")
    cross = past.ca("GTS Root R4", "2023-11-15", "2028-01-28", globalsign, "p384")
    we1 = past.ca("WE1", "2023-12-13", "2029-02-20", r4)
    fleets = (
        ("R4", (Root(r4),)),
        ("GlobalSign", (past.dated(globalsign),)),
        ("both", (Root(r4), past.dated(globalsign))),
    )
    today, later = at("2026-06-01"), at("2028-02-01")
    for name, trusted in fleets:
        has_r4 = name != "GlobalSign"
        for form, day, behind, by_globalsign in (
            ("the cross-sign absent", today, (we1,), "path.no_issuer"),
            ("the cross-sign last", today, (we1, cross), "ok"),
            ("the cross-sign first", today, (cross, we1), "ok"),
            ("the cross-sign has ended, last", later, (we1, cross), "path.expired"),
            ("the cross-sign has ended, first", later, (cross, we1), "path.expired"),
        ):
            leaf = past.leaf(we1, "2026-05-20", "2026-08-18")
            if day == later:
                leaf = past.leaf(we1, "2028-01-20", "2028-03-05")
            ours = "ok" if has_r4 else by_globalsign
            # mbedTLS looks for an issuer behind the certificate alone.
            stock = has_r4 or form.endswith("cross-sign last")
            yield Case(event, f"{name}, {form}", day, (leaf, *behind), trusted, ours, stock)


def _fifteen_years(past: Past) -> Iterator[Case]:
    event = "A root is removed 15 years after its key was made (ISRG Root X1, 2030-06-04)"
    x1 = past.ca("ISRG Root X1", "2015-06-04", "2035-06-04", kind="rsa2048")
    leaf = past.leaf(x1, "2030-05-20", "2030-07-04")
    trusted = (Root(x1, {"trust_until": past.until("2030-06-04")}),)
    for what, day, ours in (("the day before", "2030-06-03", "ok"),
                            ("the day after", "2030-06-05", "anchor.expired")):  # fmt: skip
        yield Case(event, what, at(day), (leaf,), trusted, ours, True)


def _short_leaves(past: Past) -> Iterator[Case]:
    root = past.ca("ISRG Root X1", "2015-06-04", "2035-06-04", kind="rsa2048")
    for days, last in ((6, "2026-11-28"), (45, "2027-01-06")):
        event = f"Leaves of {days} days without CN, SKI and addresses for revocation"
        leaf = past.leaf(root, "2026-11-22", last, bare=True)
        for what, clock, ours, stock in (
            ("the right time", None, "ok", True),
            ("a clock never set, at 2000-01-01", at("2000-01-01"), "ok", False),
            ("a clock in 1970", 5 * MINUTE, "ok", False),
            ("a clock set to 2000-03-01", at("2000-03-01"), "ok", False),
            ("a clock set to 2040", at("2040-01-01"), "path.expired", False),
        ):
            chain, trusted = (leaf,), (Root(root),)
            yield Case(event, what, at("2026-11-24"), chain, trusted, ours, stock, clock)


def _pins_done_wrong(past: Past) -> Iterator[Case]:
    event = "Pins on leaf and intermediate, and both are replaced"
    root = past.ca("Root", "2020-01-01", "2040-01-01")
    one = past.ca("Intermediate 1", "2022-01-01", "2032-01-01", root)
    two = past.ca("Intermediate 2", "2022-01-01", "2032-01-01", root)
    old = past.leaf(one, "2026-09-01", "2026-12-01")
    new = past.leaf(two, "2026-10-01", "2027-01-01", "another server")
    same = past.leaf(two, "2026-10-01", "2027-01-01")
    pins, day, trusted = (old.pin, one.pin), at("2026-11-01"), (Root(root),)
    for what, chain, ours in (
        ("before", (old, one), "ok"),
        ("both replaced", (new, two), "pin.none_matched"),
        ("the leaf's key kept", (same, two), "ok"),
    ):
        yield Case(event, what, day, chain, trusted, ours, True, pins=pins)


def _stolen_key(past: Past) -> Iterator[Case]:
    event = "A leaf's key is stolen, its certificate still valid"
    root = past.ca("Root", "2020-01-01", "2040-01-01")
    stolen = past.leaf(root, "2026-09-01", "2026-12-01", "stolen")
    backup = past.leaf(root, "2026-09-01", "2026-12-01", "backup")
    pins, day, trusted = (stolen.pin, backup.pin), at("2026-11-01"), (Root(root),)
    for what, leaf, denied, ours in (
        ("the thief meets a device without the update", stolen, b"", "ok"),
        ("the thief meets a device that denies the key", stolen, stolen.pin, "path.key_denied"),
        ("the server on its backup key", backup, stolen.pin, "ok"),
    ):
        yield Case(event, what, day, (leaf,), trusted, ours, True, pins=pins, denied=denied)
