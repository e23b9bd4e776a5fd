# SPDX-License-Identifier: MIT
"""A calendar as a self-contained HTML page: the rehearsal's timeline, and a table."""

from html import escape

from host_tools.ops.dates import DAY_S, Date, day_of
from host_tools.rehearsal.page import BAR, HEAD, ROW, STYLE, table_of

_SHOWN = 60  # characters of a label


def page(found: list[Date], late: list[Date], lead_days: int, now: int) -> str:
    """Return the document. found is in order; late are those whose last day is over."""
    dated = [one for one in found if one.at is not None]
    answer = summary(found, late, lead_days)
    rows: list[tuple[str, ...]] = []
    for one in found:
        by = one.last_day(lead_days) or ""
        day = "?" if one.at is None else str(day_of(one.at))
        by = f"{by} over" if one in late else by
        rows.append((day, by, one.kind, one.what, one.where, f"{one.note} {one.source or ''}"))
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Calendar</title><style>{STYLE}</style></head><body><main>",
            f"<h1>Calendar</h1><p><strong>{escape(answer)}</strong></p>",
            "<h2>Timeline</h2>",
            '<div class="scroll" role="region" aria-label="Timeline" tabindex="0">',
            _timeline(dated, late, lead_days, now) if dated else "<p>No date.</p>",
            "</div>",
            table_of("Dates", ("ends", "bundle by", "kind", "what", "where", "note"), rows),
            "</main></body></html>",
            "",
        ]
    )


def summary(found: list[Date], late: list[Date], lead_days: int) -> str:
    return (
        f"{len(late)} of {len(found)} are late: a fleet takes {lead_days} days to receive a "
        "bundle."
    )


def _timeline(dated: list[Date], late: list[Date], lead_days: int, now: int) -> str:
    """A bar from today to each end; hatched are the days for which a bundle comes too late."""
    begins = min(now, *(one.at or 0 for one in dated))
    ends = max(now + DAY_S, *(one.at or 0 for one in dated))
    drawn = [
        f'<svg height="{HEAD + ROW * len(dated)}" role="group" aria-labelledby="what">',
        '<title id="what">One row for each date, from today on; hatched are the days before an '
        "end in which a bundle comes too late. The table below says the same.</title>",
        '<defs><pattern id="hatch" width="8" height="8" patternUnits="userSpaceOnUse">'
        '<rect width="8" height="8" fill="#fbb"/>'
        '<path d="M0 8L8 0" stroke="#900" stroke-width="2"/></pattern></defs>',
        f'<text x="0" y="16">{day_of(begins)}</text>',
        f'<text x="100%" y="16" text-anchor="end">{day_of(ends)}</text>',
    ]
    scale = 100 / (ends - begins)
    for number, one in enumerate(dated):
        y, end = HEAD + number * ROW, one.at or 0
        label = f"{day_of(end)} {one.kind}: {one.what}"
        shown = label if len(label) <= _SHOWN else label[: _SHOWN - 1] + "\N{HORIZONTAL ELLIPSIS}"
        by = end - lead_days * DAY_S if one.needs_bundle else end
        over = " \N{EM DASH} over" if one in late else ""
        drawn.append(f'<text x="0" y="{y + 14}">{escape(shown + over)}</text>')
        for kind, first, last in (("good", min(now, by), by), ("bad", by, end)):
            if last > first:
                x = max(0.0, (first - begins) * scale)
                width = max(0.5, (last - begins) * scale - x)
                x = min(x, 100 - width)
                reason = f"{label}, bundle by {one.last_day(lead_days) or 'none needed'}"
                reach = f' tabindex="0" role="img" aria-label="{escape(reason)}"'
                drawn.append(
                    f'<rect class="{kind}" x="{x:.2f}%" y="{y + 20}" width="{width:.2f}%" '
                    f'height="{BAR}"{reach if kind == "bad" else ""}>'
                    f"<title>{escape(reason)}</title></rect>"
                )
    return "\n".join([*drawn, "</svg>"])
