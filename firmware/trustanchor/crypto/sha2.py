# SPDX-License-Identifier: MIT
"""SHA-256, SHA-384 and SHA-512 (FIPS 180-4) over bytes that lie in memory.

SHA-256 is the interpreter's. MicroPython has no SHA-384 and no SHA-512: sha512.py computes them,
with the viper kernel of `_sha2` where the port can run it, plainly everywhere else, with the same
results. Where `hashlib` knows them (CPython), `hashlib` does the work.

    digest = sha2.digest(384, tbs)                  # bits, message -> bytes
    digest = yield from sha2.digesting(384, tbs)    # the same, None yielded between slices

Depends on: compat; sha512 when SHA-384 or SHA-512 is asked for.
Heap: 0.7 KB from a .mpy file.
"""

import hashlib

from ..compat import finish, sha256


def digest(bits: int, message: "bytes | bytearray | memoryview") -> bytes:
    """Return the SHA-2 digest of this many bits: 256, 384 or 512."""
    return finish(digesting(bits, message))


def digesting(bits: int, message: "bytes | bytearray | memoryview"):
    """Generator: yields None between slices of work, returns the digest.

    For 256 bits the message may also be a value with feed(hash), a generator that gives its
    bytes to a hash in slices: a bundle is larger than the heap.
    """
    if bits == 256:
        if hasattr(message, "feed"):
            pieces = hashlib.sha256()
            yield from message.feed(pieces)
            return pieces.digest()
        return sha256(message)
    native = getattr(hashlib, "sha%d" % bits, None)
    if native:
        return native(message).digest()
    from . import sha512

    return (yield from sha512.digesting(bits, message, sha512.kernel()))
