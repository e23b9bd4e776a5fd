# SPDX-License-Identifier: MIT
"""Make a board what its product file says, in an order that a pulled cable cannot harm.

    1. ask       who it is; a board of another product or fleet is left as it is
    2. package   compiled for the board's processor, or already in its ROMFS or firmware
    3. identity  certificate and key of its row, then /device.json
    4. trust     the first state, accepted by the board's own code and by nothing else
    5. program   last: what connects never runs before there is something to trust
    6. check     every file by its hash, and the state by its digest, as the board reads them

Each file appears whole or not at all, and what is already right is not written again: the same
command finishes what was interrupted, and does nothing to a board that is finished.
Refusals: board.*, product.*, and the codes of the device's store.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from host_tools.boards import talk as talking
from host_tools.boards.product import Product, Wanted
from host_tools.boards.talk import ROOT, About, Progress, Talk, no_progress
from host_tools.build import deploy
from host_tools.cli.errors import HostError
from host_tools.cli.output import printable
from host_tools.cli.reasons import REASONS, explain

IN_ROM = "/rom" + deploy.ON_BOARD
_STAGE = ROOT + "/stage"
# Blocks of flash a file takes besides its content, and what the store writes of its own.
_SPARE_BLOCKS = 12

Held = Mapping[str, tuple[int, bytes]]


@dataclass
class Done:
    """What was done to one board. written and removed are paths on it."""

    about: About
    wanted: Wanted
    written: list[str] = field(default_factory=list)
    kept: int = 0
    removed: list[str] = field(default_factory=list)
    trust: str = "kept"

    def as_json(self) -> dict[str, object]:
        return {
            **self.about.as_json(),
            "device_id": self.wanted.device_id,
            "written": self.written,
            "kept": self.kept,
            "removed": self.removed,
            "state": self.trust,
        }


def prepare(architectures: tuple[str, ...] = ()) -> None:
    """Compile the package once, before several boards ask for it at the same time."""
    for name in architectures:
        deploy.package_folder("mpy", name)


def package(architecture: str | None) -> dict[str, bytes]:
    """{path below the package folder: content} as a board of this architecture gets it."""
    folder = deploy.package_folder("mpy", architecture)
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*.mpy"))
    }


def provision(
    talk: Talk,
    product: Product,
    *,
    erase_trust: bool = False,
    progress: Progress = no_progress,
) -> Done:
    """Do it, check it, and restart the board.

    erase_trust  forget what the board trusts and whose it is; else a board of another product or
                 fleet is refused
    """
    progress("who is it", 0, 1)
    about = talking.about(talk)
    wanted = product.for_mac(about.mac)
    if not erase_trust:
        check_owner(about, wanted)
    done = Done(about, wanted)
    files = package(about.architecture)
    held = _held(talk, wanted)
    in_rom = _is_in_rom(held, files)
    target = wanted.files if in_rom else {**_below(deploy.ON_BOARD, files), **wanted.files}
    _check_room(talk, target, held, wanted)
    if in_rom:
        if any(path.startswith(deploy.ON_BOARD) for path in held):
            talk.tell(f"prune({deploy.ON_BOARD!r})")
    else:
        _install(talk, files, held, done, progress)
    if about.trust is None and not erase_trust:
        # There was no package to ask: the record of a board that had lost it is found only now.
        check_owner(talking.about(talk), wanted)
    if erase_trust:
        _told(talk, "erase", repr(ROOT))
        talk.fresh("files")
    _write(talk, wanted.files, held, done, progress)
    done.trust = _trust(talk, wanted, progress)
    if wanted.program is not None:
        _write(talk, {"/main.py": wanted.program}, held, done, progress)
    progress("check", 0, 1)
    done.about = _check(talk, wanted, files)
    progress("check", 1, 1)
    talk.board.reset()
    return done


def verify(talk: Talk, product: Product, progress: Progress = no_progress) -> Done:
    """Check a provisioned board and write nothing. Refuses with board.differs, naming what."""
    progress("check", 0, 1)
    about = talking.about(talk)
    wanted = product.for_mac(about.mac)
    check_owner(about, wanted)
    done = Done(_check(talk, wanted, package(about.architecture)), wanted)
    progress("check", 1, 1)
    talk.board.reset()
    return done


def check_owner(about: About, wanted: Wanted) -> None:
    """Refuse a board that is another's: board.other_product, board.trust_lost."""
    for what, theirs, ours in (
        ("product", about.product, wanted.product),
        ("fleet", about.fleet, wanted.fleet),
        ("device_id", about.device_id, wanted.device_id),
    ):
        if theirs is not None and theirs != ours:
            raise HostError(
                f"This board is of {what} {theirs}, not {ours}: it is left as it is. "
                "--erase-trust makes it yours and forgets what it trusts.",
                "board.other_product",
            )
    trust = about.trust
    if trust is None or trust["code"] == "store.unprovisioned":
        return
    if trust["code"] != "ok":
        raise HostError(
            f"The board's trust cannot be read ({trust['code']}: {_explained(trust['code'])}) "
            "--erase-trust starts anew.",
            "board.trust_lost",
        )
    is_ours = wanted.digest.hex() in (trust["active"], trust["trial"])
    if about.product is None and not is_ours:
        raise HostError(
            "This board trusts something already and does not say whose it is: it is left as it "
            "is. --erase-trust makes it yours and forgets what it trusts.",
            "board.other_product",
        )


