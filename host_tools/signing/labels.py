# SPDX-License-Identifier: MIT
"""Names of signers for people: a bundle has their keys, and the files beside it have names.

    labels.shown("ES256 646b559923a65150", labels.beside(folder))

A name says nothing that is signed: it is shown behind the id, never instead of it.
"""

import contextlib
import re
from pathlib import Path
from typing import Any

from host_tools.cli.errors import HostError
from host_tools.signing.bundle_encode import Key, kid
from host_tools.signing.signers import public_record

_LABELS = 64  # public keys that are looked at in one folder


def beside(folder: Path) -> dict[str, str]:
    """{id of a signer's key: file name} of the public keys in a folder, as keygen names them."""
    found = {}
    for path in sorted(folder.glob("*.pub"))[:_LABELS]:
        with contextlib.suppress(HostError, OSError):  # another kind of key
            found[kid(Key(*public_record(str(path)))).hex()] = path.name
    return found


def shown(what: Any, known: dict[str, str]) -> Any:
    """Put the file's name behind every id of a known key, in text, lists and dictionaries."""
    if isinstance(what, dict):
        return {name: shown(value, known) for name, value in what.items()}
    if isinstance(what, list | tuple):
        return [shown(one, known) for one in what]
    if isinstance(what, str):
        for kid, name in known.items():
            # Some places show the whole digest, of which the id is the beginning.
            what = re.sub(rf"\b{kid}[0-9a-f]*", rf"\g<0> ({name})", what)
    return what
