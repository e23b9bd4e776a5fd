# SPDX-License-Identifier: MIT
"""A life in real signatures: provisioned, new signers by a link, a rescue."""

# isort: skip_file
from signed_bundles import accept, bundle

from check import equal, refuses
from trustanchor.update.prefix import Prefix


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
