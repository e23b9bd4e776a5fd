# SPDX-License-Identifier: MIT
"""A trust state as people write it: TOML, with files beside it for keys and certificates.

    sequence = 2
    [[authority]]                       # a group; more groups: every one must be met
    threshold = 2
    keys = ["alice.pub", "bob.pub"]
    [[backup]]
    keys = ["vault.pub"]
    [[service]]
    name = "mqtt"
    hosts = ["broker.example.net"]
    port = 8883
    pins = "broker"
    [[pin_set]]
    name = "broker"
    pins = [
        { key = "server.pem" },
        { key = "server-backup.pub", backup = true },
    ]
    [[anchor]]
    certificate = "root-a.pem"

Every table is read by a list of its fields; an unknown field is an error, because a mistyped
`trust_untill` must not become an anchor for ever. What a field means is in firmware/SPEC.md; what
values are allowed is decided by the device's own code when the bundle is built.
"""

import argparse
import datetime
import difflib
import re
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from host_tools.cli.errors import HostError
from host_tools.cli.output import printable
from host_tools.cli.reasons import explain
from host_tools.commands import pin
from host_tools.signing import first_try, inputs, signers
from host_tools.signing.bundle_encode import (
    REASON_CHARACTERS,
    Authority,
    Description,
    Key,
    Probe,
)
from trustanchor.errors import TrustError
from trustanchor.kinds import (
    CLIENT_AUTH,
    EXPIRY_ANCHORS,
    EXPIRY_REFUSE,
    MODE_ANCHORS,
    MODE_KEY,
    MODE_PATH,
    RATCHET_BACKUP,
    RATCHET_NEVER,
    RATCHET_ORDERED,
    SERVER_AUTH,
)
from trustanchor.limits import PINS
from trustanchor.state import derive
from trustanchor.state.anchors import Anchor
from trustanchor.state.model import Pin, PinSet, Service

_TEXT_BYTES = 1 << 20
_FILE_BYTES = 4 << 20
_ABSENT: Any = object()
Value = TypeVar("Value")

MODES = {"path": MODE_PATH, "anchors": MODE_ANCHORS, "key": MODE_KEY}
PURPOSES = {"server": SERVER_AUTH, "client": CLIENT_AUTH}
EXPIRIES = {"refuse": EXPIRY_REFUSE, "anchors": EXPIRY_ANCHORS}
RATCHETS = {"backup": RATCHET_BACKUP, "ordered": RATCHET_ORDERED, "never": RATCHET_NEVER}
_SHA256_HEX = re.compile("[0-9a-fA-F]{64}")
_MOST = (1 << 32) - 1  # of a whole number in a bundle
_PORTS = (1 << 16) - 1
# What a field is, for people.
_WORDS: dict[type, str] = {
    int: "a whole number, without quotes",
    str: "a text in quotes",
    bool: "true or false, without quotes",
    list: "a list in [ ], or tables with their name in [[ ]]",
    dict: "a table",
    datetime.datetime: "a date without quotes, as 2027-01-31",
}

# What commands/pin.py asks its caller for. A description names public things: no passphrase.
_NO_PASSPHRASE = argparse.Namespace(passphrase_file=None)


def load(path: Path, now: int | None = None) -> Description:
    """Return the Description in a TOML file; issued_at defaults to now (Unix seconds).

    Raises HostError toml.* that names the file, the table and the field.
    """
    return _description(read_table(path), int(time.time()) if now is None else now)


def read(text: str, path: Path, now: int | None = None) -> Description:
    """load() of a text that is to be written to path."""
    now = int(time.time()) if now is None else now
    return _description(_table(text.encode(), path), now)


def read_table(path: Path) -> "Table":
    """Return the top of a TOML file. Refuses with toml.unreadable."""
    return _table(inputs.read(path, _TEXT_BYTES), path)


