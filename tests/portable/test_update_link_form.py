# SPDX-License-Identifier: MIT
"""What a link, and a file with links, may look like (SPEC.md "Link", U1)."""

# isort: skip_file
from updating import accept, first
from bundling import (
    AUTHORITY, REVERT, SEQUENCE, authority, digest_of, encode, link, message, signature, state,
    wrap,
)  # fmt: skip
from check import equal, refuses

RECORD, CURRENT = first()
A, B = authority("a1"), authority("c1")


def linked(sequence, old, new, signers, epoch=0):
    return message("link", link(epoch, sequence, old, new), signers)


A_TO_B = linked(2, A, B, ["a1", "c1"])


def offer(links, sequence=9, owner=B, signers=("c1",), record=RECORD, loaded=(CURRENT,)):
    fields = state(SEQUENCE, sequence, AUTHORITY, owner, REVERT, 1)
    data = message("state", fields, signers) + b"".join(links)
    return accept(record, data, loaded)[0]


def refused(code, *arguments, **options):
    return refuses(code, lambda: offer(*arguments, **options))


def test_a_link_names_what_it_must():
    payload = link(0, 2, A, B)
    for field in (0, 1, 2, 6, 8):
        broken = {name: payload[name] for name in payload if name != field}
        refused("bundle.missing_field", [message("link", broken, ["a1", "c1"])])
    for field in (3, 4, 5, 9, 19):
        broken = dict(payload)
        broken[field] = 1
        refused("bundle.unknown_field", [message("link", broken, ["a1", "c1"])])
    broken = dict(payload)
    broken[20] = 1
    added = message("link", broken, ["a1", "c1"])
    equal(offer([added]).authority, digest_of(B))


def test_a_link_is_not_a_state_and_a_state_is_not_a_link():
    refuses("bundle.file", lambda: accept(RECORD, A_TO_B, [CURRENT]))
    second = message("state", state(SEQUENCE, 10))
    refused("bundle.file", [second])


def test_a_signature_for_a_link_is_none_for_a_state():
    payload = encode(link(0, 2, A, B))
    entries = [signature("state", payload, name) for name in ("a1", "c1")]
    moved = wrap("link", payload, entries)
    # The kid is known, the hash is over another external_aad.
    refused("cose.signature_invalid", [moved])


def test_nothing_persists_unless_the_state_is_accepted():
    # updating.accept compares the record before and after; here the last step fails.
    refused("cose.signature_foreign", [A_TO_B], signers=("a1",))


def test_bytes_after_the_last_link_are_refused():
    refused("cbor.type", [A_TO_B, b"\x00"])
    refused("cbor.truncated", [A_TO_B, b"\xd8"])
