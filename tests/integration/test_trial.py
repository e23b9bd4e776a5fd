# SPDX-License-Identifier: MIT
"""A new trust state on trial against real servers: what confirms it, what reverts it, what not.

A story is a device from its first bundle on; after every step it says what the step came to and
which state is in force. The one thing that reverts a trial is a completed handshake to a probe
whose chain the trial state refuses and the state before accepts (SPEC.md T2).
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from host_tools.build import deploy, romfs, runtime
from host_tools.demo.servers import HangingServer, Relay, TlsServer
from host_tools.signing import bundle_encode
from host_tools.signing.bundle_encode import Authority, Description, Key, KeySigner, Probe
from tests.certs import pki
from tests.integration.keyless import KeylessServer
from trustanchor.kinds import MODE_KEY, MODE_PATH
from trustanchor.state.derive import anchor_of
from trustanchor.state.model import Pin, PinSet, Service

ROOT = Path(__file__).resolve().parents[2]
DEVICE = ROOT / "tests" / "integration" / "trial_device.py"
HOST = "127.0.0.1"
HOSTS = {"web": HOST, "log": "localhost"}
VERSIONS = ("1.2", "1.3")
INTERPRETERS = ("MicroPython 32-bit", "CPython")
ISSUED_AT = 1782864000  # before any clock this runs under
TIMEOUT_S = 120


@dataclass(frozen=True)
class Story:
    """Steps as (what trial_device.py does, what it must say)."""

    name: str
    steps: list[tuple[list[Any], str]]
    client: bool = False


class Farm:
    """Servers, and the bundles that describe them: by name, in files."""

    def __init__(self, stack: contextlib.ExitStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self.servers: dict[str, Any] = {}
        self.root = pki.authority("Root")
        self.inter = pki.authority("Intermediate", issuer=self.root)
        self.old = pki.end_entity(HOST, issuer=self.inter)
        self.backup = pki.end_entity(HOST)
        self.new = pki.end_entity(HOST, issuer=self.inter)
        self.new_backup = pki.end_entity(HOST)
        self.stranger = pki.end_entity(HOST, issuer=self.inter)
        self.client_root = pki.authority("Clients")
        self.client = pki.end_entity("client 1", issuer=self.client_root, san=False, eku=[])
        self._signer = KeySigner(pki.make_key())
        self._vault = Key(-7, pki.spki_of(pki.make_key()))
        self._add(HangingServer(), "hanging")
        for v in VERSIONS:
            chain = [self.old.der, self.inter.der]
            old = self._add(TlsServer(chain, self.old.key, v), f"old {v}")
            # Says something at once, so that there is a byte that must not be delivered.
            greeting = TlsServer(chain, self.old.key, v, greeting=b"220 ready\r\n")
            self._add(greeting, f"old, speaking first {v}")
            self._add(TlsServer([self.old.der], self.old.key, v), f"old, leaf alone {v}")
            for name in ("backup", "new", "stranger"):
                entity = getattr(self, name)
                self._add(TlsServer([entity.der], entity.key, v), f"{name} {v}")
            self._add(KeylessServer(chain, self.stranger.key, v), f"keyless {v}")
            for count in (0, 1, 2, 4):
                self._add(Relay(old.port, cut_after=count), f"cut {count} {v}")
            for name in ("old", "stranger"):
                entity = getattr(self, name)
                asking = TlsServer([entity.der], entity.key, v, client_root=self.client_root.der)
                self._add(asking, f"{name}, asking {v}")
        self._add_bundles()

    def _add(self, server: Any, name: str) -> Any:
        self.servers[name] = self._stack.enter_context(server)
        return server

    def port(self, name: str) -> int:
        return self.servers[name].port if name != "nobody" else 1

    def bundle(self, name: str) -> str:
        return str(self._folder / f"{name}.bundle")

    def _add_bundles(self) -> None:
        before, after = (self.old, self.backup), (self.new, self.new_backup)
        self._write("first", 1, self._pins(before))
        # Overlap: everything the device had, and the key that comes.
        self._write("overlap", 2, self._pins((self.old, self.new, self.backup)))
        # A mistake: the servers have not got these keys yet.
        self._write("mistake", 2, self._pins(after), overrides=["revert"])
        for name, sequence in (("first with port", 1), ("overlap with port", 2)):
            self._write(name, sequence, self._pins(before), port=self.port("old 1.2"))
        # Another mistake, which no rule can see: the server does not send its intermediate.
        path: dict[str, Any] = {
            "mode": MODE_PATH,
            "anchors": [anchor_of(self.root.der)],
        }
        self._write("first path", 1, self._pins(before), intermediates=[self.inter.der], **path)
        self._write("without intermediate", 2, self._pins(before), **path)
        fewer: dict[str, Any] = {"tries": 1, "overrides": ["revert"]}
        self._write("mistake with one try", 2, self._pins(after), **fewer)
        # The service is new: the state before has nothing to say about it.
        self._write("first log", 1, self._pins(before), names=["log"])

    def _pins(self, entities: tuple[pki.Entity, ...]) -> list[Pin]:
        last = len(entities) - 1
        return [Pin(one.pin, is_backup=i == last) for i, one in enumerate(entities)]

    def _write(
        self,
        name: str,
        sequence: int,
        pins: list[Pin],
        *,
        mode: int = MODE_KEY,
        port: int | None = None,
        names: list[str] | None = None,
        **fields: Any,
    ) -> None:
        services = [
            Service(one, [HOSTS[one]], mode=mode, port=port, pin_set="pins")
            for one in names or ["web", "log"]
        ]
        described = Description(
            sequence,
            ISSUED_AT,
            Authority([(1, [self._signer])]),
            Authority([(1, [self._vault])]),
            services,
            [PinSet("pins", pins)],
            probes=[Probe(services[0].name)],
            is_partial=True,
            **fields,
        )
        payload = bundle_encode.encode_state(described)
        message = bundle_encode.sign("state", payload, [self._signer])
        Path(self.bundle(name)).write_bytes(bundle_encode.bundle_file(message))


def stories() -> Iterator[Story]:
    """Arguments in braces are replaced: {old 1.2} by a port, {first} by a bundle's file."""
    first = (["provision", "{first}"], "ok, active 1")
    overlap = (["install", "{overlap}"], "ok, trial 2")
    mistake = (["install", "{mistake}"], "ok, trial 2")
    refused = "pin.none_matched, "
    for v in VERSIONS:
        old, new = f"{{old {v}}}", f"{{new {v}}}"
        visit_old = (["visit", old], "ok, active 1")
        confirmed = (["visit", old], "ok, active 2")
        yield Story(f"the old server confirms {v}", [first, visit_old, overlap, confirmed])
        yield Story(
            f"the new server confirms {v}", [first, overlap, (["visit", new], "ok, active 2")]
        )
        yield Story(
            f"what it saw in the trial counts when it is confirmed {v}",
            [
                first,
                overlap,
                (["visit", f"{{backup {v}}}"], "ok, active 2 retired 2"),
                (["visit", old], "pin.retired, active 2 retired 2"),
            ],
        )
        reverted = [
            (["install", "{mistake}"], "update.rollback, active 1"),
            (["start"], "ok, active 1"),
            visit_old,
        ]
        for how in ("visit", "wrap", "visit_async"):
            yield Story(
                f"the old server reverts a mistake, {how} {v}",
                [first, mistake, ([how, old], refused + "active 1"), visit_old, *reverted],
            )
        yield Story(
            f"not a byte is sent or delivered {v}",
            [first, mistake, (["visit", f"{{old, speaking first {v}}}"], refused + "active 1")],
        )
        yield Story(
            f"a forgotten intermediate is evidence {v}",
            [
                (["provision", "{first path}"], "ok, active 1"),
                (["visit", f"{{old, leaf alone {v}}}"], "ok, active 1"),
                (["install", "{without intermediate}"], "ok, trial 2"),
                (["visit", f"{{old, leaf alone {v}}}"], "path.no_issuer, active 1"),
                (["visit", f"{{old, leaf alone {v}}}"], "ok, active 1"),
            ],
        )
        # Which comes first, the proof or the verdict, is TLS's business.
        unproven = "tls.proof, trial 2 or " + refused + "trial 2"
        yield Story(
            f"the old chain without its key is no evidence {v}",
            [
                first,
                mistake,
                (["visit", f"{{keyless {v}}}"], unproven),
                (["visit", old], refused + "active 1"),
            ],
        )
        yield Story(
            f"a chain that both refuse is no evidence {v}",
            [first, mistake, (["visit", f"{{stranger {v}}}"], refused + "trial 2")],
        )
        yield Story(
            f"what is no probe is no evidence {v}",
            [
                first,
                mistake,
                (["visit", old, "log"], refused + "trial 2"),
                (["visit", new, "log"], "ok, trial 2"),
                (["visit", old, "web"], refused + "active 1"),
            ],
        )
        yield Story(
            f"a service the state before has not got is no evidence {v}",
            [
                (["provision", "{first log}"], "ok, active 1"),
                mistake,
                (["visit", old], refused + "trial 2"),
            ],
        )
        # A TLS 1.2 server has shown its chain after four records, and proved nothing.
        cuts = {0: "tls.closed, ", 1: "tls.closed, ", 2: "tls.closed, ", 4: "tls.closed, "}
        if v == "1.2":
            cuts.update({2: refused, 4: refused})
        yield Story(
            f"a handshake that does not complete is no evidence {v}",
            [first, mistake]
            + [(["visit", f"{{cut {n} {v}}}"], code + "trial 2") for n, code in cuts.items()]
            if v == "1.2"
            else [first, mistake]
            + [
                (["visit", f"{{cut {n} {v}}}"], code + "trial 2")
                for n, code in cuts.items()
                if n < 4
            ],
        )
        yield Story(
            f"a client certificate goes where the state before sent it {v}",
            [
                first,
                mistake,
                (["visit", f"{{stranger, asking {v}}}"], refused + "trial 2"),
                (["visit", f"{{old, asking {v}}}"], refused + "active 1"),
            ],
            client=True,
        )
        yield Story(
            f"a second judgement without memory is no evidence {v}",
            [
                first,
                mistake,
                (["visit_without_memory", old], refused + "trial 2"),
                (["visit", old], refused + "active 1"),
            ],
        )
        yield Story(
            f"connections opened before the trial are dropped {v}",
            [first, (["keep", old], "ok, active 1"), overlap, (["send"], "OSError 103, trial 2")],
        )
        yield Story(
            f"trust erased before completion {v}",
            [first, (["erased_meanwhile", old], "store.unprovisioned, nothing")],
        )
    yield Story(
        "a program that only wraps sockets confirms",
        [
            (["provision", "{first with port}"], "ok, active 1"),
            (["install", "{overlap with port}"], "ok, trial 2"),
            (["wrap", "{old 1.2}"], "ok, active 2"),
        ],
    )
    yield Story(
        "another port is neither the service's nor the probe's",
        [
            (["provision", "{first with port}"], "ok, active 1"),
            (["install", "{overlap with port}"], "ok, trial 2"),
            (["visit", "{old 1.3}"], "service.port, trial 2"),
            (["visit", "{old 1.2}"], "ok, active 2"),
        ],
    )
    yield Story(
        "silence and an absent server are no evidence",
        [
            first,
            mistake,
            (["visit", "{hanging}", "web", 1], "tls.timeout, trial 2"),
            (["visit", "{nobody}"], "net.unreachable, trial 2"),
        ],
    )
    restarted = (["start"], "ok, trial 2")
    yield Story(
        "a board restarted in trial goes on with it",
        [first, overlap, restarted, (["visit", "{old 1.2}"], "ok, active 2")],
    )
    yield Story(
        "a board restarted in trial still takes the evidence",
        [first, mistake, restarted, (["visit", "{old 1.2}"], refused + "active 1")],
    )
    yield Story(
        "a board that never gets as far as a verdict gives the trial up",
        [first, mistake, restarted, restarted, restarted, (["start"], "ok, active 1")],
    )
    yield Story(
        "with one try the second start gives it up",
        [
            first,
            (["install", "{mistake with one try}"], "ok, trial 2"),
            restarted,
            (["start"], "ok, active 1"),
            (["visit", "{old 1.2}"], "ok, active 1"),
        ],
    )


