# SPDX-License-Identifier: MIT
"""A real broker: a device that pins it publishes and receives, one that does not says no word.

Mosquitto is this machine's own or the distribution's; without either the tests are skipped, and
with TRUSTANCHOR_BROKER=1 that is a failure.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from host_tools.build import deploy, runtime
from tests import sdists
from tests.broker import Broker, NoBroker, find
from tests.certs import pki

DEVICE = Path(__file__).with_name("mqtt_device.py")
LIBRARY_DEVICE = Path(__file__).with_name("umqtt_device.py")
OTHER = "00" * 32


@pytest.fixture(scope="module")
def leaf() -> pki.Entity:
    return pki.end_entity("broker.example", issuer=pki.authority("Broker CA"))


@pytest.fixture(scope="module")
def broker(leaf: pki.Entity, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    try:
        mosquitto = find()
    except NoBroker as error:
        if os.environ.get("TRUSTANCHOR_BROKER"):
            raise
        pytest.skip(f"{error}; TRUSTANCHOR_BROKER=1 makes this a failure")
    with Broker(mosquitto, leaf.pem, leaf.key_pem, tmp_path_factory.mktemp("broker")) as running:
        yield running


def said_by_device(
    tmp_path: Path, port: int, *pins: str, program: Path = DEVICE, libraries: str = ""
) -> list[str]:
    package = deploy.package_folder("mpy", "x86").parent
    deploy.compile_newer(program, tmp_path)
    done = subprocess.run(
        [*runtime.find(32).command("-m", heap="100K"), program.stem, str(port), *pins],
        env={**os.environ, "MICROPYPATH": f".frozen:{tmp_path}:{package}:{libraries}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_a_pinned_broker_is_spoken_to(broker: Broker, leaf: pki.Entity, tmp_path: Path) -> None:
    before = broker.log().count("New client connected")
    answers = said_by_device(tmp_path, broker.port, leaf.pin.hex(), OTHER)
    assert answers == ["blocking hello", "asyncio hello"]
    assert broker.log().count("New client connected") == before + 2


def test_another_broker_hears_nothing(broker: Broker, tmp_path: Path) -> None:
    before = broker.log().count("New client connected")
    answers = said_by_device(tmp_path, broker.port, "11" * 32, OTHER)
    assert answers == ["blocking pin.none_matched", "asyncio pin.none_matched"]
    assert broker.log().count("New client connected") == before


@pytest.fixture(scope="module")
def libraries() -> str:
    try:
        return str(sdists.unpacked("umqtt.simple", "umqtt.robust"))
    except sdists.NoSdist as error:
        if os.environ.get("TRUSTANCHOR_LIBRARIES"):
            raise
        pytest.skip(f"{error}; TRUSTANCHOR_LIBRARIES=1 makes this a failure")


@pytest.mark.parametrize("is_pinned", [True, False])
def test_the_libraries_people_have_run_unchanged(
    broker: Broker, leaf: pki.Entity, libraries: str, tmp_path: Path, is_pinned: bool
) -> None:
    """umqtt.simple and umqtt.robust wrap a connected socket and name no port."""
    before = broker.log().count("New client connected")
    pin = leaf.pin.hex() if is_pinned else "11" * 32
    answers = said_by_device(
        tmp_path, broker.port, pin, OTHER, program=LIBRARY_DEVICE, libraries=libraries
    )
    said = "hello" if is_pinned else "pin.none_matched"
    assert answers == [f"umqtt.simple {said}", f"umqtt.robust {said}"]
    assert broker.log().count("New client connected") == before + (2 if is_pinned else 0)
