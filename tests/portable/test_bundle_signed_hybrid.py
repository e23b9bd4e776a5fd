# SPDX-License-Identifier: MIT
"""Bundles signed with PS256 and HSS/LMS beside ES256, on the interpreter under test."""

# isort: skip_file
from signed_bundles import Changed, accept, bundle

from check import equal, refuses


def test_ps256_and_es256_together():
    source = bundle("hybrid")
    equal(accept(None, source).sequence, 1)
    refuses("cose.signature_invalid", lambda: accept(None, Changed(source, -1)))


def test_hss_and_es256_together():
    source = bundle("quantum")
    equal(accept(None, source).sequence, 1)
    # In the middle of the HSS signature, which comes first.
    refuses("cose.signature_invalid", lambda: accept(None, Changed(source, -1500)))
