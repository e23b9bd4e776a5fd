# SPDX-License-Identifier: MIT
"""`trustanchor explain CODE`: what a refusal means and what to do, for every code there is."""

import argparse
import difflib

from host_tools.cli.errors import HostError
from host_tools.cli.output import print_json, printable
from host_tools.cli.reasons import REASONS

_EXAMPLE = """\
examples:
  trustanchor explain pin.none_matched
  trustanchor explain store              every code of that area
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "explain",
        help="what a refusal code means, and what to do",
        description="Print the sentence behind a code that a device or a command has answered "
        "with, and the remedy. The name of an area (the part before the dot) lists its codes.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("code", metavar="CODE", help="as printed: pin.none_matched")
    parser.add_argument("--json", action="store_true", help="for scripts")


def run(arguments: argparse.Namespace) -> int:
    # As people paste it: with the colon and the detail that follow it in a log.
    asked = arguments.code.strip().partition(":")[0].partition(" ")[0]
    found = [code for code in REASONS if code == asked or code.partition(".")[0] == asked]
    if not found:
        near = difflib.get_close_matches(asked, REASONS, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else "SPEC.md lists all codes."
        raise HostError(f"{printable(asked)} is no code of trustanchor; {hint}", "explain.unknown")
    if arguments.json:
        print_json(
            {code: {"means": REASONS[code][0], "remedy": REASONS[code][1]} for code in found}
        )
        return 0
    for code in found:
        means, remedy = REASONS[code]
        print(f"{code}\n  {means}\n  {remedy}")
    return 0
