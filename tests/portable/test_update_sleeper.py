# SPDX-License-Identifier: MIT
"""A device that slept through rescues: rescue links, and many links (SPEC.md U8, U10)."""

# isort: skip_file
from updating import accept, accept_source, first
from bundling import (
    AUTHORITY, BACKUP, EPOCH, REVERT, SEQUENCE, authority, digest_of, link, message,
    state,
)  # fmt: skip
from check import equal, refuses

from trustanchor.encoding.cbor import FileSource

FILE = "build/test_update_sleeper.bin"
RECORD, CURRENT = first()
A, B1, NEW, B2, NEWER, B3 = (authority(n) for n in ("a1", "b1", "c1", "b2", "e1", "b3"))
RESCUED = (EPOCH, 1, SEQUENCE, 7, AUTHORITY, NEW, BACKUP, B2, REVERT, 1)


def offer(*changes, links=(), signers=("c1",), kind="state", loaded=(CURRENT,)):
    data = message(kind, state(*(RESCUED + changes)), signers) + b"".join(links)
    return accept(RECORD, data, loaded)[0]


def refused(code, *changes, **options):
    return refuses(code, lambda: offer(*changes, **options))


def rescue_link(epoch, sequence, old, new, backup, signers):
    return message("link", link(epoch, sequence, old, new, backup), signers)


FIRST_RESCUE = rescue_link(1, 0, B1, NEW, B2, ["b1", "c1"])


def test_a_rescue_link_leads_a_sleeper_into_the_new_epoch():
    new = offer(links=[FIRST_RESCUE])
    equal((new.epoch, new.sequence, new.backup), (1, 7, digest_of(B2)))
    refused("update.epoch_gap")


def test_two_rescues_and_a_rotation_are_caught_up_from_one_file():
    links = [
        FIRST_RESCUE,
        message("link", link(1, 3, NEW, NEWER), ["c1", "e1"]),
        rescue_link(2, 0, B2, NEW, B3, ["b2", "c1"]),
    ]
    changes = (EPOCH, 2, SEQUENCE, 5, BACKUP, B3)
    new = offer(*changes, links=links, loaded=())
    equal((new.epoch, new.sequence, new.backup), (2, 5, digest_of(B3)))
    # The second rescue itself, for who walked the first.
    new = offer(*changes, signers=["b2", "c1"], kind="rescue", links=links[:2], loaded=())
    equal((new.epoch, new.sequence), (2, 5))


def test_a_rescue_link_is_signed_by_the_backup_alone_of_the_old_ones():
    for signers, code in (
        (["a1", "c1"], "cose.signature_foreign"),
        (["b1"], "update.threshold"),
        (["c1"], "update.threshold"),
    ):
        forged = rescue_link(1, 0, B1, NEW, B2, signers)
        refused(code, links=[forged])


def test_a_link_across_epochs_names_the_backup_and_only_then():
    across = message("link", link(1, 0, B1, NEW), ["b1", "c1"])
    refused("update.link_forked", links=[across])
    inside = message("link", link(0, 2, A, NEW, B2), ["a1", "c1"])
    refused("update.link_forked", links=[inside])
    by_ordinary = message("link", link(1, 0, A, NEW, B2), ["a1", "c1"])
    refused("update.link_forked", links=[by_ordinary])
    skipping = rescue_link(2, 0, B1, NEW, B2, ["b1", "c1"])
    refused("update.epoch_gap", EPOCH, 2, links=[skipping])


def test_at_most_eight_links():
    # In a file, as a carrier would leave it.
    equal(walk(8)[0].authority, digest_of(authority("k7")))
    refuses("bundle.too_many_links", lambda: walk(9))


def walk(count):
    owner = "k%d" % (count - 1)
    last = (EPOCH, 0, SEQUENCE, 99, BACKUP, B1, AUTHORITY, authority(owner))
    with open(FILE, "wb") as file:
        file.write(message("state", state(*(RESCUED + last)), [owner]))
        old = "a1"
        for i in range(count):
            new = "k%d" % i
            fields = link(0, 2 + i, authority(old), authority(new))
            file.write(message("link", fields, [old, new]))
            old = new
        size = file.tell()
    with open(FILE, "rb") as file:
        return accept_source(RECORD, FileSource(file, size))
