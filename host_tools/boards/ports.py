# SPDX-License-Identifier: MIT
"""Serial ports: those a person names, or those whose USB ids are of a board we know.

Refusals: board.no_port.
"""

from dataclasses import dataclass

from serial.tools import list_ports

from host_tools.boards import definitions
from host_tools.cli.errors import HostError
from host_tools.cli.output import printable


@dataclass(frozen=True)
class Port:
    """usb is "303a:1001" and the like, or "" where the port is none of USB or was only named."""

    name: str
    usb: str = ""
    about: str = ""


def plugged_in() -> list[Port]:
    """The USB ports that have the ids of some board, in the order of their names."""
    known = {pair for name in definitions.names() for pair in definitions.load(name).usb_ids}
    return sorted(
        (
            Port(port.device, f"{port.vid:04x}:{port.pid:04x}", printable(port.product or "", 40))
            for port in list_ports.comports()
            if (port.vid, port.pid) in known
        ),
        key=lambda port: port.name,
    )


def chosen(named: list[str], is_all: bool = False) -> list[str]:
    """The ports to work on: those named, all that are plugged in, or the only one."""
    if named:
        return list(dict.fromkeys(named))
    found = [port.name for port in plugged_in()]
    if not found:
        raise HostError(
            "No board is plugged in: connect one, or name its port with --port.", "board.no_port"
        )
    if len(found) > 1 and not is_all:
        raise HostError(
            f"{len(found)} boards are plugged in ({', '.join(found)}): name some with --port, or "
            "take --all.",
            "board.no_port",
        )
    return found
