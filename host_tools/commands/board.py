# SPDX-License-Identifier: MIT
"""`trustanchor board`: boards on serial ports, listed, provisioned, updated, tested, one or many.

The thinking is in host_tools/boards; mpremote's transport does the talking. Every verb works on
several ports at once, tells one outcome a board, and its exit code says whether all succeeded.
"""

import argparse
import contextlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mpremote.transport import TransportError

from host_tools.boards import (
    definitions,
    flashing,
    images,
    ports,
    product,
    provisioning,
    selftest,
    station,
    updating,
)
from host_tools.boards import talk as talking
from host_tools.boards.station import Outcome, Report
from host_tools.cli.errors import HostError
from host_tools.cli.output import console, print_json, printable, table, verdict_text
from host_tools.signing import draft, keyfiles
from trustanchor.limits import BUNDLE_BYTES

_EXAMPLE = """\
examples:
  trustanchor board list
  trustanchor board flash --firmware ESP32_GENERIC_C3-v1.26.1.bin --port /dev/ttyACM0
  trustanchor board provision thermostat.toml --port /dev/ttyUSB0
  trustanchor board provision thermostat.toml --all --log line.log
  trustanchor board update fleet-8.bundle --port /dev/ttyUSB0
  trustanchor board test --port /dev/ttyUSB0 --json

Each verb but `console` interrupts the program on the board and restarts it at the end.
"""

Adder = Callable[[argparse.ArgumentParser], None]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "board",
        help="boards on serial ports: list, flash, provision, update, status, test, console",
        description="Boards on serial ports.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(
        dest="verb", metavar="VERB", required=True, parser_class=type(parser)
    )
    listed = _verb(verbs, "list", "what is on the serial ports", _list)
    listed.add_argument(
        "--quiet-ports", action="store_true", help="show the ports and leave the boards running"
    )
    flashed = _verb(verbs, "flash", "MicroPython onto a board, by esptool", _flash)
    flashed.add_argument(
        "--firmware",
        type=Path,
        required=True,
        metavar="IMAGE.bin",
        help="MicroPython for the chip",
    )
    flashed.add_argument(
        "--board", metavar="NAME", help="of boards/; default: by the image's chip"
    )
    flashed.add_argument(
        "--erase", action="store_true", help="everything first: files, trust and settings too"
    )
    flashed.add_argument("--yes", action="store_true", help="do not ask before --erase")
    flashed.add_argument(
        "--no-reset", action="store_true", help="no reset lines: BOOT is held by hand"
    )
    made = _verb(verbs, "provision", "package, identity and first trust state", _provision)
    made.add_argument("product", type=Path, metavar="PRODUCT.toml", help="what a board becomes")
    made.add_argument(
        "--verify-only", action="store_true", help="write nothing: is the board as it should be?"
    )
    made.add_argument(
        "--erase-trust",
        action="store_true",
        help="make a board of another product, fleet or identity yours: it forgets what it trusts",
    )
    made.add_argument("--yes", action="store_true", help="do not ask before --erase-trust")
    keyfiles.add_passphrase_option(made)
    updated = _verb(verbs, "update", "a bundle, verified by the board itself", _update)
    updated.add_argument("bundle", type=Path, metavar="BUNDLE", help="a signed bundle")
    _verb(verbs, "status", "what a board is, runs and trusts", _status)
    _verb(verbs, "test", "known answers of every algorithm, store, clock, heap", _test)
    shell = verbs.add_parser("console", help="the board's REPL (mpremote's)")
    shell.add_argument("--port", metavar="PORT", help="serial port; not needed for the only board")
    shell.set_defaults(act=_console)


