# SPDX-License-Identifier: MIT
"""Crafted tables: whatever the file holds, and however good its CRC, no answer changes.

A table counts only under a tag that binds it to its key and to this firmware.
"""

import os

import lean  # noqa: F401 - first: the heap
from scratch import empty_folder

from check import equal, false, fixture, true
from trustanchor.crypto import signatures
from trustanchor.store.tables import Tables
from trustanchor.x509.certificate import Certificate

TAG = 17  # bytes before the points


def certificate(name):
    return Certificate(fixture("path/" + name + ".der"))


def fresh():
    folder = empty_folder("tables")
    os.mkdir(folder)
    return Tables(folder + "/tables")


def kept(tables, key, table):
    """Return what the file serves after table was written to it with a good CRC."""
    tables._due_at = 0
    tables.keep(key, table)
    tables.write(0, 0)
    return Tables(tables.path).of(key)


def test_no_table_with_a_good_crc_and_a_wrong_tag_changes_an_answer():
    tables = fresh()
    # The root's signature over the intermediate; its table would let it pass for another key's.
    signed, other = certificate("inter_a"), certificate("leaf")
    victim, signer = signed.spki, certificate("root_a").spki
    own, foreign = signatures.key_table(victim), signatures.key_table(signer)
    crafted: "list" = [
        foreign,
        own[:TAG] + foreign[TAG:],
        foreign[:TAG] + own[TAG:],
        own[:1] + bytes(TAG - 1) + foreign[TAG:],
        own[:TAG] + bytes(len(own) - TAG),
        own[:TAG],
        own[:TAG] + own[TAG:-64],
        own + own[-64:],
        b"",
    ]
    for at in list(range(0, len(own), 97)) + [1, TAG - 1, TAG, len(own) - 1]:
        flipped = bytearray(own)
        flipped[at] ^= 1 << at % 8
        crafted.append(flipped)
    for table in crafted:
        served = kept(tables, signed.spki_sha256, table)
        equal(served, table)
        false(signatures.is_key_table(victim, served))
        false(
            signatures.verify(signed.sig_alg, victim, signed.tbs, signed.signature, served),
            "a signature of another key passes",
        )
        true(
            signatures.verify(other.sig_alg, victim, other.tbs, other.signature, served),
            "a genuine signature fails",
        )
    true(signatures.is_key_table(victim, kept(tables, signed.spki_sha256, own)))
