# SPDX-License-Identifier: MIT
"""What a device was refused, for whoever looks at it later: a ring of the last few events.

    capsule = Capsule("/refused.json")       # or Capsule(): in RAM alone
    try:
        sock = tls.connect(HOST, PORT)
    except Refused as refused:
        capsule.note(refused, HOST, PORT)
    print(capsule.text())                    # over serial; `trustanchor explain FILE` reads it

An event is a dict of plain values: number (it counts on), at and clock (Unix seconds and how far
to believe them), code, detail, host, port, served (SPKI SHA-256 of the key that was served, hex),
wanted (those that would have done), time_rule and seen (how many times in a row). What comes from
outside is cut to a length and to printable ASCII. Whoever owns the network can cause as many
refusals as he likes: the same one again only counts, and the file is written once in
CAPSULE_WRITE_S at most.

Depends on: clock, limits.
Heap: 2 KB from a .mpy file; about 0.25 KB an event.
"""

import json
import os

from .. import clock as own_clock
from ..limits import CAPSULE_EVENTS, CAPSULE_TEXT, CAPSULE_WRITE_S

_FIELDS = ("code", "detail", "host", "port", "served", "wanted", "time_rule")


class Capsule:
    """The last CAPSULE_EVENTS refusals.

    path    a file that outlives a reset, or None. One that cannot be read is begun anew
    clock   anything with now() and uptime_s(); the module clock if None
    """

    def __init__(self, path=None, clock=None):
        self._path = path
        self._clock = own_clock if clock is None else clock
        self._events: "list" = []
        self._number = 0
        self._written_at: "int | None" = None  # uptime
        self._is_saved = True
        if path is not None:
            self._load()

    def note(self, refused, host=None, port=None) -> None:
        """Keep a refusal: anything with a code, as Refused and TrustError have it, or a code."""
        verdict = getattr(refused, "verdict", None)
        event = {
            "code": _plain(getattr(refused, "code", refused)),
            "detail": _plain(getattr(refused, "detail", None)),
            "host": _plain(host),
            "port": port,
            "served": _hex(getattr(verdict, "served", None)),
            "wanted": [_hex(pin) for pin in getattr(verdict, "wanted", ())][:4],
            "time_rule": getattr(verdict, "time_rule", None),
        }
        last = self._events[-1] if self._events else {"code": None}
        if all(last.get(name) == event[name] for name in _FIELDS):
            event = last
            self._events.pop()
        else:
            self._number += 1
            event["number"] = self._number
            event["seen"] = 0
        event["seen"] += 1
        event["at"], event["clock"] = self._clock.now()
        self._events.append(event)
        del self._events[:-CAPSULE_EVENTS]
        self._is_saved = False
        if self._path is None:
            return
        now = self._clock.uptime_s()
        if self._written_at is None or now - self._written_at >= CAPSULE_WRITE_S:
            self.save()

    def events(self) -> "list":
        """Return the events, the oldest first."""
        return list(self._events)

    def text(self) -> str:
        """Return the events as JSON."""
        return json.dumps({"trustanchor": "capsule", "events": self._events})

    def save(self) -> None:
        """Write the file now, if there is something new: before a deep sleep, say.

        A medium that fails loses events and nothing else: no trust rests on them.
        """
        if self._path is None or self._is_saved:
            return
        self._written_at = self._clock.uptime_s()
        try:
            with open(self._path + ".new", "w") as file:
                file.write(self.text())
            os.rename(self._path + ".new", self._path)
            self._is_saved = True
        except (OSError, MemoryError):
            pass

    def _load(self) -> None:
        try:
            if os.stat(self._path)[6] > CAPSULE_EVENTS * 1024:  # type: ignore[arg-type]
                return
            with open(self._path) as file:  # type: ignore[arg-type]
                found = json.loads(file.read())["events"]
            events = [one for one in found if _is_event(one)]
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, MemoryError):
            return  # none yet, or anything: nested beyond the C stack, or beyond the heap
        self._events = events[-CAPSULE_EVENTS:]
        self._number = max([0] + [one["number"] for one in self._events])


def _is_event(found) -> bool:
    """Whether something read from a file has what note() relies on."""
    return (
        isinstance(found, dict)
        and isinstance(found.get("number"), int)
        and isinstance(found.get("seen"), int)
        and isinstance(found.get("code"), str)
    )


def _plain(value):
    """A text or number as printable ASCII of a bounded length; None stays None."""
    if value is None:
        return None
    text = str(value)[:CAPSULE_TEXT]
    return "".join([char if " " <= char <= "~" else "?" for char in text])


def _hex(digest):
    return None if digest is None else bytes(digest).hex()