def _verb(
    verbs: Any, name: str, about: str, act: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(
        name, help=about, description=f"{about[0].upper()}{about[1:]}."
    )
    parser.add_argument(
        "--port", action="append", default=[], metavar="PORT", help="serial port; repeatable"
    )
    parser.add_argument("--all", action="store_true", help="every board that is plugged in")
    parser.add_argument(
        "--log", type=Path, metavar="FILE", help="add a line of JSON for each board, with its MAC"
    )
    parser.add_argument("--json", action="store_true", help="for scripts")
    parser.set_defaults(act=act)
    return parser


def run(arguments: argparse.Namespace) -> int:
    return int(arguments.act(arguments))


def _each(
    arguments: argparse.Namespace,
    work: Callable[[talking.Talk, Report], dict[str, Any]],
    found: list[str] | None = None,
) -> list[Outcome]:
    """Do the work on every chosen board, with its REPL open."""

    def on_port(port: str, report: Report) -> dict[str, Any]:
        mac = None
        try:
            with talking.open_board(port) as talk:
                try:
                    return work(talk, report)
                except HostError:
                    # Refused and left as it was: its own program goes on.
                    with contextlib.suppress(TransportError, OSError):
                        talk.board.reset()
                    raise
                finally:
                    mac = talk.mac
        except HostError as error:
            value = error.value if isinstance(error, station.Failure) else {"mac": mac}
            raise station.Failure(error.message, error.code, value) from None

    chosen = found if found is not None else ports.chosen(arguments.port, arguments.all)
    return station.work_on(chosen, on_port, arguments.verb, arguments.log, arguments.json)


def _about(talk: talking.Talk, report: Report) -> dict[str, Any]:
    report("who is it", 0, 1)
    about = talking.about(talk)
    talk.board.reset()
    return {**about.as_json(), "state": about.state}


def _list(arguments: argparse.Namespace) -> int:
    named = [ports.Port(name) for name in dict.fromkeys(arguments.port)]
    found = named or ports.plugged_in()
    if arguments.quiet_ports:
        outcomes = [Outcome(port.name, "ok", "") for port in found]
    else:
        outcomes = _each(arguments, _about, [port.name for port in found])
    usb = {port.name: port for port in found}
    if arguments.json:
        print_json([{**one.as_json(), "usb": usb[one.port].usb} for one in outcomes])
        return _exit_code(outcomes)
    if not found:
        print("No board is plugged in. A port that is none of USB is named with --port.")
        return 0
    shown = table("", "port", "usb", "MAC", "machine", "MicroPython", "package", "trust")
    for one in outcomes:
        value = one.value
        shown.add_row(
            printable(one.port, 40),
            usb[one.port].usb,
            _mac(one),
            value.get("machine") or usb[one.port].about,
            value.get("micropython", ""),
            value.get("package") or "",
            value.get("state", one.message),
        )
    console().print(shown)
    return _exit_code(outcomes)


def _flash(arguments: argparse.Namespace) -> int:
    # The image is looked at before any board is touched.
    name = arguments.board
    definition = (
        definitions.load(name)
        if name
        else definitions.for_chip(images.chip_of(arguments.firmware))
    )
    if definition.chip is None:
        raise HostError(
            f"{definition.name} is simulated: nothing is flashed on it.", "board.usage"
        )
    image = images.read(arguments.firmware, definition)
    chosen = ports.chosen(arguments.port, arguments.all)
    if arguments.erase:
        _confirm(arguments, f"{len(chosen)} board(s) lose everything that is on their flash.")
    reset = not arguments.no_reset

    def work(port: str, report: Report) -> dict[str, Any]:
        report("who is it", 0, 1)
        found = flashing.detect(port, reset=reset)
        value = {"mac": found.mac, "chip": found.chip, "flash_bytes": found.flash_bytes}
        wrong = None
        if found.chip != definition.chip:
            wrong = f"the chip is {found.chip}, and the image is for {definition.chip}"
        elif found.flash_bytes < (definition.flash_bytes or 0):
            wrong = f"its flash has {found.flash_bytes >> 20} MB, {definition.name} needs more"
        if wrong:
            with contextlib.suppress(HostError):
                flashing.restart(port, reset=reset)
            raise station.Failure(f"{printable(port)}: {wrong}.", "board.wrong_chip", value)
        flashing.flash(
            port, image, definition, erase=arguments.erase, progress=report, reset=reset
        )
        version = ".".join(map(str, image.version))
        return {**value, "board": definition.name, "micropython": version}

    outcomes = station.work_on(chosen, work, arguments.verb, arguments.log, arguments.json)
    return _report(
        arguments, outcomes, lambda one: f"MicroPython {one.value['micropython']}, verified"
    )


def _provision(arguments: argparse.Namespace) -> int:
    wanted = product.load(arguments.product, arguments)
    if arguments.verify_only and arguments.erase_trust:
        raise HostError("--verify-only writes nothing: leave out --erase-trust.", "board.usage")
    chosen = ports.chosen(arguments.port, arguments.all)
    if arguments.erase_trust:
        _confirm(arguments, f"{len(chosen)} board(s) forget what they trust and whose they are.")
    architectures = {definitions.load(name).architecture for name in definitions.names()}
    provisioning.prepare(tuple(sorted(architectures)))

    def work(talk: talking.Talk, report: Report) -> dict[str, Any]:
        if arguments.verify_only:
            return provisioning.verify(talk, wanted, report).as_json()
        return provisioning.provision(
            talk, wanted, erase_trust=arguments.erase_trust, progress=report
        ).as_json()

    outcomes = _each(arguments, work, chosen)

    def said(one: Outcome) -> str:
        if arguments.verify_only:
            return "as it should be"
        return f"{one.value['state']}, {len(one.value['written'])} files written"

    return _report(arguments, outcomes, said)


def _update(arguments: argparse.Namespace) -> int:
    content = draft.read_signed(arguments.bundle)
    if len(content) > BUNDLE_BYTES:
        raise HostError(
            f"{arguments.bundle}: larger than {BUNDLE_BYTES} bytes, which no board takes.",
            "input.too_large",
        )
    updating.digest_of(content)  # what is no bundle reaches no board
    outcomes = _each(arguments, lambda talk, report: updating.update(talk, content, report))

    def said(one: Outcome) -> str:
        trust = one.value["trust"]
        text = f"{one.value['state']}: {trust['epoch']}/{trust['sequence']}"
        if one.value["state"] == "on trial":
            return f"{text}, {trust['tries']} tries left"
        return text

    return _report(arguments, outcomes, said)


def _status(arguments: argparse.Namespace) -> int:
    outcomes = _each(arguments, _about)
    if arguments.json:
        return _report(arguments, outcomes, lambda one: "")
    for one in outcomes:
        print(f"{printable(one.port)}")
        if not one.is_done:
            print(f"  {one.message}")
            continue
        value = one.value
        trust = value["trust"] or {}
        rows = [
            ("MAC", _mac(one)),
            ("machine", value["machine"]),
            (
                "MicroPython",
                f"{value['micropython']} ({value['architecture'] or 'bytecode only'})",
            ),
            ("package", value["package"] or "none"),
            ("product", _named(value, "product", "fleet", "device_id")),
            ("trust", value["state"]),
            ("active", trust.get("active", "")),
            ("trial", trust.get("trial") and f"{trust['trial']}, {trust['tries']} tries left"),
            ("retired", trust.get("retired")),
            ("notes", ", ".join(trust.get("notes", []))),
            ("heap", f"{value['heap_free']:,} bytes free"),
            ("flash", f"{value['flash_free']:,} of {value['flash_size']:,} bytes free"),
        ]
        for name, text in rows:
            if text not in (None, ""):
                print(f"  {name:<12}{text}")
    return _exit_code(outcomes)


def _test(arguments: argparse.Namespace) -> int:
    def work(talk: talking.Talk, report: Report) -> dict[str, Any]:
        about = talking.about(talk)
        if about.package is None:
            raise HostError(
                "There is no trustanchor package on this board: `trustanchor board provision` "
                "first.",
                "board.not_provisioned",
            )
        rows = selftest.run(talk, report)
        talk.board.reset()
        wrong = [row.name for row in rows if not row.is_right]
        value = {**about.as_json(), "tests": [row.as_json() for row in rows], "wrong": wrong}
        if wrong:
            raise station.Failure(
                f"{len(wrong)} wrong: {', '.join(wrong)}.", "board.test_failed", value
            )
        return value

    outcomes = _each(arguments, work)
    if not arguments.json:
        for one in outcomes:
            if "tests" in one.value:
                shown = table(
                    f"{printable(one.port)}  {_mac(one)}", "test", "", "said", "ms", "heap"
                )
                for row in one.value["tests"]:
                    verdict = verdict_text(row["right"], "ok" if row["right"] else "WRONG")
                    numbers = [
                        "" if row[key] is None else str(row[key]) for key in ("ms", "heap_bytes")
                    ]
                    shown.add_row(row["name"], verdict, row["said"], *numbers)
                console().print(shown)
    return _report(arguments, outcomes, lambda one: f"{len(one.value['tests'])} tests, all right")


def _console(arguments: argparse.Namespace) -> int:
    (port,) = ports.chosen([arguments.port] if arguments.port else [])
    return subprocess.run([sys.executable, "-m", "mpremote", "connect", port, "repl"]).returncode


def _report(
    arguments: argparse.Namespace, outcomes: list[Outcome], said: Callable[[Outcome], str]
) -> int:
    """One line a board and one for all of them, or JSON; the exit code of all."""
    if arguments.json:
        print_json([one.as_json() for one in outcomes])
        return _exit_code(outcomes)
    for one in outcomes:
        text = said(one) if one.is_done else f"{one.code}: {one.message}"
        who = "  ".join(word for word in (printable(one.port), _mac(one)) if word)
        print(f"{who}  {text}  ({one.seconds:.1f} s)")
    failed = sum(not one.is_done for one in outcomes)
    if len(outcomes) > 1 or failed:
        print(f"{len(outcomes) - failed} of {len(outcomes)} boards done.")
    return _exit_code(outcomes)


def _exit_code(outcomes: list[Outcome]) -> int:
    return 0 if all(one.is_done for one in outcomes) else 1


def _mac(one: Outcome) -> str:
    return product.spelled(one.mac) if one.mac else ""


def _named(value: dict[str, Any], *keys: str) -> str:
    return ", ".join(str(value[key]) for key in keys if value[key])


def _confirm(arguments: argparse.Namespace, what: str) -> None:
    if arguments.yes:
        return
    if not sys.stdin.isatty():
        raise HostError(f"{what} Say --yes if that is meant.", "board.not_confirmed")
    print(f"{what} Type yes to go on: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != "yes":
        raise HostError("Nothing was done.", "board.not_confirmed")
