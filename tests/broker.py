# SPDX-License-Identifier: MIT
"""Mosquitto, a real MQTT broker: this machine's own, or the distribution's package.

with Broker(find(), chain, key, folder) as broker: ... broker.port, broker.log()
"""

import os
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from host_tools.build.distribution import Distribution, FetchError, own_suite
from host_tools.build.runtime import BUILD

_PROGRAM = "usr/sbin/mosquitto"
_LIBRARIES = "usr/lib/x86_64-linux-gnu"
# Of the release this is fetched for; what every machine with OpenSSL has anyway is not listed.
_PACKAGES = ("mosquitto", "libmosquitto1", "libcjson1", "libdlt2", "libwrap0")
_STARTS_S = 10


class NoBroker(Exception):
    """Why there is none, and what would help."""


@dataclass(frozen=True)
class Mosquitto:
    program: Path
    libraries: Path | None

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **({"LD_LIBRARY_PATH": str(self.libraries)} if self.libraries else {}),
        }


def find() -> Mosquitto:
    """Return Mosquitto, fetching it the first time. Raises NoBroker."""
    own = Path("/") / _PROGRAM
    if own.exists():
        return Mosquitto(own, None)
    fetched = BUILD / "mosquitto"
    found = Mosquitto(fetched / _PROGRAM, fetched / _LIBRARIES)
    if not found.program.exists():
        try:
            Distribution(BUILD / "mosquitto-apt", own_suite()).fetch(_PACKAGES, fetched)
        except FetchError as error:
            raise NoBroker(f"Mosquitto could not be fetched ({error}): install it") from error
    done = subprocess.run(
        [str(found.program), "-h"], env=found.environment(), capture_output=True, text=True
    )
    if "mosquitto version" not in done.stdout:
        raise NoBroker(f"Mosquitto does not run here ({done.stderr.strip()}): install it")
    return found


class Broker:
    """A broker on loopback with TLS; certificate and key as PEM."""

    def __init__(self, mosquitto: Mosquitto, chain: bytes, key: bytes, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        (folder / "chain.pem").write_bytes(chain)
        (folder / "key.pem").write_bytes(key)
        self._log = folder / "log"
        # Started as root it gives its rights up, and could not read a private folder.
        (folder / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\ncertfile {folder / 'chain.pem'}\n"
            f"keyfile {folder / 'key.pem'}\nallow_anonymous true\npersistence false\n"
            f"log_type all\nlog_dest stderr\nuser root\n"
        )
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(mosquitto.program), "-c", str(folder / "mosquitto.conf")],
                env=mosquitto.environment(),
                stderr=log,
            )

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def __enter__(self) -> "Broker":
        end = time.monotonic() + _STARTS_S
        while time.monotonic() < end and self._process.poll() is None:
            with socket.socket() as sock:
                if sock.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.05)
        self.__exit__(None, None, None)
        raise NoBroker(f"Mosquitto did not start: {self.log()}")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait()
