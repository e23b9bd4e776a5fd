# SPDX-License-Identifier: MIT
"""A bundle over the cable: the board itself verifies it, as if any carrier had brought it.

Nothing is decided here. The same bundle again is "kept", so a pulled cable needs no thought.
Refusals: board.*, and the code the board refuses with.
"""

from typing import Any

from host_tools.boards import provisioning
from host_tools.boards import talk as talking
from host_tools.boards.talk import ROOT, Progress, Talk, no_progress
from host_tools.cli.errors import HostError
from trustanchor.encoding.cbor import BytesSource
from trustanchor.update import bundle


def digest_of(content: bytes) -> str:
    """The payload digest of a bundle, as a record names it; refuses as the device's reader."""
    state: Any = bundle.parse(BytesSource(content))
    return str(state.payload_digest.hex())


def update(talk: Talk, content: bytes, progress: Progress = no_progress) -> dict[str, Any]:
    """Install a bundle and restart the board; returns what it says of itself afterwards, with
    "state" (installed, on trial or kept) and "decided_ms"."""
    digest = digest_of(content)
    progress("who is it", 0, 1)
    before = talking.about(talk)
    trust = before.trust
    if trust is None:
        raise HostError(
            "There is no trustanchor package on this board: `trustanchor board provision` first.",
            "board.not_provisioned",
        )
    if trust["code"] == "store.unprovisioned":
        raise HostError(
            "This board has no trust state yet, and takes its first one from "
            "`trustanchor board provision` alone.",
            "board.not_provisioned",
        )
    said: dict[str, object] = {"ms": 0}
    is_kept = digest in (trust.get("trial"), trust.get("active"))
    if not is_kept:
        provisioning.stage(talk, content, progress)
        progress("the board verifies", 0, 1)
        said = provisioning.decide(
            talk, "install", f"{ROOT!r}, {before.product!r}, {before.device_id!r}"
        )
        talk.fresh("files")
    after = talking.about(talk)
    talk.board.reset()
    provisioning.check_decided(said)
    trust = after.trust or {}
    if digest not in (trust.get("trial"), trust.get("active")):
        raise HostError(
            "The board accepted the bundle and does not name it: `trustanchor board status` shows "
            "what it has.",
            "board.differs",
        )
    on_trial = trust.get("trial") == digest
    state = "on trial" if on_trial else "kept" if is_kept else "installed"
    return {**after.as_json(), "state": state, "decided_ms": said["ms"]}
