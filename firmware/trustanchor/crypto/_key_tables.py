# SPDX-License-Identifier: MIT
"""Tables of keys that a device keeps: signatures.key_table and its like, and their seal.

A table is its form, the first 16 bytes of SHA-256 over form, key and points, and the points of
_ecdsa_tables.py.

Depends on: algorithms, compat, ecdsa; _ecdsa_tables when one is made.
Heap: 0.8 KB from a .mpy file.
"""

from ..compat import const, finish, sha256
from .algorithms import EC_KEY, curve_bits, parts_of
from .ecdsa import kernel

_TAG_BYTES = const(17)


def key_table(spki) -> bytes:
    """Return what makes verifying under this key faster, to be kept: about 1 KB, b"" for no gain.

    It depends on the firmware and the port, not only on the key: made on the device, not shipped.
    Takes about as long as two verifications. It carries a digest over itself and its key, so a
    damaged table costs time and never turns an invalid signature valid.
    """
    return finish(making_key_table(spki))


def making_key_table(spki):
    """Generator: `key_table` in slices."""
    family, parameters, key = parts_of(spki)
    if family != EC_KEY:
        return b""
    from . import _ecdsa_tables, ecdsa

    on = ecdsa.curve(curve_bits(parameters))
    points = yield from _ecdsa_tables.making(on, ecdsa.point_of(on, key))
    return seal(spki, points) if points else b""


def is_key_table(spki, table) -> bool:
    """Return whether table is one that this firmware has made for this key."""
    return unseal(spki, table) is not None


def unseal(spki, table) -> "memoryview | None":
    """Return the points of a stored table, or None: then the key is treated as never seen.

    The tag is the first 16 bytes of SHA-256 over form, key and points. Damage, another key's
    table and one made by other firmware are found by it; a table that passes was made by
    `making` for this very key, or by whoever can write the flash.
    """
    view = memoryview(table)
    points = view[_TAG_BYTES:]
    return points if bytes(view[:_TAG_BYTES]) == _tag(spki, points) else None


def seal(spki, points) -> bytes:
    """Return the table that holds these points of this key."""
    return _tag(spki, points) + points


def _tag(spki, points):
    form = b"S" if kernel() else b"P"  # scaled for the machine, or plain
    return form + sha256(b"ta-key-table-1", form, sha256(spki), points)[: _TAG_BYTES - 1]
