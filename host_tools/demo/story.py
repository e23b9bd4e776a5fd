# SPDX-License-Identifier: MIT
"""The second part of `make demo`: five questions, answered live by simulated boards.

    with tempfile.TemporaryDirectory() as folder:
        for row in tell(Path(folder)): ...

A chapter is a generator over a Place: a board in the field and a desk where certificates, keys
and bundles are made by the `trustanchor` command itself. What happens is written as it is told,
and every yield is a row of the table.

The package ships as a ROMFS image here, executed in place, and bundles are copied by mpremote.
"""

import contextlib
import io
import json
import shutil
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport

from host_tools.build import deploy, romfs
from host_tools.cli import main as cli
from host_tools.cli.errors import HostError
from host_tools.cli.reasons import REASONS
from host_tools.demo.servers import ANSWER, Listener, TlsServer
from host_tools.demo.steps import HANDSHAKE_S, HEAP, HOST, REQUEST, Row, fault_of, mpremote
from host_tools.signing import draft
from host_tools.sim.board import Board
from tests.certs import pki
from tests.integration.keyless import KeylessServer

_DAY_S = 86400
_ANSWER_S = 20
_PASSPHRASE = "no secret: these keys live as long as the demo"
_NEW_SIGNERS = ("dora", "emil")

# Runs on the board as story.py; told() prints one JSON object. A program in the field has the
# same few lines: a Store at start, a Context over it, install() when a bundle arrives.
_PROGRAM = f'''\
import json
from trustanchor import Context, Refused, Store, TrustError, clock

store = Store(clock)
tls = Context(store=store, timeout_s={HANDSHAKE_S})

def told(function, *arguments):
    said = {{"code": "ok"}}
    try:
        said.update(function(*arguments) or {{}})
    except (Refused, TrustError) as refusal:
        said["code"] = refusal.code
    if store.state is not None:
        said["state"] = [store.state.epoch, store.state.sequence]
        said["trial"] = bool(store.record.trial)
        said["retired"] = len(store.record.retired)
    print(json.dumps(said))

def start():
    store.load()

def provision(name):
    with open(name, "rb") as file:
        store.provision(file)

def install(name):
    with open(name, "rb") as file:
        store.install(file)

def visit(port):
    sock = tls.connect("{HOST}", port)
    sock.write({REQUEST!r})
    said = {{"answer": sock.read({len(ANSWER)}).decode()}}
    said["pin"], said["pins"] = sock.verdict.pin, len(sock.verdict.wanted)
    sock.close()
    return said
'''


class Desk:
    """Where keys are kept and bundles are made, by the command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._replaced: dict[str, list[str]] = {}  # what a signer says who has read the draft
        folder.mkdir()
        (folder / "passphrase").write_text(_PASSPHRASE + "\n")
        for name in ("alice", "bob", *_NEW_SIGNERS):
            self._with_key("keygen", "es256", str(folder / name))
        for name, *ledger in (("vault", "--new-ledger"), ("vault-2030",)):
            words = ("--height", "5", "--holders", "1", *ledger)
            self._with_key("keygen", "hss", str(folder / name), *words)

    def keep(self, **entities: pki.Entity) -> None:
        """Write certificates where a description can name them."""
        for name, entity in entities.items():
            (self.folder / f"{name}.pem").write_bytes(entity.pem)

    def describe(self, name: str, text: str) -> None:
        (self.folder / f"{name}.toml").write_text(text)

    def build(self, name: str, current: str | None = None, rescue: bool = False) -> None:
        replaced = ["--current", str(self.bundle(current))] if current else ["--first"]
        options = ["--rescue"] if rescue else []
        file = self.folder / f"{name}.toml"
        self.command("bundle", "build", str(file), *replaced, *options)
        sequence = tomllib.loads(file.read_text())["sequence"]
        self._replaced[name] = [*replaced, "--yes-to", str(sequence)]

    def sign(self, name: str, *keys: str) -> None:
        for key in keys:
            file = str(self.folder / f"{name}.draft")
            words = ("bundle", "sign", file, *self._replaced[name])
            self._with_key(*words, "--key", str(self.folder / key))

    def make(self, name: str, text: str, current: str | None = None) -> Path:
        """Describe, build, and have alice and bob sign."""
        self.describe(name, text)
        self.build(name, current)
        self.sign(name, "alice.pem", "bob.pem")
        return self.bundle(name)

    def unfinished(self, name: str) -> Path:
        """A bundle with the signatures so far, which the command does not write."""
        path = self.bundle(f"{name}-unfinished")
        path.write_bytes(draft.load(self.folder / f"{name}.draft").file())
        return path

    def bundle(self, name: str) -> Path:
        return self.folder / f"{name}.bundle"

    def _with_key(self, *words: str) -> None:
        self.command(*words, "--passphrase-file", str(self.folder / "passphrase"))

    def command(self, *words: str) -> None:
        """`trustanchor` with these words; quiet, unless it refuses."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            done = cli.main(list(words))
        if done:
            raise HostError(f"trustanchor {' '.join(words[:2])}: {said.getvalue()}", "demo.desk")


