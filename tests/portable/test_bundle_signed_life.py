# SPDX-License-Identifier: MIT
"""A life in real signatures: provisioned, new signers by a link, a rescue."""

# isort: skip_file
import lean  # noqa: F401 - first
import os

from check import equal, refuses
from trustanchor import update
from trustanchor.cbor import FileSource
from trustanchor.compat import forget
from trustanchor.limits import BUILD_AT
from trustanchor.prefix import Prefix

FOLDER = "build/fixtures/bundle/"
UNKNOWN = (BUILD_AT, 0)


class Device:
    product = None
    device_id = None


def bundle(name):
    path = FOLDER + name
    return FileSource(open(path, "rb"), os.stat(path)[6])


def accept(record, source, loaded=()):
    # What the update before has left loaded; a board has .mpy files and room.
    forget("admit", "bundle", "names", "rules")
    return update.accept(record, loaded, source, UNKNOWN, Device)[0]


def test_two_es256_signers_provision_and_their_successors_follow_by_a_link():
    first = bundle("first")
    record = accept(None, first)
    equal((record.epoch, record.sequence), (0, 1))
    new = accept(record, bundle("next"), [Prefix(first)])
    equal((new.sequence, new.authority != record.authority), (3, True))
    refuses("update.rollback", lambda: accept(new, bundle("first")))
    rescued = accept(new, bundle("rescue"), [Prefix(first)])
    equal((rescued.epoch, rescued.sequence), (1, 1))
    refuses("update.epoch_old", lambda: accept(rescued, bundle("next")))
