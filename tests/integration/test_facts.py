# SPDX-License-Identifier: MIT
"""The facts about MicroPython's tls module that tap.py and handshake.py rest on.

A test that fails here with a new MicroPython says: read that part of the design again. What is
pinned is what was measured, also where it is a defect.
"""

import contextlib
import hashlib
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from host_tools.build import runtime
from host_tools.demo.servers import TlsServer
from tests.certs import pki
from tests.integration.keyless import KeylessServer

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ("1.2", "1.3")
TIMEOUT_S = 30


def mark(entity: pki.Entity) -> str:
    return hashlib.sha256(entity.der).hexdigest()[:8]


class World:
    """Servers and certificates, shared by all facts."""

    def __init__(self, stack: contextlib.ExitStack, folder: Path) -> None:
        self.root = pki.authority("Root")
        self.inter = pki.authority("Intermediate", issuer=self.root)
        self.leaf = pki.end_entity("device.example", issuer=self.inter)
        forged = pki.end_entity("device.example", issuer=self.inter, signer=pki.make_key())
        self.forged = forged
        self.root_file = str(folder / "root.der")
        self.other_file = str(folder / "other.der")
        Path(self.root_file).write_bytes(self.root.der)
        Path(self.other_file).write_bytes(pki.authority("Other").der)
        self.ports: dict[str, int] = {}
        self.servers: dict[str, TlsServer] = {}
        for version in VERSIONS:
            chain = [self.leaf, self.inter, self.root]
            for name, leaf in (("honest", self.leaf), ("forged", forged)):
                ders = [leaf.der, self.inter.der, self.root.der]
                server = stack.enter_context(TlsServer(ders, leaf.key, version))
                self.servers[f"{name} {version}"] = server
                self.ports[f"{name} {version}"] = server.port
            keys = {"keyless": pki.make_key(), "with key": self.leaf.key}
            for name, key in keys.items():
                keyless = KeylessServer([entity.der for entity in chain], key, version)
                self.ports[f"{name} {version}"] = stack.enter_context(keyless).port


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with contextlib.ExitStack() as stack:
        yield World(stack, tmp_path_factory.mktemp("facts"))


@pytest.fixture(params=[32, 64], ids=["32-bit", "64-bit"])
def bits(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def run(bits: int, fact: str, port: int, *files: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        runtime.find(bits).command("tests/integration/facts.py", fact, str(port), *files),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )


def said(bits: int, fact: str, port: int, *files: str) -> str:
    done = run(bits, fact, port, *files)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def was_killed(done: "subprocess.CompletedProcess[str]") -> bool:
    """By a segmentation fault, also where a shell stands in between."""
    return done.returncode in (-signal.SIGSEGV, 128 + signal.SIGSEGV)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_callback_sees_the_path_from_its_far_end(
    world: World, bits: int, version: str
) -> None:
    expected = f"2:{mark(world.root)} 1:{mark(world.inter)} 0:{mark(world.leaf)}"
    assert said(bits, "callback_order", world.ports[f"honest {version}"]) == expected


@pytest.mark.parametrize("version", VERSIONS)
def test_optional_mode_lets_a_forged_leaf_through(world: World, bits: int, version: str) -> None:
    """Why the callback collects and does not decide."""
    expected = f"2:{mark(world.root)} 1:{mark(world.inter)} 0:{mark(world.forged)}"
    assert said(bits, "callback_order", world.ports[f"forged {version}"]) == expected


@pytest.mark.parametrize("version", VERSIONS)
def test_without_verification_the_callback_is_never_called(
    world: World, bits: int, version: str
) -> None:
    answer = said(bits, "callback_never_called", world.ports[f"honest {version}"])
    assert answer == f"0 {mark(world.leaf)}"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_verify_mode_may_change_until_the_certificate_arrives(
    world: World, bits: int, version: str
) -> None:
    port = world.ports[f"honest {version}"]
    assert said(bits, "mode_set_in_mid_handshake", port) == "[2, 1, 0]"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_fatal_number_ends_the_handshake(world: World, bits: int, version: str) -> None:
    assert said(bits, "fatal_return", world.ports[f"honest {version}"]) == "-12288"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_positive_number_is_a_false_success(world: World, bits: int, version: str) -> None:
    """A defect: write() says one byte has gone, and the server has none."""
    server = world.servers[f"honest {version}"]
    before = len(server.visits)
    assert said(bits, "positive_return", server.port) == "1"
    assert not any(visit.application for visit in server.visits[before:])


def test_a_view_kept_beyond_the_callback_crashes_or_lies(world: World, bits: int) -> None:
    """A defect: the view is a struct on the C stack. Pinned: it is never the certificate."""
    done = run(bits, "kept_view", world.ports["honest 1.2"])
    honest = [mark(entity) for entity in (world.root, world.inter, world.leaf)]
    assert was_killed(done) or done.stdout.split() != honest


def test_of_concatenated_der_the_first_counts(world: World, bits: int) -> None:
    port = world.ports["honest 1.2"]
    one, two = said(bits, "der_concatenation", port, world.other_file, world.root_file).split(
        " / "
    )
    assert one.startswith("ValueError")
    assert two == "ok"


@pytest.mark.parametrize(("version", "number"), [("1.2", "-19968"), ("1.3", "-28160")])
def test_possession_of_the_key_is_proved_in_every_mode(
    world: World, bits: int, version: str, number: str
) -> None:
    keyless, honest = world.ports[f"keyless {version}"], world.ports[f"with key {version}"]
    assert said(bits, "possession", keyless, world.root_file) == f"{number} {number} {number}"
    assert said(bits, "possession", honest, world.root_file) == "ok ok ok"


@pytest.mark.parametrize("version", VERSIONS)
def test_reads_of_one_byte_complete_a_deferred_handshake(
    world: World, bits: int, version: str
) -> None:
    answer = said(bits, "deferred", world.ports[f"honest {version}"])
    assert answer == f"None None {mark(world.leaf)}"


def test_asking_for_the_cipher_before_completion_crashes(world: World, bits: int) -> None:
    """A defect: Connection.cipher() keeps programs from it."""
    assert was_killed(run(bits, "cipher_before_completion", world.ports["honest 1.2"]))


def test_a_negative_number_from_the_stream_is_an_errno(world: World, bits: int) -> None:
    assert said(bits, "negative_from_the_stream", world.ports["honest 1.2"]) == "103"


def test_an_unknown_cipher_name_refuses_the_whole_list(world: World, bits: int) -> None:
    assert said(bits, "unknown_cipher", world.ports["honest 1.2"]) == "-24192 ok"
