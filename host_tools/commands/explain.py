# SPDX-License-Identifier: MIT
"""`trustanchor explain CODE`: what a refusal means and what to do, for every code there is; and
the same for each refusal in a capsule or a status document of a device (app/agent.py). A signed
document is verified, and decisions over bundles are made again (ops/receipts.py).

A document comes from the field and may say anything: it is bounded, and all its text is printed
as printable ASCII.
"""

import argparse
import datetime
import difflib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from host_tools.cli.errors import HostError
from host_tools.cli.output import print_json, printable
from host_tools.cli.reasons import REASONS
from host_tools.ops import receipts
from host_tools.signing import draft, inputs

_EXAMPLE = """\
examples:
  trustanchor explain pin.none_matched
  trustanchor explain store              every code of that area
  trustanchor explain status.json        each refusal that a device has written down
  trustanchor explain -                  the same from standard input, over serial say
  trustanchor explain status.cose --key client.pem --bundle 7.bundle --bundle 8.bundle
                                         a signed one, and its decisions over these made again
"""
_DOCUMENT_BYTES = 1 << 18
_KEY_BYTES = 1 << 16


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
    parser.add_argument(
        "--key",
        metavar="FILE",
        help="the device's certificate or public key, PEM: the document must be signed with it",
    )
    parser.add_argument(
        "--bundle",
        metavar="FILE",
        action="append",
        default=[],
        help="what was offered, and what was in force: each decision is made again (repeatable)",
    )
    parser.add_argument("--json", action="store_true", help="for scripts")


def run(arguments: argparse.Namespace) -> int:
    if arguments.code == "-" or Path(arguments.code).is_file():
        return _document(arguments)
    if arguments.key or arguments.bundle:
        raise HostError(
            f"{printable(arguments.code)}: no such file; --key and --bundle go with a status "
            "document of a device.",
            "explain.document",
        )
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
    file = "standard input" if arguments.code == "-" else printable(arguments.code)
    content = inputs.read(arguments.code, _DOCUMENT_BYTES)
    key = None
    if arguments.key:
        key = receipts.public_key(inputs.read(arguments.key, _KEY_BYTES), printable(arguments.key))
    signed = receipts.is_signed(content)
    if signed:
        content = receipts.opened(content, key, file)
    elif key is not None:
        raise HostError(
            f"{file}: not signed; `Agent.write(file, key)` writes signed ones.",
            "explain.signature",
        )
    bundles = [draft.read_signed(Path(file)) for file in arguments.bundle]
    try:
        if len(content) > _DOCUMENT_BYTES:
            raise ValueError
        document = json.loads(content)
        if document["trustanchor"] not in ("capsule", "status"):
            raise ValueError
        events = [_event(one) for one in document["events"]]
        offers = [_receipt(one) for one in document.get("receipts", [])]
        if bundles:
            for offer, one in zip(offers, document.get("receipts", []), strict=True):
                offer["again"] = receipts.replay(document, one, bundles)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise HostError(
            f"{file}: no capsule and no status document of a device; `Capsule.text()` and "
            "`Agent.text()` write them.",
            "explain.document",
        ) from None
    differs = any(_differs(offer) for offer in offers)
    if arguments.json:
        for offer in offers:
            if "again" in offer:
                offer["again"] = asdict(offer["again"])
        verified = None if not signed else key is not None
        print_json({"signature": verified, "events": events, "receipts": offers})
        return int(differs)
    if signed:
        said = "verified" if key is not None else "NOT verified: give the device's --key"
        print(f"signed; the signature is {said}.")
    for offer in offers:
        print(
            f"{offer['at']}  {offer['carrier']} offered {offer['epoch']}/"
            f"{offer['sequence']}: {offer['code']}{_again(offer)}"
        )
    for event in events:
        print(f"{event['at']}  {event['where']}  {event['code']}  {event['seen']} in a row")
        for name in ("detail", "served", "means", "remedy"):
            if event[name]:
                print(f"  {'served key ' if name == 'served' else ''}{event[name]}")
    if not events:
        print("Nothing was refused.")
    if differs:
        print(
            "A decision comes out otherwise on this desk: the receipt or a bundle is not genuine."
        )
    return int(differs)


def _differs(offer: dict[str, Any]) -> bool:
    again = offer.get("again")
    return again is not None and again.code is not None and again.code != offer["code"]


def _again(offer: dict[str, Any]) -> str:
    again = offer.get("again")
    if again is None:
        return ""
    if again.code is None:
        return f" (not decided again: {again.why})"
    return f" (decided again: {'the same' if again.code == offer['code'] else again.code})"


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
