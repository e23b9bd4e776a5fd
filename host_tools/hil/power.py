# SPDX-License-Identifier: MIT
"""The board's supply, as a test switches it: a simulated board's, or a command of the bench's.

A bench has a USB hub that switches ports, a relay or a laboratory supply, each with a program of
its own. `--power 'uhubctl -l 1-1 -p 2 -a {}'` is run with `off` and `on` in place of the braces.
"""

import shlex
import subprocess
import time
from pathlib import Path
from typing import Protocol

from host_tools.cli.errors import HostError
from host_tools.sim.board import Board

_COMMAND_S = 30
_BACK_S = 30  # a USB port may take seconds to be enumerated again


class Power(Protocol):
    """What the fixture `power` is; a project gives its own by a fixture of that name."""

    def off(self) -> None: ...
    def on(self) -> None: ...


class SimulatedPower:
    """The supply of a simulated board: off is a power cut, at any moment."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def off(self) -> None:
        if self._board.is_on:
            self._board.power_cut()

    def on(self) -> None:
        if not self._board.is_on:
            self._board.power_on()


class CommandPower:
    """A command with {} in it. Refuses with hil.power when it fails or the port stays away."""

    def __init__(self, command: str, port: str) -> None:
        if "{}" not in command:
            raise HostError(
                f"--power {command!r} has no {{}}: that is where `off` and `on` go.", "hil.power"
            )
        self._command = command
        self._port = Path(port)

    def off(self) -> None:
        self._run("off")

    def on(self) -> None:
        self._run("on")
        end = time.monotonic() + _BACK_S
        while "://" not in str(self._port) and not self._port.exists():
            if time.monotonic() > end:
                raise HostError(f"{self._port} is not back after {_BACK_S} s.", "hil.power")
            time.sleep(0.1)

    def _run(self, word: str) -> None:
        command = shlex.split(self._command.replace("{}", word))
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_COMMAND_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise HostError(f"{shlex.join(command)}: {error}", "hil.power") from None
        if done.returncode:
            said = (done.stderr or done.stdout).strip()
            raise HostError(f"{shlex.join(command)} failed: {said}", "hil.power")
