# SPDX-License-Identifier: MIT
"""A device that slept walks the links to today's signers (SPEC.md U8 to U10)."""

# isort: skip_file
from updating import accept, first
from bundling import (
    AUTHORITY, REVERT, SEQUENCE, authority, digest_of, key, link, message, state,
)  # fmt: skip
from check import equal, refuses

RECORD, CURRENT = first()
A, B, C, D = (authority(name) for name in ("a1", "c1", "d1", "e1"))


def linked(sequence, old, new, signers, epoch=0):
    return message("link", link(epoch, sequence, old, new), signers)


A_TO_B = linked(2, A, B, ["a1", "c1"])
B_TO_C = linked(4, B, C, ["c1", "d1"])
C_TO_D = linked(6, C, D, ["d1", "e1"])


def offer(links, sequence=9, owner=D, signers=("e1",), record=RECORD, loaded=(CURRENT,)):
    fields = state(SEQUENCE, sequence, AUTHORITY, owner, REVERT, 1)
    data = message("state", fields, signers) + b"".join(links)
    return accept(record, data, loaded)[0]


def refused(code, *arguments, **options):
    return refuses(code, lambda: offer(*arguments, **options))


def test_three_changes_are_caught_up_from_one_file():
    new = offer([A_TO_B, B_TO_C, C_TO_D])
    equal((new.sequence, new.authority), (9, digest_of(D)))


def test_links_already_taken_are_stepped_over():
    new = offer([A_TO_B, B_TO_C, C_TO_D], record=RECORD.but(authority=digest_of(C), sequence=4))
    equal(new.authority, digest_of(D))
    new = offer([A_TO_B, B_TO_C, C_TO_D], record=RECORD.but(authority=digest_of(D), sequence=8))
    equal(new.authority, digest_of(D))


def test_links_need_no_slot():
    equal(offer([A_TO_B, B_TO_C, C_TO_D], loaded=()).authority, digest_of(D))


def test_a_missing_link_ends_the_walk():
    refused("update.link_forked", [A_TO_B, C_TO_D])
    refused("update.link_forked", [B_TO_C, C_TO_D])
    refused("update.link_forked", [A_TO_B], loaded=(), record=RECORD.but(authority=bytes(32)))
    refused("update.authority_unknown", [], loaded=(), record=RECORD.but(authority=bytes(32)))


def test_without_its_link_a_state_of_new_signers_is_refused():
    refused("cose.signature_foreign", [], signers=("c1",))
    refused("update.threshold", [])


def test_links_are_in_order():
    refused("update.link_order", [B_TO_C, A_TO_B, C_TO_D])
    refused("update.link_order", [A_TO_B, A_TO_B])


def test_the_state_is_above_the_last_link():
    refused("update.rollback", [A_TO_B, B_TO_C, C_TO_D], sequence=6)
    equal(offer([A_TO_B, B_TO_C, C_TO_D], sequence=7).sequence, 7)


def test_a_link_is_signed_by_old_and_new():
    for signers in (["a1"], ["c1"]):
        refused("update.threshold", [linked(2, A, B, signers)], owner=B, signers=("c1",))
    refused(
        "cose.signature_foreign", [linked(2, A, B, ["a1", "c1", "b1"])], owner=B, signers=("c1",)
    )
    equal(offer([A_TO_B], owner=B, signers=("c1",)).authority, digest_of(B))


def test_a_forked_link_of_stolen_old_signers_leads_nowhere():
    # The thief of a1 makes a fork; a device that took the true link never follows it.
    fork = linked(3, A, C, ["a1", "d1"])
    record = RECORD.but(authority=digest_of(B), sequence=2)
    refused("update.link_forked", [fork], owner=C, signers=("d1",), record=record)
    # Stepped over, because it is older than the position, it does not help either.
    fork = linked(2, A, C, ["a1", "d1"])
    refused("update.authority_unknown", [fork], owner=C, signers=("d1",), record=record)


def test_the_new_signers_of_a_link_are_well_formed():
    # One key that stands twice would meet a threshold of two alone.
    twice = [[2, [key("c1"), key("c1")]]]
    refused("bundle.key_repeated", [linked(2, A, twice, ["a1", "c1"])], owner=B, signers=("c1",))
    refused(
        "bundle.key", [linked(2, A, [[1, [key("malformed")]]], ["a1"])], owner=B, signers=("c1",)
    )


def test_the_new_backup_of_a_link_shares_no_key_with_the_signers():
    for backup in (B, authority("c1", "b2")):
        rescue = message("link", link(1, 2, authority("b1"), B, backup), ["b1", "c1"])
        refused("bundle.key_repeated", [rescue], owner=B, signers=("c1",))