def _table(content: bytes, path: Path) -> "Table":
    if len(content) > _TEXT_BYTES:
        raise HostError(f"{path}: larger than {_TEXT_BYTES} bytes.", "toml.unreadable")
    try:
        # Editors of some systems begin a file with a byte order mark.
        document = tomllib.loads(content.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HostError(
            f"{path}: not TOML ({printable(str(error))}).", "toml.unreadable"
        ) from None
    return Table(document, path, "")


class Table:
    """One TOML table: fields are taken out by name and type, and none may be left over."""

    def __init__(self, fields: dict[str, Any], path: Path, where: str) -> None:
        self._fields = dict(fields)
        self._taken: list[str] = []
        self.path = path
        self.where = where
        self.doubts: list[str] = []  # of all tables of the file

    def refuse(self, message: str) -> HostError:
        place = f", [{self.where}]" if self.where else ""
        return HostError(f"{self.path}{place}: {message}", "toml.field")

    def take(self, name: str, kind: type | tuple[type, ...], default: Any = _ABSENT) -> Any:
        self._taken.append(name)
        if name not in self._fields:
            if default is _ABSENT:
                near = difflib.get_close_matches(name, self._fields, n=1)
                hint = f"; did you mean it by {printable(near[0])}?" if near else "."
                raise self.refuse(f"{name} is missing{hint}")
            return default
        value = self._fields.pop(name)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
            wanted = kind if isinstance(kind, type) else kind[0]
            raise self.refuse(f"{name} is {_shown(value)}; it is {_WORDS[wanted]}.")
        return value

    def number(self, name: str, default: Any = _ABSENT, least: int = 1, most: int = _MOST) -> Any:
        """A whole number within what its field may hold."""
        value = self.take(name, int, default)
        if value is not None and not least <= value <= most:
            raise self.refuse(f"{name} is {value}; it is a number from {least} to {most}.")
        return value

    def texts(self, name: str, default: Any = _ABSENT) -> Any:
        values = self.take(name, list, default)
        if values is not None and not all(isinstance(value, str) for value in values):
            raise self.refuse(f"{name} is a list of texts in quotes.")
        return values

    def choice(self, name: str, choices: dict[str, int], default: str) -> int:
        word = self.take(name, str, default)
        if word not in choices:
            raise self.refuse(f"{name} is {_shown(word)}; it is one of {', '.join(choices)}.")
        return choices[word]

    def seconds(self, name: str, default: Any = None) -> int | None:
        """Unix seconds of a TOML date (UTC), date-time, or integer."""
        value = self.take(name, (datetime.datetime, datetime.date, int), default)
        if isinstance(value, datetime.datetime):
            if value.tzinfo is None:
                raise self.refuse(f"{name} needs a time zone: {value.isoformat()}Z for UTC.")
            return int(value.timestamp())
        if isinstance(value, datetime.date):
            midnight = datetime.datetime.combine(value, datetime.time(), datetime.UTC)
            return int(midnight.timestamp())
        return value

    def tables(self, name: str) -> "list[Table]":
        values = self.take(name, list, [])
        return [self._inner(value, f"{name} {number}") for number, value in enumerate(values, 1)]

    def table(self, name: str) -> "Table | None":
        value = self.take(name, dict, None)
        return None if value is None else self._inner(value, name)

    def _inner(self, value: Any, name: str) -> "Table":
        where = f"{self.where}, {name}" if self.where else name
        if not isinstance(value, dict):
            raise self.refuse(f"{name} is {_shown(value)}; it is a table.")
        inner = Table(value, self.path, where)
        inner.doubts = self.doubts
        return inner

    def finish(self) -> None:
        """Refuse what nobody asked for."""
        for name in self._fields:
            near = difflib.get_close_matches(name, self._taken, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(self._taken)}."
            raise self.refuse(f"there is no field {printable(name)}; {hint}")

    def file(self, name: str) -> Path:
        """A file named in the description is beside it, unless its path is absolute."""
        if "\0" in name:
            raise self.refuse("a file name has no NUL byte.")
        file = self.path.parent / name
        if not file.exists():
            place = f", [{self.where}]" if self.where else ""
            raise HostError(
                f"{self.path}{place}: {printable(name)}: there is no such file beside the "
                "description.",
                "input.no_such_file",
            )
        return file


def _shown(value: Any) -> str:
    return printable(repr(value), 60)


def _description(top: Table, now: int) -> Description:
    audience = top.table("audience")
    products = devices = None
    if audience:
        products = audience.texts("products", None)
        devices = audience.texts("devices", None)
        audience.finish()
    trial = top.table("trial")
    trial_s = tries = None
    if trial:
        trial_s = trial.number("deadline_s", None)
        tries = trial.number("tries", None)
        trial.finish()
    described = Description(
        epoch=top.number("epoch", 0, least=0),
        sequence=top.number("sequence"),
        issued_at=top.seconds("issued_at", now),  # type: ignore[arg-type]
        expires_at=top.seconds("expires_at"),
        products=products,
        devices=devices,
        authority=_authority(top, "authority"),
        backup=_authority(top, "backup"),
        never_reverts=top.choice("revert", {"on-evidence": 0, "never": 1}, "on-evidence") == 1,
        overrides=top.texts("overrides", []),
        reason=_reason(top, top.take("reason", str, None)),
        is_partial=top.take("partial", bool, False),
        trial_s=trial_s,
        tries=tries,
        probes=[_read(table, _probe) for table in top.tables("probe")],
        services=[_read(table, _service) for table in top.tables("service")],
        pin_sets=[_read(table, _pin_set) for table in top.tables("pin_set")],
        anchors=[_read(table, _anchor) for table in top.tables("anchor")],
        intermediates=[
            der for name in top.texts("intermediates", []) for der in certificates(top, name)
        ],
        denied=[digest for name in top.texts("deny", []) for digest in key_digests(top, name)],
    )
    top.finish()
    described.doubts = top.doubts
    return described


def reason_text(text: str) -> str | None:
    """What is wrong with a reason, as the end of a sentence, or None (SPEC.md "State")."""
    if not 1 <= len(text) <= REASON_CHARACTERS:
        return f"has {len(text)} characters; allowed are 1 to {REASON_CHARACTERS}"
    if not all(" " <= char <= "~" for char in text):
        return "is written in printable ASCII, on one line"
    return None


def _reason(top: Table, reason: str | None) -> str | None:
    wrong = None if reason is None else reason_text(reason)
    if wrong:
        raise top.refuse(f"reason {wrong}.")
    return reason


def _read(table: Table, read: Callable[[Table], Value]) -> Value:
    try:
        value = read(table)
    except TrustError as error:
        raise HostError(
            f"{table.path}, [{table.where}]: {error.code}: {explain(error.code)}", error.code
        ) from None
    table.finish()
    return value


def _authority(top: Table, name: str) -> Authority:
    groups = [_read(table, _group) for table in top.tables(name)]
    if not groups:
        raise top.refuse(
            f"[[{name}]] is missing: list the public keys of the {name} as keys = "
            '["NAME.pub"]; `trustanchor keygen` makes them.'
        )
    return Authority(groups)


def _group(table: Table) -> tuple[int, list[Key]]:
    names = table.texts("keys")
    keys = [_authority_key(table, name) for name in names]
    threshold = table.take("threshold", int, len(keys))
    if not 1 <= threshold <= len(keys):
        raise table.refuse(
            f"threshold is {threshold}; of {len(keys)} keys it is a number from 1 to {len(keys)}."
        )
    return threshold, keys


def _authority_key(table: Table, name: str) -> Key:
    return Key(*signers.public_record(str(table.file(name))))


def _probe(table: Table) -> Probe:
    return Probe(
        table.take("service", str),
        table.take("host", str, None),
        table.number("port", None, most=_PORTS),
    )


def _service(table: Table) -> Service:
    return Service(
        table.take("name", str),
        _hosts(table, table.texts("hosts", None)),
        port=table.number("port", None, most=_PORTS),
        purpose=table.choice("purpose", PURPOSES, "server"),
        mode=table.choice("mode", MODES, "path"),
        pin_set=table.take("pins", str, None),
        enforce=not table.take("audit", bool, False),
        check_name=table.take("check_name", bool, False),
        check_eku=table.take("check_eku", bool, False),
        needs_clock=table.take("needs_clock", bool, False),
        max_state_age_s=table.take("max_state_age_s", int, None),
        peer_name=table.take("peer_name", str, None),
    )


def _hosts(table: Table, hosts: list[str] | None) -> list[str] | None:
    """The host patterns of a service; what is more than a host is said to be that."""
    if hosts == []:
        raise table.refuse("hosts is empty: name a host, or leave hosts out.")
    for host in hosts or []:
        if not host:
            raise table.refuse("hosts: '' is no host: name one, or leave hosts out.")
        bare = host.partition("://")[2] or host
        name, _, port = bare.partition("/")[0].rpartition(":")
        if host != bare or "/" in bare or (name and port.isdigit() and ":" not in name):
            asked = f", and port = {port}" if name and port.isdigit() else ""
            raise table.refuse(
                f"hosts: {_shown(host)} is more than a host: write "
                f'"{printable(name if asked else bare.partition("/")[0])}"{asked}.'
            )
    return hosts


def _pin_set(table: Table) -> PinSet:
    pins = [_read(pin, _pin) for pin in table.tables("pins")]
    if not 2 <= len(pins) <= PINS:
        raise table.refuse(
            f"pins has {len(pins)}; a set has 2 to {PINS}: the second key is for the day on "
            "which the first is lost."
        )
    return PinSet(
        table.take("name", str),
        pins,
        on_expiry=table.choice("on_expiry", EXPIRIES, "refuse"),
        ratchet=table.choice("ratchet", RATCHETS, "backup"),
        hold_s=table.take("hold_s", int, 0),
        hold_max_s=table.take("hold_max_s", int, 0),
    )


def _pin(table: Table) -> Pin:
    name = table.take("key", str)
    digests = key_digests(table, name)
    if len(digests) != 1:
        # The first certificate of a chain file is the server's own; anything else is a choice
        # nobody made.
        raise table.refuse(f"{printable(name)} holds {len(digests)} keys; a pin is one key.")
    if doubt := _doubt(table, name):
        table.doubts.append(f"[{table.where}]: {printable(name)}: {doubt}")
    return Pin(
        digests[0],
        is_backup=table.take("backup", bool, False),
        not_before=table.seconds("not_before"),
        not_after=table.seconds("not_after"),
    )


def _doubt(table: Table, name: str) -> str | None:
    """Why no device would get as far as this pin: mbedTLS does not get on with the key."""
    if _SHA256_HEX.fullmatch(name):
        return None
    path = table.file(name)
    content = _content(path)
    (found,) = pin.keys_in(content, str(path), _NO_PASSPHRASE)
    if found.role in ("leaf", "root", "intermediate"):
        refused = first_try.unusable(pin.certificates_in(content, str(path)))
        return None if refused is None else f"{refused[1]} ({refused[0]})"
    try:
        key = serialization.load_der_public_key(found.spki)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if key is None or not first_try.is_server_key(key):
        return "a key of a kind that mbedTLS offers to no server (tls.alert)"
    return None


def _anchor(table: Table) -> Anchor:
    name = table.take("certificate", str)
    found = certificates(table, name)
    if len(found) != 1:
        raise table.refuse(f"{printable(name)} holds {len(found)} certificates; an anchor is one.")
    purposes = 0
    for word in table.texts("purposes", ["server"]):
        if word not in PURPOSES:
            raise table.refuse(f"purposes: {_shown(word)} is none of {', '.join(PURPOSES)}.")
        purposes |= PURPOSES[word]
    return derive.anchor_of(
        found[0],
        purposes=purposes,
        hosts=table.texts("hosts", None),
        trust_from=table.seconds("trust_from"),
        trust_until=table.seconds("trust_until"),
        distrust_leaf_after=table.seconds("distrust_leaf_after"),
    )


def key_digests(table: Table, name: str) -> list[bytes]:
    """SPKI SHA-256 of every key in a file (whatever `trustanchor pin` reads), or of hex digits."""
    if _SHA256_HEX.fullmatch(name):
        return [bytes.fromhex(name)]
    path = table.file(name)
    found = pin.keys_in(_content(path), str(path), _NO_PASSPHRASE)
    return [key.spki_sha256 for key in found]


def certificates(table: Table, name: str) -> list[bytes]:
    """DER of every certificate in a PEM or DER file."""
    return pin.certificates_in(_content(table.file(name)), str(table.file(name)))


def _content(path: Path) -> bytes:
    return inputs.read(path, _FILE_BYTES)
