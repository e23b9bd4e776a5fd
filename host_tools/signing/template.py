# SPDX-License-Identifier: MIT
"""The smallest description that builds: one service, a primary and a backup pin, one signer.

    text = first_state(host, port, pins, signers, backups, beside=folder)

What a description needs is in BUNDLES.md; this is where one begins. Files are named as seen from
the folder of the description, because that is where they are looked for.
"""

import json
import os
from pathlib import Path

_TEXT = """\
# A first trust state, written by `trustanchor bundle init`. Every field: host_tools/BUNDLES.md.
# Next: trustanchor bundle build {file} --first
sequence = 1

[[authority]]                       # who signs the next state
keys = [{signers}]

[[backup]]                          # who may replace them when they are lost or stolen
keys = [{backups}]

[[service]]
name = {name}
hosts = [{host}]
{port}mode = "key"                        # a pin alone decides; "path" asks for anchors too
pins = {name}

[[probe]]                           # a handshake with it confirms a new state on each device
service = {name}

[[pin_set]]
name = {name}
pins = [
{pins}]
"""


def first_state(
    file: Path,
    host: str,
    port: int | None,
    pins: list[str],
    signers: list[str],
    backups: list[str],
) -> str:
    """Return the text of a description to be written to file.

    pins   the primary's file or hex first, then those of the backups
    """
    # The first label of a name; an address has none.
    label = host.split(".")[0] if not host[:1].isdigit() and ":" not in host else "server"
    rows = "".join(
        f"    {{ key = {_beside(file, pin)}{', backup = true' if place else ''} }},\n"
        for place, pin in enumerate(pins)
    )
    return _TEXT.format(
        file=file,
        signers=", ".join(_beside(file, name) for name in signers),
        backups=", ".join(_beside(file, name) for name in backups),
        name=json.dumps(label[:32]),
        host=json.dumps(host),
        port=f"port = {port}\n" if port else "",
        pins=rows,
    )


def _beside(file: Path, name: str) -> str:
    """A file named on the command line, as the description has to name it. JSON's strings are
    TOML's."""
    if not Path(name).exists():  # hex digits of a pin, or refused when it is read
        return json.dumps(name)
    return json.dumps(os.path.relpath(name, file.parent))
