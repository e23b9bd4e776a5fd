# SPDX-License-Identifier: MIT
"""Pins as people write them: 32 bytes, hex, or base64 with or without "sha256/".

    primary, backup = digests_of(["5ad2...", "sha256/Zm9v..."])

Depends on: errors.
Heap: 0.7 KB from a .mpy file, only while a Context is made.
"""

from ..errors import PinError

_NAME = "pins"  # of the pin set that a list of pins stands for


def digests_of(pins) -> "tuple[bytes, ...]":
    """Return the SPKI SHA-256 digests of a list of at least two different pins.

    Refuses with pin.digest, pin.duplicate and pin.too_few; TypeError for what is no list of pins.
    """
    if isinstance(pins, (str, bytes, bytearray, memoryview)):
        raise TypeError("pins is a list: pins=[primary, backup]")
    found: "list[bytes]" = []
    for pin in pins:
        digest = _digest(pin)
        if len(digest) != 32:
            raise PinError("pin.digest", _NAME)
        if digest in found:
            raise PinError("pin.duplicate", _NAME)
        found.append(digest)
    # RFC 7469 section 4.3: without a second key the first loss is the last.
    if len(found) < 2:
        raise PinError("pin.too_few", _NAME)
    return tuple(found)


def _digest(pin) -> bytes:
    if isinstance(pin, (bytes, bytearray, memoryview)):
        return bytes(pin)
    if not isinstance(pin, str):
        raise TypeError("a pin is 32 bytes, hex or base64: the SPKI SHA-256 of a key")
    from binascii import a2b_base64, unhexlify

    try:
        if len(pin) == 64:
            return unhexlify(pin)
        return a2b_base64(pin[7:] if pin.startswith("sha256/") else pin)
    except ValueError:
        raise PinError("pin.digest", pin)
