# SPDX-License-Identifier: MIT
"""When the one-time leaves of HSS signers run out, from the bundles that they have signed.

    for one in ends(bundles): ...        # a dates.Date for each holder's tree

A signature has the number of its leaf in clear (RFC 8554 section 5.4). Two bundles that one holder
has signed tell how many leaves he uses in a day, bundles that were never published included; at
that rate the rest of his tree ends on some day, and before it another signer has to be in the
authority. One bundle tells no rate, so its row has no day.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from host_tools.ops.dates import DAY_S, LAST_S, Date
from trustanchor.compat import finish
from trustanchor.crypto import hss
from trustanchor.encoding.cbor import BytesSource
from trustanchor.kinds import HSS_LMS
from trustanchor.update import authority, bundle


@dataclass(frozen=True)
class Used:
    """A leaf that a bundle shows. tree: the key's id and the leaves above; left: behind it."""

    tree: tuple[bytes, ...]
    leaf: int
    left: int
    issued_at: int
    where: str


def ends(bundles: Iterable[tuple[str, bytes]]) -> Iterator[Date]:
    """A row for each tree that has signed one of the bundles, (name, content)."""
    trees: dict[tuple[bytes, ...], list[Used]] = {}
    for where, content in bundles:
        for used in _used(where, content):
            trees.setdefault(used.tree, []).append(used)
    for tree, some in trees.items():
        first = min(some, key=lambda one: (one.issued_at, one.leaf))
        last = max(some, key=lambda one: (one.issued_at, one.leaf))
        holder = "".join(f".{leaf.hex()[-2:]}" for leaf in tree[1:])
        what = f"HSS signer {tree[0].hex()}{holder}: {last.left:,} leaves left"
        days = (last.issued_at - first.issued_at) / DAY_S
        count = last.leaf - first.leaf
        if days <= 0 or count <= 0:
            note = "the rate is not known: give an earlier bundle of this signer too"
            yield Date(None, "hss", what, last.where, False, note)
            continue
        at = min(int(last.issued_at + last.left * days / count * DAY_S), LAST_S)
        note = f"{count} leaves in {days:.0f} days, from {first.where}; another signer by then"
        yield Date(at, "hss", what, last.where, True, note)


def _used(where: str, content: bytes) -> Iterator[Used]:
    source = BytesSource(content)
    state: Any = bundle.parse(source)
    own = authority.authority_at(source, state.authority)
    publics = {kid: public for kid, alg, public in own.members() if alg == HSS_LMS}
    for one in finish(authority.opened(source)).signatures:
        if one.kid in publics:
            signature = bytes(source.read(one.span[0], one.span[1] - one.span[0]))
            yield _leaf(one.kid, bytes(publics[one.kid]), signature, state.issued_at, where)


def _leaf(kid: bytes, public: bytes, signature: bytes, issued_at: int, where: str) -> Used:
    """Walk the levels of a signature; it has been verified, or nobody would have the bundle."""
    levels = int.from_bytes(public[:4], "big")
    key, at, tree = public[4:], 4, [kid]
    for level in range(levels):
        height, n = hss._tree(int.from_bytes(key[:4], "big"))
        _, chains, _ = hss._one_time(int.from_bytes(key[4:8], "big"))
        leaf = int.from_bytes(signature[at : at + 4], "big")
        if level == levels - 1:
            break
        tree.append(leaf.to_bytes(4, "big"))
        at += 4 + 4 + n * (1 + chains) + 4 + n * height
        key = signature[at:]
        at += hss._HEAD + n
    return Used(tuple(tree), leaf, (1 << height) - 1 - leaf, issued_at, where)