class Place:
    """A board in the field, fresh from the factory, and the desk."""

    def __init__(self, chapter: str, desk: Desk, board: Board) -> None:
        self._chapter = chapter
        self.desk = desk
        self.board = board
        self._call("import story; told = story.told")

    # What is done to the board; each returns a row.

    def provision(self, title: str, bundle: Path) -> Row:
        """The first state, over the cable: the only way a board without any takes one."""
        return self._arrives("provision", title, bundle, "ok", None)

    def install(
        self, title: str, bundle: Path, expects: str = "ok", stands: str | None = None
    ) -> Row:
        return self._arrives("install", title, bundle, expects, stands)

    def _arrives(
        self, verb: str, title: str, bundle: Path, expects: str, stands: str | None
    ) -> Row:
        start = time.monotonic()
        mpremote(self.board.port, "resume", "cp", str(bundle), ":new.bundle")
        said = self._told(verb, "new.bundle")
        why = _stands(said) + "." if said["code"] == "ok" else _why(said)
        return self._row(title, "", expects, said, why, start, _differs(said, stands))

    def visit(
        self,
        title: str,
        chain: list[pki.Entity],
        expects: str = "ok",
        *,
        pin: int | None = None,
        tls: str = "1.2",
        key: Any = None,
        stands: str | None = None,
    ) -> Row:
        """The board connects; the server holds the first certificate's key, or another one."""
        ders = [entity.der for entity in chain]
        server: AbstractContextManager[Listener]
        if key is None:
            server = TlsServer(ders, chain[0].key, tls)
        else:
            server = KeylessServer(ders, key, tls)
        start = time.monotonic()
        with server as listening:
            said = self._told("visit", listening.port)
            listening.wait_until_served()
            fault = fault_of(said, listening, time.monotonic() - start, pin)
        why = _why(said)
        if stands is not None:
            why = f"{why} {_stands(said)}."
        return self._row(title, tls, expects, said, why, start, fault or _differs(said, stands))

    def power_cut(self, title: str, rtc: int | None, stands: str) -> Row:
        """The power goes and comes back; rtc None: with a clock that nobody has set."""
        start = time.monotonic()
        self.board.power_cut()
        self.board.power_on(rtc=rtc)
        self._call("import story; told = story.told")
        said = self._told("start")
        why = _stands(said) + "." if said["code"] == "ok" else _why(said)
        return self._row(title, "", "ok", said, why, start, _differs(said, stands))

    def _row(
        self,
        title: str,
        tls: str,
        expects: str,
        said: dict[str, Any],
        why: str,
        start: float,
        fault: str,
    ) -> Row:
        seconds = time.monotonic() - start
        return Row(self._chapter, title, tls, expects, said["code"], why, seconds, fault)

    def _told(self, verb: str, *arguments: object) -> dict[str, Any]:
        words = ", ".join([f"story.{verb}", *(repr(one) for one in arguments)])
        shown = self._call(f"told({words})")
        try:
            said = json.loads(shown)
        except ValueError:
            raise HostError(f"The board said {shown[:200]!r}.", "demo.board") from None
        return dict(said)

    def _call(self, source: str) -> str:
        """Run source in the interpreter as it is: no reset, so that its RAM is a board's RAM."""
        try:
            link = SerialTransport(self.board.port, timeout=_ANSWER_S)
            try:
                link.enter_raw_repl(soft_reset=False)
                shown = bytes(link.exec(source))
                link.exit_raw_repl()
            finally:
                link.close()
        except TransportError as error:
            last = str(error).strip().splitlines() or ["no message"]
            raise HostError(f"The board failed: {last[-1]}", "demo.board") from None
        return shown.decode("utf-8", "replace")


