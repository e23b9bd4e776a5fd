# SPDX-License-Identifier: MIT
"""`trustanchor calendar`: what ends when, and the last day on which a bundle must be out."""

import argparse
import datetime
import hashlib
from pathlib import Path

from host_tools.cli.output import console, print_json, printable, table
from host_tools.ops import dates, hss_rate, states, timeline
from host_tools.signing import draft, live, outputs

_EXAMPLE = """\
examples:
  trustanchor calendar fleet-7.bundle fleet-8.bundle
  trustanchor calendar fleet.bundle --host broker.example.net:8883 --lead 60
  trustanchor calendar fleet.bundle --ics trust.ics --html trust.html

exit code: 1 when the last day for a bundle is over
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "calendar",
        help="what ends when, and the last day on which a bundle must be out",
        description="List the dates of deployed states, of what live servers show, of what root "
        "programs have announced, and of HSS signers at the rate at which they sign.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bundles", nargs="+", type=Path, metavar="BUNDLE")
    parser.add_argument(
        "--host",
        action="append",
        default=[],
        metavar="HOST[:PORT]",
        help="a server to ask for its certificates; may be given again",
    )
    parser.add_argument(
        "--lead", type=_days, default=30, metavar="DAYS", help="days a fleet takes to receive (30)"
    )
    parser.add_argument(
        "--ics", type=Path, metavar="FILE", help="write it as iCalendar too, a day an event"
    )
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="write a page with a timeline, for a browser"
    )
    parser.add_argument("--json", action="store_true", help="for scripts")


def _days(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 4):
        raise argparse.ArgumentTypeError("a number of days from 0 to 9999")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    endpoints = [live.parse_endpoint(one, live.DEFAULT_PORT) for one in arguments.host]
    deployed = [states.load(path) for path in arguments.bundles]
    chains = {str(endpoint): live.fetch_chain(endpoint) for endpoint in endpoints}
    today = _today()
    found = [one for state in deployed for one in dates.of_state(state)]
    found += [one for where, chain in chains.items() for one in dates.of_chain(chain, where)]
    found += dates.public(deployed, chains, today)
    found += hss_rate.ends((str(path), draft.read_signed(path)) for path in arguments.bundles)
    found = dates.in_order(found)
    late = [one for one in found if (one.last_day(arguments.lead) or "9999") < str(today)]
    if arguments.ics:
        outputs.replace(arguments.ics, ics(found, arguments.lead), 0o644)
    if arguments.html:
        midnight = datetime.datetime.combine(today, datetime.time(), datetime.UTC)
        text = timeline.page(found, late, arguments.lead, int(midnight.timestamp()))
        outputs.replace(arguments.html, text.encode(), 0o644)
    if arguments.json:
        rows = [one.as_json(arguments.lead) for one in found]
        print_json({"ok": not late, "lead_days": arguments.lead, "dates": rows})
    else:
        _print(found, late, arguments.lead)
    return 1 if late else 0


def _today() -> datetime.date:
    return datetime.datetime.now(datetime.UTC).date()


def ics(found: list[dates.Date], lead: int) -> bytes:
    """The dates as an iCalendar file (RFC 5545): each end, and each last day for a bundle.

    The same dates give the same bytes, so that a calendar that subscribes sees what has changed.
    """
    from icalendar import Calendar, Event  # slow to load, and `--help` loads this module

    made = Calendar()
    made.add("prodid", "-//trustanchor//calendar//EN")
    made.add("version", "2.0")
    for one in found:
        if one.at is None:
            continue  # what cannot be read has no day; the table says so
        days = [(one.at, f"{one.kind} ends: {one.what}", "")]
        if one.needs_bundle:
            days.append((one.at - lead * dates.DAY_S, f"last day for a bundle: {one.what}", "by"))
        for at, summary, what in days:
            day = dates.day_of(at)
            identity = "|".join((one.kind, one.what, one.where, what, day.isoformat()))
            event = Event()
            event.add("uid", f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}@trustanchor")
            event.add("dtstamp", datetime.datetime(1980, 1, 1, tzinfo=datetime.UTC))
            event.add("dtstart", day)
            event.add("summary", printable(summary, 200))
            event.add("location", printable(one.where, 200))
            if one.note or one.source:
                event.add("description", printable(f"{one.note} {one.source or ''}".strip(), 400))
            made.add_component(event)
    return bytes(made.to_ical())


def _print(found: list[dates.Date], late: list[dates.Date], lead: int) -> None:
    shown = table("", "ends", "bundle by", "kind", "what", "where")
    for one in found:
        ends = one.as_json(lead)["ends"]
        day = str(ends).partition("T")[0] if ends else "?"
        note = f"\n{one.note}" if one.note else ""
        by = one.last_day(lead) or ""
        by = f"{by} over" if one in late else by
        shown.add_row(day, by, one.kind, f"{one.what}{note}", one.where)
    console().print(shown)
    print(timeline.summary(found, late, lead))
