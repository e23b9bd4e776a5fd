# SPDX-License-Identifier: MIT
"""`trustanchor chain show`: what a server really sends, and what devices in the field say of it.

A name has many addresses, and a server may show another chain in TLS 1.3 than in 1.2: each is
asked, and each answer goes through the device's own judge() for every state given.
"""

import argparse
from pathlib import Path

from host_tools.cli.output import print_json
from host_tools.commands.pin import found_in_certificate
from host_tools.ops import seen, states
from host_tools.signing import live

_EXAMPLE = """\
examples:
  trustanchor chain show example.net
  trustanchor chain show broker.example.net:8883 --state fleet-7.bundle --state fleet-8.bundle

exit code: 1 when a handshake that a state was asked about is refused, or when none completed
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "chain",
        help="what a server really sends, and what devices say of it",
        description="What a server sends at each of its addresses, in TLS 1.2 and 1.3.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    show = actions.add_parser("show", help="every address, both TLS versions, every state given")
    show.add_argument("server", metavar="HOST[:PORT]")
    show.add_argument(
        "--state",
        action="append",
        default=[],
        type=Path,
        metavar="BUNDLE",
        help="a state that devices have; may be given again",
    )
    show.add_argument("--json", action="store_true", help="for scripts")


def run(arguments: argparse.Namespace) -> int:
    endpoint = live.parse_endpoint(arguments.server, live.DEFAULT_PORT)
    deployed = [states.load(path) for path in arguments.state]
    sights = seen.look(endpoint, deployed)
    # One version that a server does not speak is no fault; no handshake at all is one.
    is_good = any(sight.chain and sight.error is None for sight in sights) and all(
        answer.accepted for sight in sights for answer in sight.answers
    )
    is_good = is_good and not any(
        sight.error is not None and sight.error.code == "tls.chain_too_large" for sight in sights
    )
    if arguments.json:
        print_json([_as_json(sight) for sight in sights])
        return 0 if is_good else 1
    shown: dict[tuple[bytes, ...], str] = {}
    for sight in sights:
        where = f"{sight.address}, TLS {sight.version}"
        print(where)
        if sight.error is not None:
            print(f"  {sight.error.code}: {sight.error.message}")
            continue
        if sight.chain in shown:
            print(f"  the same chain as at {shown[sight.chain]}")
        else:
            shown[sight.chain] = where
            for index, der in enumerate(sight.chain):
                key = found_in_certificate(der, where, index)
                print(f"  {key.role}  {key.subject}  {key.key}  {key.spki_sha256.hex()}")
        for answer in sight.answers:
            print(f"  {answer.sentence()}")
    return 0 if is_good else 1


def _as_json(sight: seen.Sight) -> dict[str, object]:
    error = sight.error
    chain = [
        found_in_certificate(der, sight.address, index).as_json()
        for index, der in enumerate(sight.chain)
    ]
    return {
        "address": sight.address,
        "tls": sight.version,
        "chain": chain,
        "error": None if error is None else {"code": error.code, "message": error.message},
        "answers": [answer.as_json() for answer in sight.answers],
    }
