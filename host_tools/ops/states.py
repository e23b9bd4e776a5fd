# SPDX-License-Identifier: MIT
"""What a device with a deployed state says of a server's chain: the device's own judge(), asked on
the desk.

The bundles are the operator's own files: their shape is checked here, their signatures are not
(`trustanchor bundle verify` does that).
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host_tools.cli.errors import HostError
from host_tools.cli.output import printable
from host_tools.cli.reasons import REASONS
from host_tools.signing import draft
from trustanchor.encoding.cbor import BytesSource
from trustanchor.errors import TrustError
from trustanchor.kinds import CLOCK_KNOWN
from trustanchor.state.local import LocalState
from trustanchor.state.model import Asked
from trustanchor.update import bundle
from trustanchor.verdict.policy import judge


@dataclass(frozen=True)
class Deployed:
    """One state that devices have. name is the file it came from."""

    name: str
    state: Any


@dataclass(frozen=True)
class Answer:
    """What devices of one state say. pin is the matching pin's SPKI SHA-256, if one matched by
    pin; is_backup says that it is marked as a backup."""

    state: str
    epoch: int
    sequence: int
    code: str
    service: str | None
    pin: str | None
    is_backup: bool

    @property
    def accepted(self) -> bool:
        return self.code == "ok"

    def as_json(self) -> dict[str, object]:
        means, remedy = REASONS.get(self.code, (None, None))
        return {
            "state": self.state,
            "epoch": self.epoch,
            "sequence": self.sequence,
            "accepted": self.accepted,
            "code": self.code,
            "service": self.service,
            "pin": self.pin,
            "is_backup": self.is_backup,
            "means": means,
            "remedy": remedy,
        }

    def sentence(self) -> str:
        head = f"{self.state} (epoch {self.epoch}, sequence {self.sequence})"
        if not self.accepted:
            means, remedy = REASONS.get(self.code, ("", ""))
            return f"{head}: refused, {self.code}: {means} {remedy}".rstrip()
        if self.pin is None:
            return f"{head}: accepted by service {self.service}, without a pin"
        kind = "backup pin" if self.is_backup else "pin"
        return f"{head}: accepted by service {self.service}, {kind} {self.pin}"


def load(path: Path) -> Deployed:
    """Read a bundle file; refuses with the device's code for what is wrong in it."""
    name = printable(str(path))
    try:
        return Deployed(name, bundle.parse(BytesSource(draft.read_signed(path))))
    except TrustError as error:
        raise HostError(f"{name}: {error.code}: {REASONS[error.code][0]}", error.code) from None


def ask(
    deployed: Deployed, chain: list[bytes], host: str, port: int | None, at: int | None = None
) -> Answer:
    """Judge chain as a device does that asked for host and port, has just this state, a set clock
    (at, Unix seconds; now if not given) and has retired nothing."""
    state = deployed.state
    service = None
    pin = None
    is_backup = False
    try:
        service = state.find_service(host=host, port=port)
    except TrustError as error:
        code = error.code
    else:
        moment = int(time.time()) if at is None else at
        asked = Asked(service, host, port)
        verdict = judge(chain, asked, (moment, CLOCK_KNOWN), state, LocalState())
        code = verdict.code
        if verdict.pin is not None:
            found = state.pin_set(service.pin_set).pins[verdict.pin]
            pin, is_backup = bytes(found.spki_sha256).hex(), bool(found.is_backup)
    return Answer(
        deployed.name,
        state.epoch,
        state.sequence,
        code,
        service.name if service else None,
        pin,
        is_backup,
    )
