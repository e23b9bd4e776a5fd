# SPDX-License-Identifier: MIT
"""`trustanchor explain CODE`: what a refusal means and what to do, for every code there is; and
the same for each refusal in a capsule or a status document of a device (app/agent.py).

A document comes from the field and may say anything: it is bounded, and all its text is printed
as printable ASCII.
"""

import argparse
import datetime
import difflib
import json
from pathlib import Path
from typing import Any

from host_tools.cli.errors import HostError
from host_tools.cli.output import print_json, printable
from host_tools.cli.reasons import REASONS
from host_tools.signing import inputs

_EXAMPLE = """\
examples:
  trustanchor explain pin.none_matched
  trustanchor explain store              every code of that area
  trustanchor explain status.json        each refusal that a device has written down
  trustanchor explain -                  the same from standard input, over serial say
"""
_DOCUMENT_BYTES = 1 << 18


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "explain",
        help="what a refusal code means, and what to do",
        description="Print the sentence behind a code that a device or a command has answered "
        "with, and the remedy. The name of an area (the part before the dot) lists its codes.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "code",
        metavar="CODE|FILE",
        help="as printed: pin.none_matched; or a capsule or status document, - for standard input",
    )
    parser.add_argument("--json", action="store_true", help="for scripts")


def run(arguments: argparse.Namespace) -> int:
    if arguments.code == "-" or Path(arguments.code).is_file():
        return _document(arguments)
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


def _document(arguments: argparse.Namespace) -> int:
    """Explain a capsule or a status document. Refuses with explain.document what is neither."""
    name = "standard input" if arguments.code == "-" else printable(arguments.code)
    content = inputs.read(arguments.code, _DOCUMENT_BYTES)
    try:
        if len(content) > _DOCUMENT_BYTES:
            raise ValueError
        document = json.loads(content)
        if document["trustanchor"] not in ("capsule", "status"):
            raise ValueError
        events = [_event(one) for one in document["events"]]
        receipts = [_receipt(one) for one in document.get("receipts", [])]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise HostError(
            f"{name}: no capsule and no status document of a device; `Capsule.text()` and "
            "`Agent.text()` write them.",
            "explain.document",
        ) from None
    if arguments.json:
        print_json({"events": events, "receipts": receipts})
        return 0
    for receipt in receipts:
        print(
            f"{receipt['at']}  {receipt['carrier']} offered {receipt['epoch']}/"
            f"{receipt['sequence']}: {receipt['code']}"
        )
    for event in events:
        print(f"{event['at']}  {event['where']}  {event['code']}  {event['seen']} in a row")
        for key in ("detail", "served", "means", "remedy"):
            if event[key]:
                print(f"  {'served key ' if key == 'served' else ''}{event[key]}")
    if not events:
        print("Nothing was refused.")
    return 0


def _event(one: Any) -> dict[str, Any]:
    code = _text(one["code"])
    means, remedy = REASONS.get(code, ("A code of another version.", ""))
    port = one.get("port")
    where = _text(one.get("host")) + (f":{port}" if isinstance(port, int) else "")
    return {
        "at": _time(one),
        "where": where or "-",
        "code": code,
        "detail": _text(one.get("detail")),
        "served": _text(one.get("served")),
        "seen": int(one.get("seen", 1)),
        "means": means,
        "remedy": remedy,
    }


def _receipt(one: Any) -> dict[str, Any]:
    return {
        "at": _time(one),
        "carrier": _text(one["carrier"]),
        "epoch": _text(one.get("epoch")) or "?",
        "sequence": _text(one.get("sequence")) or "?",
        "code": _text(one["code"]),
    }


def _text(value: Any) -> str:
    return "" if value is None else printable(str(value), 200)


def _time(one: Any) -> str:
    """When the device believed it was; "?" behind a clock that nobody had set."""
    try:
        when = datetime.datetime.fromtimestamp(int(one["at"]), datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return "?"
    return f"{when:%Y-%m-%dT%H:%M:%SZ}{'' if one.get('clock') else '?'}"
