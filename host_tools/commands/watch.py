# SPDX-License-Identifier: MIT
"""`trustanchor watch`: live servers against deployed states, for cron and CI.

Every address in both TLS versions goes through the device's own judge(), today and at each date at
which the verdict may change. The exit code is for a scheduler, JSON for a script, and a text file
of metrics for the Prometheus node exporter's textfile collector.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from host_tools.cli.errors import HostError
from host_tools.cli.output import print_json
from host_tools.ops import margin, seen, states
from host_tools.signing import live

_DAY_S = 86400
_EXAMPLE = """\
examples:
  trustanchor watch broker.example.net:8883 --state fleet-7.bundle --state fleet-8.bundle
  trustanchor watch example.net --state fleet.bundle --days 21 --prometheus /metrics/trust.prom

exit code: 1 when a state refuses a server, when it will within --days, or when an address
completes no handshake
"""

Row = dict[str, object]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "watch",
        help="live servers against deployed states, for cron and CI",
        description="Ask devices of every state about every address of every server, and how long "
        "they will go on accepting what it shows.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("servers", nargs="+", metavar="HOST[:PORT]")
    parser.add_argument(
        "--state",
        required=True,
        action="append",
        type=Path,
        metavar="BUNDLE",
        help="a state that devices have; may be given again",
    )
    parser.add_argument(
        "--days", type=int, default=14, metavar="N", help="margin below which it fails (14)"
    )
    parser.add_argument("--prometheus", type=Path, metavar="FILE", help="write metrics there")
    parser.add_argument("--json", action="store_true", help="for scripts")


def run(arguments: argparse.Namespace) -> int:
    endpoints = [live.parse_endpoint(one, live.DEFAULT_PORT) for one in arguments.servers]
    deployed = [states.load(path) for path in arguments.state]
    now = int(time.time())
    rows: list[Row] = []
    for endpoint in endpoints:
        rows += _rows(endpoint, deployed, now)
    problems = [text for row in rows if (text := _problem(row, arguments.days))]
    if arguments.prometheus:
        _replace(arguments.prometheus, metrics(rows, now))
    if arguments.json:
        print_json({"ok": not problems, "problems": problems, "rows": rows})
        return 1 if problems else 0
    for text in problems:
        print(text)
    if not problems:
        print(f"well: {len(rows)} verdicts, none changes within {arguments.days} days.")
    return 1 if problems else 0


def _rows(endpoint: live.Endpoint, deployed: list[states.Deployed], now: int) -> list[Row]:
    """One row a verdict, and one for each address that completes no handshake at all."""
    try:
        sights = seen.look(endpoint, deployed, now)
    except HostError as error:
        return [_silent(endpoint, "", error)]
    rows: list[Row] = []
    for address in dict.fromkeys(sight.address for sight in sights):
        here = [sight for sight in sights if sight.address == address]
        failed = [sight.error for sight in here if sight.error is not None]
        too_large = [error for error in failed if error.code == "tls.chain_too_large"]
        if too_large or len(failed) == len(here):
            rows.append(_silent(endpoint, address, (too_large or failed)[0]))
        for sight in here:
            for one, answer in zip(deployed, sight.answers, strict=False):
                until = None
                if answer.accepted:
                    chain = list(sight.chain)
                    until = margin.accepted_until(one, chain, endpoint.host, endpoint.port, now)
                rows.append(
                    {
                        "server": str(endpoint),
                        "address": address,
                        "tls": sight.version,
                        **answer.as_json(),
                        "accepted_until": until,
                        "margin_days": None if until is None else (until - now) // _DAY_S,
                    }
                )
    return rows


def _silent(endpoint: live.Endpoint, address: str, error: HostError) -> Row:
    return {
        "server": str(endpoint),
        "address": address,
        "tls": "",
        "state": "",
        "accepted": False,
        "code": error.code,
        "means": error.message,
        "remedy": "",
        "margin_days": None,
    }


def _problem(row: Row, days: int) -> str:
    where = " ".join(str(row[key]) for key in ("server", "address", "tls", "state") if row[key])
    if not row["accepted"]:
        return f"{where}: {row['code']}: {row['means']} {row['remedy']}".rstrip()
    left = row["margin_days"]
    if isinstance(left, int) and left < days:
        return f"{where}: accepted, but for {left} days only."
    return ""


def metrics(rows: list[Row], now: int) -> str:
    """The Prometheus text format; a margin without an end in sight is left out."""
    accepted = ["# TYPE trustanchor_accepted gauge"]
    margins = ["# TYPE trustanchor_margin_days gauge"]
    for row in rows:
        names = ("server", "address", "tls", "state")
        labels = ",".join(f'{name}="{_escaped(str(row[name]))}"' for name in names)
        accepted.append(f"trustanchor_accepted{{{labels}}} {int(bool(row['accepted']))}")
        if row["margin_days"] is not None:
            margins.append(f"trustanchor_margin_days{{{labels}}} {row['margin_days']}")
    last = ["# TYPE trustanchor_watched_at_seconds gauge", f"trustanchor_watched_at_seconds {now}"]
    return "\n".join(accepted + margins + last) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _replace(path: Path, content: str) -> None:
    """Whole or not at all: the collector may read at any moment."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(content)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError:
        os.unlink(name)
        raise
