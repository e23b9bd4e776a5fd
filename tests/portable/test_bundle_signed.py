# SPDX-License-Identifier: MIT
"""A really signed bundle, damaged, is refused on the interpreter under test."""

# isort: skip_file
from signed_bundles import Changed, accept, bundle

from check import refuses
from trustanchor.encoding.cbor import BytesSource
from trustanchor.update.prefix import Prefix


def test_a_changed_signature_is_refused():
    source = bundle("first")
    refuses("cose.signature_invalid", lambda: accept(None, Changed(source, -1)))


def test_a_sample_of_flipped_bytes_is_refused():
    source = bundle("first")
    before = accept(None, source)
    for at in range(7, source.size, 61):
        try:
            accept(before, Changed(bundle("rescue"), at), [Prefix(source)])
        except Exception as error:
            if not getattr(error, "code", None):
                raise
        else:
            raise AssertionError("accepted with byte %d flipped" % at)


def test_a_sample_of_truncations_is_refused():
    source = bundle("first")
    whole = source.read(0, source.size)
    for length in range(0, len(whole), 97):
        refuses("cbor.truncated", lambda length=length: accept(None, BytesSource(whole[:length])))