def _held(talk: Talk, wanted: Wanted) -> Held:
    folders = [deploy.ON_BOARD, IN_ROM, "/main.py", *wanted.files]
    return talking.listing(talk, *folders)


def _below(folder: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {f"{folder}/{name}": content for name, content in files.items()}


def _is_right(path: str, content: bytes, held: Held) -> bool:
    return held.get(path) == (len(content), sha256(content).digest())


def _is_in_rom(held: Held, files: Mapping[str, bytes]) -> bool:
    there = {path for path in held if path.startswith(IN_ROM + "/")}
    wanted = _below(IN_ROM, files)
    return there == set(wanted) and all(_is_right(*item, held) for item in wanted.items())


def _check_room(talk: Talk, target: Mapping[str, bytes], held: Held, wanted: Wanted) -> None:
    said = talk.ask("room()")
    if not (isinstance(said, list) and len(said) == 2 and all(type(n) is int for n in said)):
        raise HostError("The board does not say how much room it has.", "board.failed")
    size, free = max(1, said[0]), said[1]
    new = {path: content for path, content in target.items() if not _is_right(path, content, held)}
    contents = [*new.values(), wanted.bundle, wanted.program or b""]
    needed = _SPARE_BLOCKS + sum(math.ceil(len(content) / size) for content in contents)
    if needed > free + len([path for path in new if path in held]):
        raise HostError(
            f"The board's flash is too full: {needed * size >> 10} KB are needed, "
            f"{free * size >> 10} KB are free. Remove files of the application first.",
            "board.full",
        )


def _install(
    talk: Talk, files: Mapping[str, bytes], held: Held, done: Done, progress: Progress
) -> None:
    wanted = _below(deploy.ON_BOARD, files)
    folder = deploy.ON_BOARD + "/"
    # Before the rest: MicroPython prefers a stale x.py to a new x.mpy.
    stale = [path for path in held if path.startswith(folder) and path not in wanted]
    if stale:
        talk.tell(f"remove({stale!r})")
        done.removed += stale
    _write(talk, wanted, held, done, progress)


def _write(
    talk: Talk, wanted: Mapping[str, bytes], held: Held, done: Done, progress: Progress
) -> None:
    new = {path: content for path, content in wanted.items() if not _is_right(path, content, held)}
    done.kept += len(wanted) - len(new)
    if not new:
        return
    folders = {
        "/".join(path.split("/")[:depth])
        for path in new
        for depth in range(2, path.count("/") + 1)
    }
    if folders:
        talk.tell(f"make_folders({sorted(folders)!r})")
    total = sum(map(len, new.values()))
    before = 0
    for path, content in new.items():

        def report(path: str, sent: int, _: int, before: int = before) -> None:
            progress(path, before + sent, total)

        talking.send(talk, path, content, report)
        before += len(content)
        done.written.append(path)


def _trust(talk: Talk, wanted: Wanted, progress: Progress) -> str:
    """Give the board its first state, or leave the one it has; returns what was done."""
    progress("trust", 0, 1)
    trust = talking.about(talk).trust
    if trust is None:
        raise HostError("The package on the board cannot be imported.", "board.failed")
    verb = "provision"
    if trust["code"] == "ok":
        if wanted.digest.hex() in (trust["active"], trust["trial"]):
            return "kept"
        if (trust["epoch"], trust["sequence"]) >= (wanted.epoch, wanted.sequence):
            return "kept: newer"
        verb = "install"
    stage(talk, wanted.bundle, progress)
    call = f"{ROOT!r}, {wanted.product!r}, {wanted.device_id!r}"
    _told(talk, verb, call)
    talk.fresh("files")
    progress("trust", 1, 1)
    return "provisioned" if verb == "provision" else "installed"


def stage(talk: Talk, content: bytes, progress: Progress = no_progress) -> None:
    """Put a bundle where the store takes it from."""
    talk.tell(f"make_folders([{ROOT!r}])")
    talking.send(talk, _STAGE, content, progress)


def _told(talk: Talk, verb: str, arguments: str) -> None:
    """Have the board's store do something; refuses with the board's own code."""
    check_decided(decide(talk, verb, arguments))


def check_decided(said: Mapping[str, object]) -> None:
    """Refuse with the code a board has refused with."""
    code = str(said.get("code", "ok"))
    if code != "ok":
        raise HostError(f"The board refuses ({code}): {_explained(code)}", code)


def decide(talk: Talk, verb: str, arguments: str) -> dict[str, object]:
    """Return {code, detail, ms} of a verb of boards/device/trust.py, on a freshly reset board."""
    talk.fresh("trust")
    talk.tell(f"set_clock({int(time.time())})")
    said = talk.ask(f"{verb}({arguments})")
    if not (
        isinstance(said, dict)
        and isinstance(said.get("code"), str)
        and type(said.get("ms")) is int
    ):
        raise HostError("The board does not say how it decided.", "board.failed")
    return {**said, "code": printable(said["code"], 60)}


def _explained(code: object) -> str:
    return explain(str(code)) if code in REASONS else "no reason this host knows."


def _check(talk: Talk, wanted: Wanted, files: Mapping[str, bytes]) -> About:
    """Compare the whole board with what it should be; refuses with board.differs."""
    held = _held(talk, wanted)
    target = dict(wanted.files)
    if wanted.program is not None:
        target["/main.py"] = wanted.program
    if not _is_in_rom(held, files):
        target |= _below(deploy.ON_BOARD, files)
    wrong = [path for path, content in target.items() if not _is_right(path, content, held)]
    wrong += [
        path for path in held if path.startswith(deploy.ON_BOARD + "/") and path not in target
    ]
    about = talking.about(talk)
    trust = about.trust
    if trust is None or trust["code"] != "ok":
        wrong.append(f"its trust ({trust['code'] if trust else 'no package'})")
    elif wanted.digest.hex() not in (trust["active"], trust["trial"]) and (
        trust["epoch"],
        trust["sequence"],
    ) < (wanted.epoch, wanted.sequence):
        wrong.append("its trust (an older state)")
    if wrong:
        more = f" and {len(wrong) - 4} more" if len(wrong) > 4 else ""
        raise HostError(
            f"The board is not as it should be: {', '.join(printable(w) for w in wrong[:4])}"
            f"{more}. `trustanchor board provision` mends it.",
            "board.differs",
        )
    return about
