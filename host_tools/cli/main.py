# SPDX-License-Identifier: MIT
"""The `trustanchor` command: finds its subcommands, and turns every failure into one sentence.

A subcommand is a file `<name>.py` in host_tools/commands with

    add_parser(subparsers) -> None    an argparse parser called <name>, with an example in its help
    run(arguments) -> int             0 done, 1 refused

Exit codes: the constants below; `trustanchor --help` and TRANSCRIPTS.md say them too.
"""

import argparse
import difflib
import importlib
import io
import os
import pkgutil
import signal
import sys
from types import ModuleType
from typing import Any, NoReturn

import trustanchor
from host_tools import commands
from host_tools.cli.errors import HostError
from host_tools.cli.output import print_json, printable
from host_tools.cli.reasons import explain
from trustanchor.errors import Refused, TrustError

DONE = 0
REFUSED = 1
USAGE = 2
NOT_THERE = 3
INTERRUPTED = 128 + signal.SIGINT
EXIT_CODES = {
    DONE: "done",
    REFUSED: "refused: by a device's own code, a rule, a board, a server or the network",
    USAGE: "the command line is wrong",
    NOT_THERE: "a file or folder cannot be read or written",
    INTERRUPTED: "interrupted (Ctrl-C)",
}


class _Parser(argparse.ArgumentParser):
    as_json = False  # whether --json stands on the command line that is being read

    def __init__(self, *arguments: Any, **options: Any) -> None:
        # A guessed option is an accident waiting for the day a second one begins the same way.
        super().__init__(*arguments, **{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        """As argparse's, but one line: the whole usage text would bury what is wrong."""
        if _Parser.as_json:
            print_json({"error": {"code": "host.usage", "message": message}})
        self.exit(USAGE, f"{self.prog}: {printable(message)}\nTry `{self.prog} --help`.\n")


def main(argv: list[str] | None = None) -> int:
    _prepare_streams()
    try:
        try:
            return _run(sys.argv[1:] if argv is None else argv)
        finally:
            # Not at exit, so that a closed pipe is noticed while it can still be handled.
            sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        # What is left in the buffer has nowhere to go; Python would try again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return DONE  # the reader (`| head`) has what it wanted
        _refuse("host.io", f"standard output: {error.strerror or error}", as_json=False)
        return NOT_THERE


def _prepare_streams() -> None:
    """Closed standard streams become empty ones; what an encoding lacks is escaped."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - open until the end
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def command_names() -> list[str]:
    """Subcommands, found by listing host_tools/commands: `board_x.py` is `board-x`."""
    found = (module.name for module in pkgutil.iter_modules(commands.__path__))
    return sorted(name.replace("_", "-") for name in found)


def _run(words: list[str]) -> int:
    names = command_names()
    _Parser.as_json = "--json" in words
    if "_ARGCOMPLETE" in os.environ:  # a shell asks what may come next
        import argcomplete

        argcomplete.autocomplete(_parsers({name: _load(name) for name in names})[0])
    # Only the command asked for is imported: `pin` must not wait for what `sim` needs.
    named = words[0] if words and words[0] in names else None
    if words and not words[0].startswith("-") and named is None:
        return _unknown(words[0], names)
    modules = {name: _load(name) for name in ([named] if named else names)}
    parser, subparsers = _parsers(modules)
    arguments, unknown = parser.parse_known_args(words)
    if unknown:
        # Said by the command that does not know them, so that its help is the one named.
        speaker = subparsers.choices.get(arguments.command, parser)
        speaker.error(f"unrecognized arguments: {' '.join(unknown)}")
    if arguments.command is None:
        parser.print_help(sys.stderr)
        return USAGE
    as_json = getattr(arguments, "json", False)
    try:
        return int(modules[arguments.command].run(arguments))
    except HostError as error:
        _refuse(error.code, error.message, as_json)
        return NOT_THERE if error.code == "input.no_such_file" else REFUSED
    except (TrustError, Refused) as error:
        # A detail that is text names the thing; a number is an offset, for a debugger.
        detail = getattr(error, "detail", None)
        where = f" ({printable(detail)})" if isinstance(detail, str) else ""
        return _refuse(error.code, f"{error.code}{where}: {explain(error.code)}", as_json)
    except BrokenPipeError:
        raise
    except OSError as error:
        # A file that is missing, a directory, not ours to read; a port that is closed.
        where = f"{printable(str(error.filename))}: " if error.filename else ""
        _refuse("host.io", f"{where}{error.strerror or error}", as_json)
        return REFUSED if isinstance(error, ConnectionError | TimeoutError) else NOT_THERE


def _load(name: str) -> ModuleType:
    return importlib.import_module(f"host_tools.commands.{name.replace('-', '_')}")


def _parsers(
    modules: dict[str, ModuleType],
) -> tuple[argparse.ArgumentParser, "argparse._SubParsersAction[_Parser]"]:
    parser = _Parser(
        prog="trustanchor",
        description="Pins, trust states and boards: the host side of trustanchor.",
        epilog="Exit codes: "
        + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items())
        + ".",
    )
    parser.add_argument("--version", action="version", version=trustanchor.__version__)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    for module in modules.values():
        module.add_parser(subparsers)
    return parser, subparsers


def _unknown(word: str, names: list[str]) -> int:
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    hint = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(names)}."
    print(f"trustanchor: no command {printable(word)!r}; {hint}", file=sys.stderr)
    return USAGE


def _refuse(code: str | None, message: str, as_json: bool) -> int:
    if as_json:
        print_json({"error": {"code": code, "message": message}})
    print(f"trustanchor: {message}", file=sys.stderr)
    return REFUSED
