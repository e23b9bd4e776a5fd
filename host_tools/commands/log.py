# SPDX-License-Identifier: MIT
"""`trustanchor log`: the record of a fleet's bundles that an auditor asks for."""

import argparse
import re
from pathlib import Path

from host_tools.cli.output import console, print_json, table
from host_tools.ops import history

_EXAMPLE = """\
examples:
  trustanchor log bundles
  trustanchor log bundles --markdown > record.md

exit code: 1 when a file is no bundle, when a state is missing, stands there twice with different
content, or is taken by no device of an earlier one
"""
_SHORT = 16


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "log",
        help="what each bundle of a fleet changed, who signed it, and what is missing",
        description="Read the *.bundle files of a folder in the order of their sequence: digest, "
        "signers, what each replaced and changed; then gaps and forks.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="where the bundles are kept")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="for scripts")
    how.add_argument("--markdown", action="store_true", help="for a report; nothing is shortened")


def run(arguments: argparse.Namespace) -> int:
    entries, findings = history.read(arguments.folder)
    if arguments.json:
        print_json(
            {
                "ok": not findings,
                "states": [one.as_json() for one in entries],
                "findings": [one.as_json() for one in findings],
            }
        )
    elif arguments.markdown:
        print(markdown(entries, findings))
    else:
        _print(entries, findings)
    return 1 if findings else 0


def _print(entries: list[history.Entry], findings: list[history.Finding]) -> None:
    shown = table("", "state", "issued", "digest", "replaces", "signed by", "file")
    for one in entries:
        shown.add_row(
            one.name,
            one.shown["issued_at"],
            f"{one.digest[:_SHORT]}...",
            _replaces(one),
            "\n".join(one.shown["signed_by"]),
            ", ".join(one.files),
        )
    console().print(shown)
    for one in entries:
        if one.replaces is not None:
            why = one.shown["reason"]
            print(f"{one.name} after {one.replaces.name}" + (f" ({why}):" if why else ":"))
            for words in one.words() or ["nothing else changes"]:
                print(f"  {words}")
    for finding in findings:
        print(f"{finding.kind}: {finding.text}")
    if not findings:
        print(f"complete: {len(entries)} states, no gap, no fork.")


def _replaces(entry: history.Entry) -> str:
    if entry.replaces is not None:
        return entry.replaces.name
    return "nothing" if entry.refused is None else f"? {entry.refused}"


def markdown(entries: list[history.Entry], findings: list[history.Finding]) -> str:
    """The record as a page: headings, lists, and no text of a bundle that acts as markup."""
    lines = ["# Record of trust states", ""]
    for one in entries:
        lines += [
            f"## {one.name}",
            "",
            f"- type: {one.shown['type']}",
            f"- issued: {one.shown['issued_at']}",
            f"- expires: {one.shown['expires_at'] or 'never'}",
            f"- digest: {one.digest}",
            f"- files: {_escaped(', '.join(one.files))}",
            f"- replaces: {_replaces(one)}" + (f" {one.replaces.digest}" if one.replaces else ""),
            *[f"- signed by: {_escaped(signer)}" for signer in one.shown["signed_by"]],
            *_why(one),
            "",
        ]
        if one.replaces is not None:
            words = one.words() or ["nothing else changes"]
            lines += ["What changed:", "", *[f"- {_escaped(text)}" for text in words], ""]
    lines += ["## Findings", ""]
    lines += [f"- {one.kind}: {_escaped(one.text)}" for one in findings] or ["None."]
    return "\n".join(lines)


def _why(entry: history.Entry) -> list[str]:
    """What the signed payload says of its own purpose."""
    fields = (("reason", "reason"), ("stranding accepted", "accepted_stranding"))
    return [f"- {name}: {_escaped(entry.shown[one])}" for name, one in fields if entry.shown[one]]


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>()#+!|&~])", r"\\\1", text)
