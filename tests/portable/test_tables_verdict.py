# SPDX-License-Identifier: MIT
"""Tables of kept keys in verdicts with real cryptography: faster, and never another verdict."""

import os
import time

import lean  # noqa: F401 - first: the heap
from scratch import empty_folder

from check import equal, false, fixture, true
from trustanchor.crypto import signatures
from trustanchor.limits import CACHE_WRITE_S
from trustanchor.state.derive import anchor_of
from trustanchor.state.literals import literal
from trustanchor.state.local import LocalState
from trustanchor.state.model import Asked
from trustanchor.store.tables import Tables
from trustanchor.verdict.policy import judge
from trustanchor.x509.certificate import Certificate


def certificate(name):
    return Certificate(fixture("path/" + name + ".der"))


def fresh():
    folder = empty_folder("tables")
    os.mkdir(folder)
    return Tables(folder + "/tables")


def finish(steps):
    for _ in steps:
        pass


class Device:
    """Judges the chain leaf, inter_a under root_a, P-256 throughout, and keeps tables."""

    def __init__(self):
        self.state = literal((), [anchor_of(fixture("path/root_a.der"))])
        self.tables = fresh()
        self.local = LocalState()
        self.local.tables = lambda: self.tables
        self.used = []

    def judged(self, *names):
        """Judge, and note for every signature whether it had a table to go by."""
        now = int(time.time()) + (946684800 if time.gmtime(0)[0] == 2000 else 0)
        chain = [fixture("path/" + name + ".der") for name in names]
        asked = Asked(self.state.services[0], "device.example", 443)
        genuine = signatures.verifying
        self.used = []

        def verifying(sig_alg, spki, message, signature, table=None):
            self.used.append(table is not None and signatures.is_key_table(spki, table))
            return genuine(sig_alg, spki, message, signature, table)

        signatures.verifying = verifying
        try:
            return judge(chain, asked, (now, True), self.state, self.local)
        finally:
            signatures.verifying = genuine

    def learns(self):
        """A verdict, an idle moment, a restart."""
        self.tables.want(self.judged("leaf", "inter_a").path)
        finish(self.tables.making(0))
        self.tables.write(0, 0)
        self.tables = Tables(self.tables.path)


def test_the_second_verdict_has_a_table_for_every_issuer():
    device = Device()
    equal(device.judged("leaf", "inter_a").code, "ok")
    equal(device.used, [False, False])
    device.learns()
    equal(device.judged("leaf", "inter_a").code, "ok")
    equal(device.used, [True, True])
    equal(len(device.tables), 0, "tables are no certificates to search")
    equal(device.tables.of(certificate("leaf").spki_sha256), None)


def test_a_forged_signature_is_refused_with_a_table_too():
    device = Device()
    device.learns()
    for names in (("leaf_forged", "inter_a"), ("leaf", "inter_forged")):
        equal(device.judged(*names).code, "path.bad_signature")
        true(True in device.used)


def test_damage_in_the_file_costs_time_and_changes_no_verdict():
    device = Device()
    device.learns()
    path = device.tables.path
    with open(path, "rb") as file:
        data = bytearray(file.read())
    for at in list(range(0, len(data), 149)) + [0, 12, 13, 15, 19, 51, len(data) - 1]:
        data[at] ^= 1 << at % 8
        with open(path, "wb") as file:
            file.write(data)
        device.tables = Tables(path)
        equal(device.judged("leaf", "inter_a").code, "ok", at)
        # Bytes 4 to 11 are the time of writing.
        equal(device.used == [True, True], 4 <= at < 12, at)
        data[at] ^= 1 << at % 8
    for length in range(0, len(data), 701):
        with open(path, "wb") as file:
            file.write(data[:length])
        device.tables = Tables(path)
        equal(device.judged("leaf", "inter_a").code, "ok", length)
        false(device.used == [True, True], length)
        equal(device.judged("leaf_forged", "inter_a").code, "path.bad_signature", length)


def test_what_does_not_fit_its_key_is_made_anew():
    device = Device()
    device.learns()
    key = certificate("inter_a").spki_sha256
    good = bytes(device.tables.of(key))
    device.tables._due_at = 0
    device.tables.keep(key, good[:-1] + bytes((good[-1] ^ 1,)))
    device.tables.write(0, 0)
    device.tables = Tables(device.tables.path)
    equal(device.judged("leaf", "inter_a").code, "ok")
    equal(device.used, [False, True])
    device.tables.want(device.judged("leaf", "inter_a").path)
    finish(device.tables.making(CACHE_WRITE_S))
    device.tables.write(0, CACHE_WRITE_S)
    equal(Tables(device.tables.path).of(key), good)
