# SPDX-License-Identifier: MIT
"""Several drafts of one state become one, with the signatures of all.

Signers in several places each get a copy of the draft; what they send back is put together here.
A draft is believed by nobody: it has to be of the same state, byte for byte, on the same base, and
each signature is verified, by the device's own code, as if its signer had come with it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from host_tools.cli.errors import HostError
from host_tools.signing.bundle_encode import Key, PublicKey
from host_tools.signing.draft import Draft, compare_base, key_name


@dataclass(frozen=True)
class Taken:
    """A signer whose signatures came from the draft in path."""

    key: Key
    kinds: list[str]
    path: Path


def merge(made: Draft, path: Path, others: dict[Path, Draft]) -> list[Taken]:
    """Add what the others have and made, the draft in path, has not; returns what was added.

    Refuses with bundle.merge, bundle.base_other, cose.signature_invalid, bundle.not_a_signer, and
    then has changed nothing that is on disk.
    """
    found = []
    for name, other in others.items():
        _check_same(made, path, other, name)
        signers = dict.fromkeys(
            Key(key.alg, key.public) for part in other.parts for key, _ in part.signatures
        )
        for known in signers:
            theirs = {
                part.kind: signature
                for part in other.parts
                for one, signature in part.signatures
                if (one.alg, one.public) == (known.alg, known.public)
            }
            # What made has of this signer already was verified when it was added, or is now, by
            # Draft.accept.
            wanted = [part.kind for part in made.parts if not _has(part.signatures, known)]
            if not wanted:
                continue
            if lacking := [kind for kind in wanted if kind not in theirs]:
                raise HostError(
                    f"{name}: {key_name(known)} has signed the {' and '.join(sorted(theirs))} "
                    f"and not the {' and '.join(lacking)}: have it signed again.",
                    "bundle.merge",
                )
            found.append(Taken(known, made.add(known, _looked_up(theirs)), name))
    return found


def _looked_up(signatures: dict[str, bytes]) -> Callable[[str, bytes], bytes]:
    return lambda kind, _: signatures[kind]


def _has(signatures: list[tuple[PublicKey, bytes]], key: Key) -> bool:
    return any((one.alg, one.public) == (key.alg, key.public) for one, _ in signatures)


def _check_same(made: Draft, path: Path, other: Draft, name: Path) -> None:
    for mine, theirs in zip(made.parts, other.parts, strict=False):
        if mine.kind != theirs.kind or mine.payload != theirs.payload:
            raise HostError(
                f"{name} is a draft of another {mine.kind} than {path}: `trustanchor bundle diff "
                f"{path} {name}` says what differs. Who has signed one has not signed the other.",
                "bundle.merge",
            )
    if made.current or other.current:
        if not (made.current and other.current):
            raise HostError(f"{name} and {path} replace different states.", "bundle.base_other")
        compare_base(made, other.current, f"what {name} replaces")