def _why(said: dict[str, Any]) -> str:
    if said["code"] != "ok":
        return REASONS[said["code"]][0] if said["code"] in REASONS else ""
    if said["pin"] is None:
        return "A valid path to an anchor."
    return f"The key is pin {said['pin'] + 1} of {said['pins']}."


def _stands(said: dict[str, Any]) -> str:
    """How trust stands, in words: "State 2 of epoch 1, in trial, 1 key retired"."""
    if "state" not in said:
        return "No state"
    epoch, sequence = said["state"]
    words = [f"State {sequence}" + (f" of epoch {epoch}" if epoch else "")]
    words += ["in trial"] if said["trial"] else []
    if said["retired"]:
        words.append(f"{said['retired']} key{'s' if said['retired'] > 1 else ''} retired")
    return ", ".join(words)


def _differs(said: dict[str, Any], stands: str | None) -> str:
    if stands is None or stands == _stands(said):
        return ""
    return f"{_stands(said)}; it should be: {stands}."


def _state(
    sequence: int,
    pins: list[str],
    anchors: list[str],
    *,
    more: str = "",
    anchor_fields: str = "",
    signers: tuple[str, str] = ("alice", "bob"),
    vault: str = "vault",
    ratchet: str = "backup",
) -> str:
    """A description as a person writes it; the last pin is the backup. No pins: mode anchors."""
    listed = ",\n".join(
        f'    {{ key = "{name}.pem"{", backup = true" if name == pins[-1] else ""} }}'
        for name in pins
    )
    pin_set = f'[[pin_set]]\nname = "web"\nratchet = "{ratchet}"\npins = [\n{listed},\n]\n'
    tables = "".join(f'[[anchor]]\ncertificate = "{name}.pem"\n' for name in anchors)
    return f"""\
sequence = {sequence}
{more}
[[authority]]
threshold = 2
keys = ["{signers[0]}.pub", "{signers[1]}.pub"]

[[backup]]
keys = ["{vault}.pub"]

[[service]]
name = "web"
hosts = ["{HOST}"]
{'pins = "web"' if pins else 'mode = "anchors"'}

[[probe]]
service = "web"

{pin_set if pins else ""}
{tables}{anchor_fields}"""


# The chapters.


