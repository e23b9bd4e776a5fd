# SPDX-License-Identifier: MIT
from check import equal
from trustanchor.compat import sha256


def test_sha256_joins_its_parts():
    whole = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    equal(sha256(b"a", memoryview(b"b"), bytearray(b"c")), bytes.fromhex(whole))
