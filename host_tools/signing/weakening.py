# SPDX-License-Identifier: MIT
"""Which of the changes from one state to the next take protection away: what a signer reads first.

Both sides are descriptions (describe.py). A field is in the tables below with the rule that says
which direction is the weaker one, or any change of it is listed: what nobody thought of is shown.

    weakenings(old, new) -> ["services.mqtt.hosts: evil.example.net is new", ...]
"""

from collections.abc import Callable
from typing import Any

from host_tools.signing.describe import Shown, step, whole

Rule = Callable[[str, Any, Any], list[str]]


def weakenings(old: Shown, new: Shown) -> list[str]:
    """One sentence for each change that lets more through, or leaves less to fall back on."""
    found = []
    for name in [*old, *(name for name in new if name not in old)]:
        found += _STATE.get(name, _any)(name, old.get(name), new.get(name))
    return found


def _harmless(path: str, old: Any, new: Any) -> list[str]:
    return []


def _any(path: str, old: Any, new: Any) -> list[str]:
    return [] if old == new else [f"{path}: {_said(old)} becomes {_said(new)}"]


def _said(value: Any) -> str:
    return "absent" if value is None else whole(value)


def _floor(path: str, old: Any, new: Any) -> list[str]:
    """A number that protects when it is high; absent protects nothing."""
    return _any(path, old, new) if old is not None and (new is None or new < old) else []


def _bound(path: str, old: Any, new: Any) -> list[str]:
    """A number or time that ends something; absent is no end."""
    return _any(path, old, new) if old is not None and (new is None or new > old) else []


def _never(path: str, old: Any, new: Any) -> list[str]:
    """No way back from a state that turns out wrong."""
    return _any(path, old, new) if new == "never" else []


def _stranding(path: str, old: Any, new: Any) -> list[str]:
    """Devices may be cut off: said anew by each state that may do it."""
    return [] if new is None else [f"{path}: {whole(new)}"]


def _switched_off(path: str, old: Any, new: Any) -> list[str]:
    return _any(path, old, new) if old and not new else []


def _switched_on(path: str, old: Any, new: Any) -> list[str]:
    return _any(path, old, new) if new and not old else []


def _wider(path: str, old: Any, new: Any) -> list[str]:
    """A list of what is let in; None lets in everything."""
    if old is None:
        return []
    if new is None:
        return [f"{path}: {', '.join(map(whole, old)) or 'nothing'} becomes everything"]
    return [f"{path}: {whole(one)} is new" for one in new if one not in old]


def _fewer(path: str, old: Any, new: Any) -> list[str]:
    """A list of what keeps others out, or is there to fall back on."""
    return [f"{path}: {whole(one)} is gone" for one in old or [] if one not in (new or [])]


def _probes(path: str, old: Any, new: Any) -> list[str]:
    named = [
        [" ".join(str(value) for value in one.values()) for one in side or []]
        for side in (old, new)
    ]
    return _fewer(path, *named)


def _groups(path: str, old: Any, new: Any) -> list[str]:
    """An authority: the groups whose thresholds must all be met."""
    old, new = old or [], new or []
    found = []
    for place, group in enumerate(new):
        before: Shown = old[place] if place < len(old) else {"threshold": 0, "keys": []}
        where = f"{path}.{place}"
        found += _floor(f"{where}.threshold", before["threshold"], group["threshold"])
        for key in group["keys"]:
            if key not in before["keys"]:
                found.append(f"{where}: {whole(key)} is a new signer")
    for place in range(len(new), len(old)):
        threshold, keys = old[place]["threshold"], len(old[place]["keys"])
        found.append(f"{path}.{place}: the group of {threshold} of {keys} signers is gone")
    return found


def _fields(rules: dict[str, Rule]) -> Rule:
    def compare(path: str, old: Any, new: Any) -> list[str]:
        found = []
        for name in [*old, *(name for name in new if name not in old)]:
            rule = rules.get(name, _any)
            found += rule(f"{path}.{whole(step(name))}", old.get(name), new.get(name))
        return found

    return compare


def _named(rules: dict[str, Rule], added: Rule) -> Rule:
    """Things by name: what happens to each, and one that goes leaves less to fall back on."""
    fields = _fields(rules)

    def compare(path: str, old: Any, new: Any) -> list[str]:
        old, new = old or {}, new or {}
        found = []
        for name in [*old, *(name for name in new if name not in old)]:
            where = f"{path}.{whole(step(name))}"
            if name not in new:
                found.append(f"{where} is gone")
            elif name not in old:
                found += added(where, None, new[name])
            else:
                found += fields(where, old[name], new[name])
        if [name for name in old if name in new] != [name for name in new if name in old]:
            found.append(f"{path}: in another order")
        return found

    return compare


def _new(path: str, old: Any, new: Any) -> list[str]:
    return [f"{path} is new"]


def _new_set(path: str, old: Any, new: Any) -> list[str]:
    return [f"{path}.pins.{pin} is new" for pin in new["pins"]] + _new(path, old, new)


_PIN: dict[str, Rule] = {"not_before": _floor, "not_after": _bound, "place": _harmless}
_PIN_SET: dict[str, Rule] = {"pins": _named(_PIN, _new), "hold_s": _any, "hold_max_s": _any}
_SERVICE: dict[str, Rule] = {
    "hosts": _wider,
    "audit": _switched_on,
    "check_name": _switched_off,
    "check_eku": _switched_off,
    "needs_clock": _switched_off,
    "max_state_age_s": _bound,
}
_ANCHOR: dict[str, Rule] = {
    "name": _harmless,  # it is in the name of the entry, as is its key
    "key": _harmless,
    "hosts": _wider,
    "purposes": _wider,
    "trust_from": _floor,
    "trust_until": _bound,
    "distrust_leaf_after": _bound,
    "path_len": _bound,
}
_STATE: dict[str, Rule] = {
    # What every update changes, and what trusts nobody.
    "type": _harmless,
    "bytes": _harmless,
    "payload_digest": _harmless,
    "epoch": _harmless,
    "sequence": _harmless,
    "issued_at": _harmless,
    "signed_by": _harmless,
    "links": _harmless,
    "intermediates": _harmless,
    "reason": _harmless,
    "accepted_stranding": _stranding,
    "revert": _never,
    "expires_at": _bound,
    "products": _wider,
    "devices": _wider,
    "overrides": _wider,
    "trial": _fields({}),
    "probes": _probes,
    "authority": _groups,
    "backup": _groups,
    "services": _named(_SERVICE, _new),
    "pin_sets": _named(_PIN_SET, _new_set),
    "anchors": _named(_ANCHOR, _new),
    "denied": _fewer,
}
