# SPDX-License-Identifier: MIT
"""HSS/LMS signatures (RFC 8554, SP 800-208) with SHA-256, verification only.

Hash-based: the signature of a one-time key over the message leads by hashing to a leaf, the leaf
by hashing to the root of a Merkle tree, and the root signs the next tree or is the public key.
Every parameter set with SHA-256 is here: n = 32 of RFC 8554 and n = 24 of SP 800-208.

Nothing is parsed that is not fixed by the public key: the lengths of a signature follow from the
parameter sets, which must be the key's, and it is refused unless every byte is accounted for.

    valid = yield from hss.verifying(public_key, message, signature)

Depends on: compat, errors, limits.
Heap: 1.5 KB from a .mpy file, 0.3 KB while verifying; the signature stays where it is.
"""

import hashlib

from ..compat import const
from ..errors import MalformedError, UnsupportedError
from ..limits import HSS_MAX_LEVELS

_HEAD = const(24)  # of an LMS public key: two types of 4 bytes, I of 16; the root follows

# RFC 8554 section 7.1: two bytes that tell the uses of the hash apart.
_D_PBLC = b"\x80\x80"
_D_MESG = b"\x81\x81"
_D_LEAF = b"\x82\x82"
_D_INTR = b"\x83\x83"


def check_key(public_key) -> None:
    """Refuse an HSS public key that could never verify: sig.unsupported, sig.key_malformed."""
    view = memoryview(public_key)
    if len(view) < 4 + _HEAD:
        raise MalformedError("sig.key_malformed", "hss")
    levels = _u32(view, 0)
    if not 1 <= levels <= HSS_MAX_LEVELS:
        raise MalformedError("sig.key_malformed", "hss")
    _, n = _tree(_u32(view, 4))
    _, _, ots_n = _one_time(_u32(view, 8))
    # SP 800-208 section 4: one hash function for the whole key.
    if n != ots_n or len(view) != 4 + _HEAD + n:
        raise MalformedError("sig.key_malformed", "hss")


def verifying(public_key, message, signature):
    """Generator: return whether signature is the key's over message (RFC 8554 section 6.3).

    message  bytes, or an object whose feed(hash), a generator, gives it to a hash in slices

    Refuses with sig.unsupported and sig.key_malformed, by the key alone.
    """
    check_key(public_key)
    view = memoryview(signature)
    levels = _u32(memoryview(public_key), 0)
    if len(view) < 4 or _u32(view, 0) != levels - 1:
        return False
    key = memoryview(public_key)[4:]
    at = 4
    for level in range(levels):
        height, n = _tree(_u32(key, 0))
        _, chains, _ = _one_time(_u32(key, 4))
        end = at + 4 + 4 + n * (1 + chains) + 4 + n * height
        if level == levels - 1:
            return len(view) == end and (yield from _verifying_tree(key, message, view[at:end]))
        # The next tree's key, 4 + 4 + 16 + n bytes of its own n, is what this tree signs.
        if len(view) < end + _HEAD:
            return False
        try:
            _, next_n = _tree(_u32(view, end))
            _, _, ots_n = _one_time(_u32(view, end + 4))
        except UnsupportedError:
            return False
        next_key = view[end : end + _HEAD + next_n]
        if next_n != ots_n or len(next_key) != _HEAD + next_n:
            return False
        if not (yield from _verifying_tree(key, next_key, view[at:end])):
            return False
        key = next_key
        at = end + len(key)
    return False


def _verifying_tree(key, message, signature):
    """Generator: RFC 8554 algorithms 6a and 4b for one tree; the length is already right."""
    height, n = _tree(_u32(key, 0))
    width, chains, _ = _one_time(_u32(key, 4))
    identifier = bytes(key[8:_HEAD])
    q = _u32(signature, 0)
    path = 8 + n * (1 + chains)
    if (
        q >> height
        or signature[4:8] != key[4:8]  # the one-time type, then the tree's
        or signature[path : path + 4] != key[0:4]
    ):
        return False
    prefix = identifier + q.to_bytes(4, "big")
    total = hashlib.sha256(prefix + _D_MESG)
    total.update(signature[8 : 8 + n])
    if hasattr(message, "feed"):
        yield from message.feed(total)
    else:
        total.update(message)
    digits = total.digest()[:n]
    # Section 4.4: the checksum, shifted so that its digits end where the last byte begins.
    top = (1 << width) - 1
    per_byte = 8 // width
    checksum = 0
    for octet in digits:
        for shift in range(0, 8, width):
            checksum += top - (octet >> shift & top)
    used = width * (chains - per_byte * n)
    digits += (checksum << (16 - used)).to_bytes(2, "big")
    # Section 4.6: each chain from where the signer left it to its end.
    key_hash = hashlib.sha256(prefix + _D_PBLC)
    buffer = bytearray(23 + n)
    buffer[0:20] = prefix
    for i in range(chains):
        start = 8 + n * (1 + i)
        buffer[20] = i >> 8
        buffer[21] = i & 0xFF
        buffer[23:] = signature[start : start + n]
        digit = digits[i // per_byte] >> (8 - width * (i % per_byte + 1)) & top
        while digit < top:
            buffer[22] = digit
            buffer[23:] = hashlib.sha256(buffer).digest()[:n]
            digit += 1
        key_hash.update(memoryview(buffer)[23:])
        yield
    # Section 5.4.2: from the leaf to the root.
    node = (1 << height) + q
    value = _node(identifier, node, _D_LEAF, key_hash.digest()[:n], b"", n)
    path += 4
    while node > 1:
        sibling = signature[path : path + n]
        left, right = (sibling, value) if node & 1 else (value, sibling)
        node >>= 1
        value = _node(identifier, node, _D_INTR, left, right, n)
        path += n
    return value == bytes(key[_HEAD : _HEAD + n])


def _node(identifier, number, use, left, right, n):
    total = hashlib.sha256(identifier + number.to_bytes(4, "big") + use)
    total.update(left)
    total.update(right)
    return total.digest()[:n]


def _tree(kind):
    """Return (height, n) of an LMS type: 5 to 9 in RFC 8554 table 2, 10 to 14 in SP 800-208."""
    if not 5 <= kind <= 14:
        raise UnsupportedError("sig.unsupported", "lms")
    return 5 * ((kind - 5) % 5 + 1), 32 if kind < 10 else 24


def _one_time(kind):
    """Return (width, chains, n) of an LM-OTS type: 1 to 4 in RFC 8554, 5 to 8 in SP 800-208."""
    if not 1 <= kind <= 8:
        raise UnsupportedError("sig.unsupported", "lmots")
    if kind < 5:
        return 1 << (kind - 1), (265, 133, 67, 34)[kind - 1], 32
    return 1 << (kind - 5), (200, 101, 51, 26)[kind - 5], 24


def _u32(view, at):
    return int.from_bytes(view[at : at + 4], "big")
