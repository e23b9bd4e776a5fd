# SPDX-License-Identifier: MIT
"""One self-contained HTML page: the answer, the timeline as SVG, and the same as tables.

No script and nothing fetched. What is refused is hatched and named, so that black and white and a
screen reader lose nothing; a bar has its reason as a title, and the table below has all of them.
"""

from collections.abc import Sequence
from html import escape

from host_tools.rehearsal.evaluate import Outcome, Stretch
from host_tools.rehearsal.findings import Finding
from host_tools.rehearsal.margins import Margin
from host_tools.rehearsal.plan import Plan
from host_tools.signing.describe import time_text

# Pixels; widths are per cent of the window, so that letters keep their size on a phone.
HEAD, ROW, BAR = 24, 44, 18

STYLE = """\
body { font: 1rem/1.5 sans-serif; margin: 1rem auto; max-width: 60rem; padding: 0 1rem; }
.scroll { overflow-x: auto; }
svg { display: block; width: 100%; font: 13px sans-serif; }
table { border-collapse: collapse; }
caption { text-align: left; }
th, td { border: 1px solid #767676; padding: .2rem .5rem; text-align: left; }
.good { fill: #fff; stroke: #000; }
.bad { fill: url(#hatch); stroke: #000; stroke-width: 2; }
:focus { outline: 3px solid #06c; outline-offset: 2px; }
@media print { .scroll { overflow-x: visible; } }
"""


def page(
    plan: Plan,
    outcome: Outcome,
    found: list[Finding],
    answer: str,
    kept: list[Margin],
    notes: Sequence[str] = (),
) -> str:
    """Return the whole document."""
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Rehearsal</title><style>{STYLE}</style></head><body><main>",
            f"<h1>Rehearsal</h1><p><strong>{escape(answer)}</strong></p>",
            "<h2>Timeline</h2>",
            '<div class="scroll" role="region" aria-label="Timeline" tabindex="0">',
            _timeline(plan, outcome),
            "</div>",
            table_of(
                "What devices lose",
                ("from", "devices", "lose", "because", "remedy"),
                [
                    (
                        _day(one.at),
                        one.who,
                        f"state {one.chain}"
                        if one.is_update
                        else f"{one.server}, chain {one.chain}",
                        one.code,
                        one.remedy,
                    )
                    for one in found
                ],
            ),
            table_of(
                "Margin of each switch",
                ("from", "server", "chain", "days", "state that refuses it"),
                [
                    (
                        _day(one.at),
                        one.server,
                        one.chain,
                        "" if one.days is None else str(one.days),
                        one.state or "none",
                    )
                    for one in kept
                ],
            ),
            "<h2>Also</h2>",
            "<ul>" + "".join(f"<li>{escape(one)}</li>" for one in notes) + "</ul>"
            if notes
            else "<p>Nothing.</p>",
            "</main></body></html>",
            "",
        ]
    )


def _timeline(plan: Plan, outcome: Outcome) -> str:
    rows: dict[tuple[str, str, str], list[Stretch]] = {}
    for one in outcome.stretches:
        if not one.is_update:
            rows.setdefault((one.state, one.server, one.chain), []).append(one)
    height = HEAD + ROW * len(rows)
    drawn = [
        f'<svg height="{height}" role="group" aria-labelledby="what">',
        '<title id="what">One row for each state and chain; hatched where devices refuse. The '
        "table below says the same.</title>",
        '<defs><pattern id="hatch" width="8" height="8" patternUnits="userSpaceOnUse">'
        '<rect width="8" height="8" fill="#fbb"/>'
        '<path d="M0 8L8 0" stroke="#900" stroke-width="2"/></pattern></defs>',
        f'<text x="0" y="16">{_day(plan.begins)}</text>',
        f'<text x="100%" y="16" text-anchor="end">{_day(plan.ends)}</text>',
    ]
    for number, ((state, server, chain), stretches) in enumerate(sorted(rows.items())):
        y = HEAD + number * ROW
        label = f"{state}: {server} / {chain}"
        shown = label if len(label) <= 44 else label[:43] + "\N{HORIZONTAL ELLIPSIS}"
        codes = dict.fromkeys(one.code for one in stretches if not one.accepted)
        if codes:
            shown += f" \N{EM DASH} {', '.join(codes)}"
        drawn.append(f'<text x="0" y="{y + 14}">{escape(shown)}</text>')
        # Devices with other clocks that say the same are one bar; a refusal covers, and is not
        # covered.
        same: dict[tuple[object, ...], list[Stretch]] = {}
        for one in sorted(stretches, key=lambda one: not one.accepted):
            same.setdefault((one.code, one.begins, one.ends, bool(one.retired)), []).append(one)
        drawn += [_bar(plan, some, y, label) for some in same.values()]
    return "\n".join([*drawn, "</svg>"])


def _bar(plan: Plan, some: list[Stretch], y: int, label: str) -> str:
    one = some[0]
    clocks = " or ".join(dict.fromkeys(each.clock for each in some))
    scale = 100 / (plan.ends - plan.begins)
    width = max(1.0, (one.ends - one.begins) * scale)
    x = min((one.begins - plan.begins) * scale, 100 - width)
    kind = "good" if one.accepted else "bad"
    retired = ", a key retired" if one.retired else ""
    reason = (
        f"{label}: {one.code}, clock {clocks}{retired}, {_day(one.begins)} to {_day(one.ends)}"
    )
    # A refusal is a stop of the keyboard and is read out; what is accepted is not in the way.
    reach = "" if one.accepted else f' tabindex="0" role="img" aria-label="{escape(reason)}"'
    return (
        f'<rect class="{kind}" x="{x:.2f}%" y="{y + 20}" width="{width:.2f}%" height="{BAR}"'
        f"{reach}>"
        f"<title>{escape(reason)}</title></rect>"
    )


def table_of(title: str, heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    if not rows:
        return f"<h2>{escape(title)}</h2><p>None.</p>"
    head = "".join(f'<th scope="col">{escape(one)}</th>' for one in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return (
        f'<div class="scroll" role="region" aria-label="{escape(title)}" tabindex="0"><table>'
        f"<caption><h2>{escape(title)}</h2></caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _day(at: int) -> str:
    return str(time_text(at)).partition("T")[0]
