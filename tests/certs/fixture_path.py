# SPDX-License-Identifier: MIT
"""Chains with real signatures for test_policy_key.py and test_path_real.py.

The shapes of the search are made of bytes (tests/portable/forest.py); these show that the same
search holds with cryptography behind the door. Root A and Root B certify the intermediate's key.
"""

from pathlib import Path

from tests.certs import pki

HOST = "device.example"
PAST = pki.utc(946684800)  # the year 2000


def make(folder: Path) -> None:
    def write(name: str, entity: pki.Entity) -> pki.Entity:
        (folder / f"{name}.der").write_bytes(entity.der)
        return entity

    write("self", pki.end_entity(HOST))
    write("self_backup", pki.end_entity(HOST))
    write("self_client", pki.end_entity(HOST, eku=[pki.ExtendedKeyUsageOID.CLIENT_AUTH]))
    write("self_no_san", pki.end_entity(HOST, san=False))

    root_a = write("root_a", pki.authority("Root A"))
    root_b = write("root_b", pki.authority("Root B", kind="p384"))
    inter = write("inter_a", pki.authority("Inter", issuer=root_a))
    write("inter_b", pki.authority("Inter", issuer=root_b, key=inter.key, hash_name="sha384"))
    write("inter_b_old", pki.authority("Inter", issuer=root_b, key=inter.key, not_before=PAST))
    # ecdsa-with-SHA224, which nothing here signs with: the algorithm is refused before the bits.
    sha256, sha224 = bytes.fromhex("2a8648ce3d040302"), bytes.fromhex("2a8648ce3d040301")
    (folder / "inter_weak.der").write_bytes(inter.der.replace(sha256, sha224))
    write("inter_forged", pki.authority("Inter", issuer=root_a, key=inter.key, signer=root_b.key))
    write("leaf", pki.end_entity(HOST, issuer=inter))
    write("leaf_forged", pki.end_entity(HOST, issuer=inter, signer=pki.make_key()))
    write("leaf_rsa1024", pki.end_entity(HOST, issuer=inter, kind="rsa1024"))

    root_r = write("root_r", pki.authority("Root R", kind="rsa2048"))
    inter_r = write("inter_r", pki.authority("Inter R", issuer=root_r, kind="rsa2048", pss=True))
    write("leaf_r", pki.end_entity(HOST, issuer=inter_r, kind="rsa2048"))
