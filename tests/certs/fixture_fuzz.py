# SPDX-License-Identifier: MIT
"""Chains the fuzzer starts from: one of each shape, so that a mutation has something to break.

root_a  root_b                 anchors
inter_a  inter_b               one key, cross-signed; inter_b_expired is over
inter_constrained              permits example alone
sub                            below inter_a
leaf, leaf_sub, leaf_of_root   end entities for device.example; leaf_forged is nobody's
"""

import datetime
from pathlib import Path

from cryptography import x509

from tests.certs import pki

HOST = "device.example"


def make(folder: Path) -> None:
    roots = {name: pki.authority(name.replace("_", " ").title()) for name in ("root_a", "root_b")}
    inter_a = pki.authority("Intermediate", issuer=roots["root_a"])
    past = datetime.datetime.now(datetime.UTC).replace(tzinfo=None) - 1000 * pki.DAY
    constraints = x509.NameConstraints(
        [x509.DNSName("example"), x509.DirectoryName(pki.name("Allowed"))], None
    )
    constrained = pki.authority(
        "Intermediate", issuer=roots["root_a"], key=inter_a.key, constraints=constraints
    )
    sub = pki.authority("Sub", issuer=inter_a)
    made = {
        **roots,
        "inter_a": inter_a,
        "inter_b": pki.authority("Intermediate", issuer=roots["root_b"], key=inter_a.key),
        "inter_b_expired": pki.authority(
            "Intermediate", issuer=roots["root_b"], key=inter_a.key, not_before=past, days=900
        ),
        "inter_constrained": constrained,
        "sub": sub,
        "leaf": pki.end_entity(HOST, issuer=inter_a),
        "leaf_sub": pki.end_entity([HOST, "*.device.example", "192.0.2.1"], issuer=sub),
        "leaf_of_root": pki.end_entity(HOST, issuer=roots["root_a"]),
        "leaf_forged": pki.end_entity(HOST, issuer=inter_a, signer=pki.make_key()),
    }
    for name, entity in made.items():
        (folder / f"{name}.der").write_bytes(entity.der)