def legacy_and_new(place: Place) -> Iterator[Row]:
    """Two roots, two intermediates, old and new, side by side."""
    desk, authority, leaf = place.desk, pki.authority, pki.end_entity
    legacy_root, new_root = authority("Legacy Root"), authority("New Root")
    legacy, new = authority("Legacy CA", legacy_root), authority("New CA", new_root)
    stranger_root = authority("Stranger Root")
    stranger = authority("Stranger CA", stranger_root)
    desk.keep(legacy_root=legacy_root, new_root=new_root)
    bundle = desk.make("two-roots", _state(1, [], ["legacy_root", "new_root"]))
    yield place.provision("a state with both roots, over the cable", bundle)
    yield place.visit("a certificate from the legacy CA", [leaf(HOST, legacy), legacy])
    yield place.visit("one from the new CA", [leaf(HOST, new), new])
    yield place.visit("one from the new CA", [leaf(HOST, new), new], tls="1.3")
    mixed = [leaf(HOST, new), stranger, legacy, new, legacy_root]
    yield place.visit("the new CA behind three certificates that do not belong", mixed)
    strange = [leaf(HOST, stranger), stranger, stranger_root]
    yield place.visit("a complete chain from a CA of neither", strange, "path.no_issuer")
    forged = leaf(HOST, new, signer=pki.make_key())
    yield place.visit("a leaf forged in the new CA's name", [forged, new], "path.bad_signature")
    other = leaf("10.0.0.1", new)
    yield place.visit(
        "a certificate of the new CA for another host", [other, new], "name.mismatch"
    )


def cross_signed(place: Place) -> Iterator[Row]:
    """The issuer is a key, not a certificate: any order, with extras, one missing."""
    desk, authority = place.desk, pki.authority
    root_a, root_b, root_c = (authority(f"Root {name}") for name in "ABC")
    by_a = authority("Issuing CA", root_a)
    by_b = authority("Issuing CA", root_b, key=by_a.key)
    expired = authority("Issuing CA", root_b, key=by_a.key, not_before=pki.utc(_ago(90)), days=30)
    kept = authority("Preloaded CA", root_b)
    leaf = pki.end_entity(HOST, by_a)
    impostor = authority("Issuing CA", root_c)
    desk.keep(root_b=root_b, kept=kept)
    text = _state(1, [], ["root_b"], more='intermediates = ["kept.pem"]')
    yield place.provision("root B alone, and an intermediate preloaded", desk.make("cross", text))
    yield place.visit("the issuing CA signed by A only", [leaf, by_a], "path.no_issuer")
    yield place.visit("both cross-signs, the wrong one first", [leaf, by_a, by_b])
    yield place.visit("both, the wrong root's own certificate between", [leaf, by_a, root_a, by_b])
    yield place.visit("an expired cross-sign first", [leaf, expired, by_b])
    yield place.visit("the wrong one alone, the right one remembered", [leaf, by_a])
    alone = pki.end_entity(HOST, kept)
    yield place.visit("the leaf alone, its intermediate preloaded", [alone])
    yield place.visit("the leaf alone, its intermediate preloaded", [alone], tls="1.3")
    false = pki.end_entity(HOST, impostor)
    yield place.visit(
        "another key under the same CA name", [false, impostor, by_b], "path.bad_signature"
    )


def distrusted(place: Place) -> Iterator[Row]:
    """A CA is distrusted for new certificates; the backup comes from an independent one."""
    desk, leaf = place.desk, pki.end_entity
    falling_root, other_root = pki.authority("Falling Root"), pki.authority("Other Root")
    falling = pki.authority("Falling CA", falling_root)
    other = pki.authority("Other CA", other_root)
    primary = leaf(HOST, falling, not_before=pki.utc(_ago(60)))
    renewed = leaf(HOST, falling, key=primary.key)
    backup = leaf(HOST, other)
    desk.keep(primary=primary, backup=backup, falling_root=falling_root, other_root=other_root)
    dates = f"distrust_leaf_after = {_ago(30)}\ntrust_until = {_ago(-300)}\n"
    # The dates are the last anchor's.
    text = _state(
        1,
        ["primary", "backup"],
        ["other_root", "falling_root"],
        anchor_fields=dates,
        ratchet="never",
    )
    yield place.provision(
        "falling root: no certificate newer than 30 days", desk.make("distrust", text)
    )
    yield place.visit("its certificate of 60 days ago", [primary, falling], pin=0)
    yield place.visit(
        "its certificate of yesterday, the same key", [renewed, falling], "anchor.distrusted"
    )
    yield place.visit("the backup certificate, from the other CA", [backup, other], pin=1)
    stranger = leaf(HOST, other)
    yield place.visit("a new key from the other CA", [stranger, other], "pin.none_matched")


