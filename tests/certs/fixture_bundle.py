# SPDX-License-Identifier: MIT
"""Bundles with real signatures, for tests/portable/test_bundle_signed.py and the heap test.

first          the first state: ES256, one signer, backup signer, two pins, four EC anchors
next           its successor: two signers of another authority, with link and preloaded chain
rescue         a rescue by the backup authority
hybrid         first state of a device whose authority is PS256 and ES256, one group each
roots          all roots certifi has, as a successor of first
"""

import base64
import re
import time
from pathlib import Path

import certifi
import pyhsslms

from host_tools.signing.bundle_encode import (
    Authority,
    Description,
    KeySigner,
    Probe,
    bundle_file,
    encode_link,
    encode_state,
    sign,
)
from tests.certs import pki
from trustanchor.limits import BUILD_AT
from trustanchor.state.anchors import Anchor
from trustanchor.state.derive import anchor_of
from trustanchor.state.model import Pin, PinSet, Service

ISSUED_AT = max(int(time.time()), BUILD_AT)
HOST = "broker.example.net"


def make(folder: Path) -> None:
    signers = [KeySigner(pki.make_key()) for _ in range(3)]
    backup_signer = KeySigner(pki.make_key())
    ordinary = Authority([(2, signers[:2])])
    changed = Authority([(2, signers[1:])])
    backup = Authority([(1, [backup_signer])])
    roots = [pki.authority(f"Root {i}") for i in range(4)]
    inter = pki.authority("Intermediate", issuer=roots[0])
    anchors = [plain_anchor(root.der) for root in roots]
    pin_set = four_pins()

    def description(sequence: int, **fields: object) -> Description:
        defaults: dict[str, object] = {
            "sequence": sequence,
            "issued_at": ISSUED_AT,
            "authority": ordinary,
            "backup": backup,
            "services": [Service("broker", [HOST], port=8883, pin_set="broker")],
            "pin_sets": [pin_set],
            "anchors": anchors,
            "probes": [Probe("broker")],
        }
        return Description(**{**defaults, **fields})  # type: ignore[arg-type]

    first = encode_state(description(1))
    write(folder, "first", sign("state", first, signers[:2]))

    link = encode_link(0, 2, ordinary, changed)
    after = encode_state(
        description(3, authority=changed, intermediates=[inter.der], never_reverts=True)
    )
    write(
        folder,
        "next",
        bundle_file(sign("state", after, signers[1:]), [sign("link", link, signers)]),
    )

    rescue = encode_state(
        description(
            1, epoch=1, authority=changed, never_reverts=True, expires_at=ISSUED_AT + 86400
        )
    )
    write(folder, "rescue", sign("rescue", rescue, [backup_signer, *signers[1:]]))

    rsa_signer = KeySigner(pki.make_key("rsa2048"))
    both = Authority([(1, [rsa_signer]), (1, [signers[0]])])
    hybrid = encode_state(description(1, authority=both))
    write(folder, "hybrid", sign("state", hybrid, [rsa_signer, signers[0]]))

    hss_signer = HssSigner()
    both = Authority([(1, [hss_signer]), (1, [signers[0]])])
    quantum = encode_state(description(1, authority=both, anchors=anchors[:1]))
    write(folder, "quantum", sign("state", quantum, [hss_signer, signers[0]]))

    trusted = encode_state(description(2, anchors=[*anchors, *system_roots()]))
    write(folder, "roots", sign("state", trusted, signers[:2]))


class HssSigner:
    """HSS/LMS, two levels of 32 leaves, w = 8: 2.7 KB a signature."""

    alg = -46

    def __init__(self) -> None:
        self._key = pyhsslms.HssPrivateKey(
            levels=2,
            lms_type=pyhsslms.lms_sha256_m32_h5,
            lmots_type=pyhsslms.lmots_sha256_n32_w8,
        )
        self.public = self._key.publicKey().serialize()

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


def four_pins() -> PinSet:
    pins = [Pin(pki.spki_sha256(pki.make_key()), is_backup=i > 1) for i in range(4)]
    return PinSet("broker", pins)


def plain_anchor(der: bytes) -> Anchor:
    """Name and key alone."""
    whole = anchor_of(der)
    return Anchor(whole.name, whole.spki)


def system_roots() -> list[Anchor]:
    """All of certifi's roots as name and key."""
    text = Path(certifi.where()).read_text()
    blocks = re.findall("-----BEGIN CERTIFICATE-----(.*?)-----END", text, re.DOTALL)
    return [plain_anchor(base64.b64decode(block)) for block in blocks]


def write(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
