# SPDX-License-Identifier: MIT
"""What a state says that cannot be meant: found when it is built, and shown to who signs it.

The state is a description (describe.py). Nothing here is refused: devices keep their rules, and a
state may have its reasons. But nobody should sign it without having read the sentence.

    contradictions(shown, "2026-11-27T00:00:00Z") -> ["pin_sets.web: no pin is a backup ...", ...]
"""

from collections.abc import Iterator

from host_tools.signing.describe import Shown, step, whole


def contradictions(shown: Shown, at: str) -> list[str]:
    """One sentence for each; at is now, as describe.time_text() writes it."""
    found = [*_denied(shown), *_sets(shown, at), *_unused(shown), *_anchors(shown, at)]
    return list(dict.fromkeys(found))


def _denied(shown: Shown) -> Iterator[str]:
    denied = set(shown["denied"])
    for name, pin_set in shown["pin_sets"].items():
        for digest in pin_set["pins"]:
            if digest in denied:
                yield f"{_set(name)}: key {digest} is pinned and denied; denied, it never matches"
    for anchor in shown["anchors"].values():
        if anchor["spki_sha256"] in denied:
            yield f"anchor {whole(anchor['name'])}: its key is denied, so it vouches for nobody"


def _sets(shown: Shown, at: str) -> Iterator[str]:
    denied = set(shown["denied"])
    for name, pin_set in shown["pin_sets"].items():
        pins = pin_set["pins"]
        ends = {digest: pin["not_after"] for digest, pin in pins.items() if pin["not_after"]}
        over = {digest for digest, end in ends.items() if end < at}
        for digest in pins:
            if digest in over:
                yield f"{_set(name)}: the window of {digest} ended on {ends[digest]}"
        backups = {digest for digest, pin in pins.items() if pin["backup"]}
        if not backups and pin_set["ratchet"] == "backup":
            yield (
                f"{_set(name)}: no pin is marked as a backup, so a lost or stolen key has no "
                "successor, and none is ever retired"
            )
        elif backups and backups <= over | denied:
            yield f"{_set(name)}: every backup has ended or is denied"
        if pins and set(pins) <= over | denied:
            yield f"{_set(name)}: every pin has ended or is denied; no server is accepted by it"


def _unused(shown: Shown) -> Iterator[str]:
    used = {service["pins"] for service in shown["services"].values()}
    for name in shown["pin_sets"]:
        if name not in used:
            yield f"{_set(name)}: no service uses it"


def _anchors(shown: Shown, at: str) -> Iterator[str]:
    for anchor in shown["anchors"].values():
        if anchor["trust_until"] and anchor["trust_until"] < at:
            name = whole(anchor["name"])
            yield f"anchor {name}: its trust ended on {anchor['trust_until']}"


def _set(name: str) -> str:
    return f"pin_sets.{whole(step(name))}"