STORIES = list(stories())


class Device:
    """An interpreter with the package, and flash of its own for each story."""

    def __init__(self, interpreter: str, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._command = [sys.executable, str(DEVICE)]
        if interpreter != "CPython":
            rom = folder / "rom"
            shutil.copytree(deploy.package_folder("mpy", "x86"), rom / "trustanchor")
            shutil.copy(DEVICE, rom)
            image = folder / "image.romfs"
            image.write_bytes(romfs.build(rom))
            arguments = ("tests/from_rom.py", str(image), "trial_device")
            self._command = runtime.find(32).command(*arguments, heap="100K")

    def tell(self, steps: list[list[Any]], client: list[str] | None) -> list[str]:
        """Do the steps, each start in a process of its own; what went wrong is the last line."""
        root = tempfile.mkdtemp(dir=self.folder)
        said: list[str] = []
        for steps_of_one_start in starts(steps):
            file = Path(root) / "part.json"
            part = {"root": f"{root}/trust", "client": client, "steps": steps_of_one_start}
            file.write_text(json.dumps(part))
            done = subprocess.run(
                [*self._command, str(file)],
                env={
                    **os.environ,
                    "PYTHONPATH": str(deploy.PACKAGE.parent),
                    "MICROPYPATH": ".frozen",
                },
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
            )
            said += done.stdout.splitlines()
            if done.returncode:
                return [*said, done.stderr]
        return said


def starts(steps: list[list[Any]]) -> list[list[list[Any]]]:
    """The steps, cut where the device starts again."""
    found: list[list[list[Any]]] = [[]]
    for step in steps:
        if step == ["start"]:
            found.append([])
        found[-1].append(step)
    return found


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    with contextlib.ExitStack() as stack:
        yield Farm(stack, tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="module")
def told(farm: Farm, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], list[str]]:
    """What the device said, by interpreter and story."""
    folder = tmp_path_factory.mktemp("devices")
    client = [str(folder / "client.pem"), str(folder / "client.key")]
    Path(client[0]).write_bytes(farm.client.pem)
    Path(client[1]).write_bytes(farm.client.key_pem)
    found = {}
    for interpreter in INTERPRETERS:
        device = Device(interpreter, folder / interpreter)
        for story in STORIES:
            steps = [[filled(farm, word) for word in step] for step, _ in story.steps]
            said = device.tell(steps, client if story.client else None)
            found[interpreter, story.name] = said
    return found