def rotation_and_theft(place: Place) -> Iterator[Row]:
    """Pins change with no flag day; then the primary key is stolen."""
    desk, leaf = place.desk, pki.end_entity
    root = pki.authority("Root")
    ca = pki.authority("CA", root)
    old, new, spare = (leaf(HOST, ca) for _ in range(3))
    wrong, wrong_spare = leaf(HOST, ca), leaf(HOST, ca)
    desk.keep(old=old, new=new, spare=spare, wrong=wrong, wrong_spare=wrong_spare, fleet_root=root)
    fleet_1 = desk.make("fleet-1", _state(1, ["old", "spare"], ["fleet_root"]))
    yield place.provision("fleet-1: the old key, a backup", fleet_1)
    yield place.visit("the old key", [old, ca], pin=0, stands="State 1")
    yield place.visit("the new key, before the board knows it", [new, ca], "pin.none_matched")
    desk.describe("fleet-2", _state(2, ["old", "new", "spare"], ["fleet_root"]))
    desk.build("fleet-2", "fleet-1")
    desk.sign("fleet-2", "alice.pem")
    yield place.install(
        "fleet-2 adds the new key; signed by alice alone",
        desk.unfinished("fleet-2"),
        "update.threshold",
        "State 1",
    )
    desk.sign("fleet-2", "bob.pem")
    fleet_2 = desk.bundle("fleet-2")
    yield place.install(
        "signed by alice and bob, copied by mpremote", fleet_2, stands="State 2, in trial"
    )
    yield place.visit(
        "a stranger while the trial runs",
        [wrong, ca],
        "pin.none_matched",
        stands="State 2, in trial",
    )
    yield place.visit(
        "a server proves the old key, and the trial is confirmed",
        [old, ca],
        pin=0,
        stands="State 2",
    )
    yield place.visit("the new key, another day", [new, ca], pin=1, stands="State 2")
    mistake = _state(3, ["wrong", "wrong_spare"], ["fleet_root"], more='overrides = ["revert"]')
    yield place.install(
        "fleet-3, a mistake: keys no server has",
        desk.make("fleet-3", mistake, "fleet-2"),
        stands="State 3, in trial",
    )
    yield place.visit(
        "the old certificate, without its key",
        [old, ca],
        "pin.none_matched",
        key=wrong.key,
        stands="State 3, in trial",
    )
    yield place.visit(
        "a server proves the old key, and the mistake is taken back",
        [old, ca],
        "pin.none_matched",
        stands="State 2",
    )
    yield place.visit("the old key again", [old, ca], pin=0, stands="State 2")
    yield place.visit(
        "a thief with the old key, the backup not seen yet", [old, ca], pin=0, stands="State 2"
    )
    yield place.visit(
        "the owner, with the backup key", [spare, ca], pin=2, stands="State 2, 2 keys retired"
    )
    yield place.visit("the thief again", [old, ca], "pin.retired")
    after = "State 2, 2 keys retired"
    yield place.power_cut("power cut; the clock is at 2000-01-01", None, after)
    yield place.visit("the thief, after the power cut", [old, ca], "pin.retired")
    yield place.install(
        "fleet-1 replayed, in which the key was good", fleet_1, "update.rollback", after
    )
    yield place.visit("the thief, after the replay", [old, ca], "pin.retired", tls="1.3")
    yield place.visit("the owner", [spare, ca], pin=2, tls="1.3", stands=after)


