# SPDX-License-Identifier: MIT
"""`trustanchor rehearse`: is any device stranded by this plan? Asked of the device's own code."""

import argparse
import json
import ssl
import time
from pathlib import Path

from host_tools.cli.errors import HostError
from host_tools.cli.output import console, print_json, table
from host_tools.ops import states
from host_tools.rehearsal import evaluate, findings, margins, page, plan, weak
from host_tools.signing import live, outputs
from host_tools.signing.describe import time_text

_EXAMPLE = """\
examples:
  trustanchor rehearse plan.toml
  trustanchor rehearse plan.toml --html plan.html --json
  trustanchor rehearse init api.example.com --bundle current.bundle -o plan.toml

A plan lists the states that devices have, the chains that servers will send, and when; what
stands in it is told at the top of host_tools/rehearsal/plan.py.

exit code: 1 when a device loses a server, or does not take the newest state
"""


_YEAR_S = 365 * 86400
_PLAN = """\
from = {begins}
until = {ends}

[[state]]
name = "current"
bundle = {bundle}
# until = 2027-03-01          # the day on which the last device has left it

[[server]]
host = {host}
port = {port}

[[server.chain]]
name = "today"
certificates = [{pem}]
# until = 2027-03-01          # then another chain follows; all fields: rehearsal/plan.py
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "rehearse",
        help="which devices a plan would strand, from when and why",
        description="Judge every chain that servers will send as devices of every state will, at "
        "each moment at which a verdict may change.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("plan", type=Path, metavar="PLAN", help="the plan; or the word init")
    parser.add_argument(
        "server", nargs="?", help="with init: the live server that a first plan is made from"
    )
    parser.add_argument(
        "--bundle", type=Path, metavar="FILE", help="with init: the bundle that devices have"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="with init: the plan; default: plan.toml"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the timeline there")
    parser.add_argument("--json", action="store_true", help="for scripts")


def run(arguments: argparse.Namespace) -> int:
    if str(arguments.plan) == "init":
        return _init(arguments)
    if arguments.server or arguments.bundle or arguments.output:
        raise HostError(
            "A server, --bundle and --output go with `trustanchor rehearse init`.", "plan.usage"
        )
    read = plan.load(arguments.plan)
    outcome = evaluate.evaluate(read)
    found = findings.findings(read, outcome)
    said = findings.answer(read, found)
    kept = margins.margins(read)
    points = weak.single_points(read)
    ending = weak.ends_next(read)
    if arguments.html:
        content = page.page(read, outcome, found, said, kept, [*points, *ending])
        outputs.replace(arguments.html, content.encode())
    if arguments.json:
        print_json(
            {
                "ok": not found,
                "answer": said,
                "findings": [one.as_json() for one in found],
                "margins": [one.as_json() for one in kept],
                "single_points": points,
                "ends_next": ending,
                "moments": outcome.moments,
                "verdicts": outcome.verdicts,
            }
        )
        return 1 if found else 0
    print(said)
    if found:
        shown = table("", "from", "devices", "lose", "because", "remedy")
        for one in found:
            lost = f"state {one.chain}" if one.is_update else f"{one.server}, chain {one.chain}"
            day = str(time_text(one.at)).partition("T")[0]
            shown.add_row(day, one.who, lost, one.code, one.remedy)
        console().print(shown)
    for margin in kept:
        print(_margin(margin))
    for text in (*points, *ending):
        print(text)
    return 1 if found else 0


def _init(arguments: argparse.Namespace) -> int:
    """Write a plan of a year with what is there today: one bundle, one server, its chain."""
    if not arguments.server or not arguments.bundle:
        raise HostError(
            "Name the server and the bundle: trustanchor rehearse init HOST[:PORT] --bundle FILE.",
            "plan.usage",
        )
    output = arguments.output or Path("plan.toml")
    pem = output.with_suffix(".pem")
    endpoint = live.parse_endpoint(arguments.server, live.DEFAULT_PORT)
    states.load(arguments.bundle)
    chain = live.fetch_chain(endpoint)
    now = int(time.time())
    text = _PLAN.format(
        begins=str(time_text(now)),
        ends=str(time_text(now + _YEAR_S)),
        # JSON's strings are TOML's.
        bundle=json.dumps(str(arguments.bundle.resolve())),
        host=json.dumps(endpoint.host),
        port=endpoint.port,
        pem=json.dumps(pem.name),
    )
    outputs.write_new(pem, "".join(ssl.DER_cert_to_PEM_cert(der) for der in chain).encode())
    outputs.write_new(output, text.encode())
    if arguments.json:
        print_json({"plan": str(output), "certificates": str(pem)})
    else:
        print(f"{output}: add what will change, then: trustanchor rehearse {output}")
    return 0


def _margin(margin: margins.Margin) -> str:
    head = f"{margin.server}, chain {margin.chain}"
    if margin.state is None:
        return f"{head}: every state accepts it."
    if margin.days is None or margin.days < 0:
        return f"{head}: state {margin.state} refuses it and is still there."
    return f"{head}: {margin.days} days after state {margin.state}, which refuses it, is gone."