def filled(farm: Farm, word: Any) -> Any:
    if not (isinstance(word, str) and word.startswith("{")):
        return word
    name = word.strip("{}")
    return farm.port(name) if name in farm.servers or name == "nobody" else farm.bundle(name)


@pytest.mark.parametrize("interpreter", INTERPRETERS)
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_story(story: Story, interpreter: str, told: dict[tuple[str, str], list[str]]) -> None:
    said = told[interpreter, story.name]
    assert len(said) == len(story.steps), said
    for got, (step, expected) in zip(said, story.steps, strict=True):
        assert got in expected.split(" or "), (step, said)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_handshake_that_reverts_completes_and_carries_nothing(
    version: str, farm: Farm, told: object
) -> None:
    visits = farm.servers[f"old, speaking first {version}"].visits
    assert [(visit.completed, visit.application) for visit in visits] == [
        (True, b"") for _ in INTERPRETERS
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_certificate_leaves_only_where_the_state_before_accepts(
    version: str, farm: Farm, told: object
) -> None:
    shown = {
        name: [visit.client_certificate for visit in farm.servers[name].visits]
        for name in (f"old, asking {version}", f"stranger, asking {version}")
    }
    assert shown == {
        f"old, asking {version}": [farm.client.der for _ in INTERPRETERS],
        f"stranger, asking {version}": [None for _ in INTERPRETERS],
    }


def test_who_is_refused_by_both_states_sees_no_completed_handshake(
    farm: Farm, told: object
) -> None:
    for version in VERSIONS:
        visits = farm.servers[f"stranger {version}"].visits
        assert visits
        assert not any(visit.completed or visit.application for visit in visits)