def rescue(place: Place) -> Iterator[Row]:
    """Every server key and the signers are gone; the backup authority is not."""
    desk, leaf = place.desk, pki.end_entity
    lost_root, root = pki.authority("Lost Root"), pki.authority("Root of the Rescue")
    lost, ca = pki.authority("Lost CA", lost_root), pki.authority("CA of the Rescue", root)
    gone, gone_spare = leaf(HOST, lost), leaf(HOST, lost)
    server, spare = leaf(HOST, ca), leaf(HOST, ca)
    evil, evil_spare = leaf(HOST, lost), leaf(HOST, lost)
    desk.keep(gone=gone, gone_spare=gone_spare, server=server, server_spare=spare)
    desk.keep(lost_root=lost_root, rescue_root=root, evil=evil, evil_spare=evil_spare)
    sea_1 = desk.make("sea-1", _state(1, ["gone", "gone_spare"], ["lost_root"]))
    yield place.provision("sea-1: two keys that will both be lost", sea_1)
    yield place.visit("the server's new key, under a new CA", [server, ca], "path.no_issuer")
    hostile = _state(900, ["evil", "evil_spare"], ["lost_root"], more='revert = "never"')
    yield place.install(
        "a thief signs with the stolen keys of alice and bob: his pins, sequence 900",
        desk.make("sea-900", hostile.replace('[[probe]]\nservice = "web"\n', ""), "sea-1"),
        stands="State 900",
    )
    yield place.visit("the thief", [evil, lost], pin=0)
    text = _state(
        1,
        ["server", "server_spare"],
        ["rescue_root"],
        more='epoch = 1\nrevert = "never"',
        signers=_NEW_SIGNERS,
        vault="vault-2030",
    )
    desk.describe("rescue", text)
    desk.build("rescue", "sea-1", rescue=True)
    desk.sign("rescue", *(f"{name}.pem" for name in _NEW_SIGNERS))
    yield place.install(
        "a rescue without the backup authority's signature",
        desk.unfinished("rescue"),
        "update.threshold",
        "State 900",
    )
    desk.sign("rescue", "vault-1.hss")
    yield place.install(
        "the rescue, with its HSS/LMS signature",
        desk.bundle("rescue"),
        stands="State 1 of epoch 1",
    )
    yield place.visit("the server's new key", [server, ca], pin=0)
    yield place.visit("the thief", [evil, lost], "path.no_issuer")
    yield place.install(
        "sea-900 again, with its two valid signatures",
        desk.bundle("sea-900"),
        "update.epoch_old",
        "State 1 of epoch 1",
    )
    yield place.power_cut("power cut", int(time.time()), "State 1 of epoch 1")
    yield place.visit("the server's new key", [server, ca], pin=0, tls="1.3")


CHAPTERS: list[tuple[str, Callable[[Place], Iterator[Row]]]] = [
    ("legacy and new CA side by side", legacy_and_new),
    ("alternate paths: the issuer is a key", cross_signed),
    ("a CA distrusted for new certificates", distrusted),
    ("pin rotation with overlap, then a theft", rotation_and_theft),
    ("rescue by the backup authority", rescue),
]


def tell(folder: Path) -> Iterator[Row]:
    """Tell every chapter, each on a board of its own. A board that fails ends the story."""
    desk = Desk(folder / "desk")
    image = rom(folder / "rom")
    for number, (title, chapter) in enumerate(CHAPTERS, 1):
        flash = folder / f"flash-{number}.img"
        with Board(flash, heap=HEAP, rtc=int(time.time()), rom=image) as board:
            yield from chapter(Place(title, desk, board))


def rom(folder: Path) -> bytes:
    """The ROMFS image of a story board: the compiled package and the program."""
    # The simulated board is a 32-bit x86 machine.
    shutil.copytree(deploy.package_folder("mpy", "x86"), folder / "lib" / "trustanchor")
    (folder / "lib" / "story.py").write_text(_PROGRAM)
    return romfs.build(folder)


def _ago(days: int) -> int:
    return int(time.time()) - days * _DAY_S
