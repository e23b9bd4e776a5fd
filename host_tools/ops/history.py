# SPDX-License-Identifier: MIT
"""The bundles of a fleet in order: what each changed and replaced, and what does not fit together.

Whether one bundle follows another is asked of the device's own `acceptance.accept`, at the second
in which the later one was issued; no rule of updates is written here a second time.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from host_tools.cli.errors import HostError
from host_tools.cli.output import printable
from host_tools.cli.reasons import explain
from host_tools.signing import describe, draft
from trustanchor.errors import TrustError

# They differ between any two bundles and stand in the record on their own.
_OWN = ("bytes", "payload_digest", "epoch", "sequence", "issued_at", "signed_by", "reason")


@dataclass
class Entry:
    """One state. files are those that hold it; replaces is the newest earlier state whose devices
    take it, None for a first state and for one that nobody here can take (refused has the code).
    stranded are states between the two, with the code with which their devices refuse it."""

    files: list[str]
    content: bytes
    shown: describe.Shown
    replaces: "Entry | None" = None
    refused: str | None = None
    stranded: "list[tuple[Entry, str]]" = field(default_factory=list)
    changes: list[describe.Shown] = field(default_factory=list)

    @property
    def place(self) -> tuple[int, int]:
        return self.shown["epoch"], self.shown["sequence"]

    @property
    def name(self) -> str:
        return "{}/{}".format(*self.place)

    @property
    def digest(self) -> str:
        return str(self.shown["payload_digest"])

    def words(self) -> list[str]:
        """What changed against the state it replaces, one sentence each and none cut."""
        return [_sentence(change) for change in self.changes]

    def as_json(self) -> dict[str, object]:
        before = self.replaces
        return {
            "epoch": self.place[0],
            "sequence": self.place[1],
            "type": self.shown["type"],
            "digest": self.digest,
            "issued_at": self.shown["issued_at"],
            "expires_at": self.shown["expires_at"],
            "signed_by": self.shown["signed_by"],
            "reason": self.shown["reason"],
            "accepted_stranding": self.shown["accepted_stranding"],
            "files": self.files,
            "replaces": before and {"state": before.name, "digest": before.digest},
            "refused": self.refused,
            "changes": self.changes,
        }


@dataclass(frozen=True)
class Finding:
    """kind is unreadable, fork, gap, refused or stranded; text is one sentence for people."""

    kind: str
    text: str

    def as_json(self) -> dict[str, str]:
        return {"kind": self.kind, "text": self.text}


def read(folder: Path) -> tuple[list[Entry], list[Finding]]:
    """The states in folder's `*.bundle` files, oldest first, and all that is wrong with them.

    A file that is no bundle is a finding; a folder without any bundle file is refused with
    log.empty.
    """
    if not folder.is_dir():
        raise HostError(f"{printable(str(folder))}: not a folder.", "log.empty")
    paths = sorted(folder.glob("*.bundle"))
    if not paths:
        raise HostError(
            f"{printable(str(folder))}: no file ends in .bundle. Name the folder in which the "
            "fleet's bundles are kept.",
            "log.empty",
        )
    found: list[Finding] = []
    states: dict[str, Entry] = {}
    for path in paths:
        name = printable(path.name)
        try:
            content = draft.read_signed(path)
            shown = describe.describe(content)
        except TrustError as error:
            text = f"{name}: {error.code}: {explain(error.code)}"
            found.append(Finding("unreadable", text))
            continue
        except HostError as error:
            found.append(Finding("unreadable", error.message))
            continue
        known = states.setdefault(shown["payload_digest"], Entry([], content, shown))
        known.files.append(name)
    entries = sorted(states.values(), key=lambda one: (*one.place, one.digest))
    for number, entry in enumerate(entries):
        _connect(entry, [one for one in entries[:number] if one.place < entry.place])
    return entries, [*found, *_forks(entries), *_gaps(entries), *_refused(entries)]


def _connect(entry: Entry, earlier: list[Entry]) -> None:
    """Find what entry replaces: the newest earlier state whose devices take it."""
    refusals: list[tuple[Entry, str]] = []
    for before in reversed(earlier):
        code = _refusal(entry, before.content)
        if code is None:
            entry.replaces = before
            entry.stranded = [one for one in refusals if one[0].refused is None]
            entry.changes = [
                one
                for one in describe.changes(before.shown, entry.shown)
                if one["field"].partition(".")[0] not in _OWN
            ]
            return
        refusals.append((before, code))
    # The first state of a product replaces nothing. Any later one has to follow one that is here.
    entry.refused = refusals[0][1] if refusals else _refusal(entry, b"")


def _refusal(entry: Entry, current: bytes) -> str | None:
    try:
        draft.accept(entry.content, current, at=draft.record_of(entry.content).floor)
    except TrustError as error:
        return str(error.code)
    return None


def _forks(entries: list[Entry]) -> Iterator[Finding]:
    for place in dict.fromkeys(one.place for one in entries):
        here = [one for one in entries if one.place == place]
        if len(here) > 1:
            each = "; ".join(f"{', '.join(one.files)} is {one.digest}" for one in here)
            yield Finding("fork", f"{here[0].name} is {len(here)} different states: {each}.")


def _gaps(entries: list[Entry]) -> Iterator[Finding]:
    """Numbers that no bundle here has. An epoch after the first may begin with any sequence."""
    places = list(dict.fromkeys(one.place for one in entries))
    last = None
    for epoch, sequence in places:
        first = 0 if last is None else last[0] + 1
        if epoch > first:
            yield Finding("gap", f"no bundle of epoch {_range(first, epoch - 1)} is here.")
        before = (
            0 if last is None and epoch == 0 else last[1] if last and last[0] == epoch else None
        )
        if before is not None and sequence > before + 1:
            numbers = _range(before + 1, sequence - 1)
            yield Finding("gap", f"no bundle of epoch {epoch}, sequence {numbers} is here.")
        last = (epoch, sequence)


def _range(first: int, last: int) -> str:
    return str(first) if first == last else f"{first} to {last}"


def _refused(entries: list[Entry]) -> Iterator[Finding]:
    for entry in entries:
        if entry.refused is not None:
            files = ", ".join(entry.files)
            text = f"{entry.name} ({files}): no device of an earlier state here takes it, "
            yield Finding("refused", f"{text}{entry.refused}: {explain(entry.refused)}")
        for before, code in entry.stranded:
            text = f"devices of {before.name} ({', '.join(before.files)}) do not take {entry.name}"
            yield Finding("stranded", f"{text}, {code}: {explain(code)}")


def _sentence(change: describe.Shown) -> str:
    old, new = change["old"], change["new"]
    name = describe.whole(change["field"])
    if old is None:
        return f"{name}: {describe.whole(new)} is new"
    if new is None:
        return f"{name}: {describe.whole(old)} is gone"
    return f"{name}: {describe.whole(old)} becomes {describe.whole(new)}"
