# SPDX-License-Identifier: MIT
"""Print the worked example of firmware/SPEC.md, made with keys that are thrown away.

    python -m tests.spec_example

tests/host/test_bundle_size.py checks the one in the document; make a new one when the format
changes.
"""

import hashlib
from typing import Any

import cbor2

from host_tools.signing.bundle_encode import (
    Authority,
    Description,
    KeySigner,
    Probe,
    encode_state,
    sign,
)
from tests.certs import pki
from trustanchor.kinds import MODE_KEY
from trustanchor.state.model import Pin, PinSet, Service

ISSUED_AT = 1793491200  # 2026-11-01
_NAMES = ("unsigned", "negative", "bytes", "text", "array", "map", "tag", "true")
_ROW_BYTES = 24


def example() -> bytes:
    signer, backup = KeySigner(pki.make_key()), KeySigner(pki.make_key())
    pins = [
        Pin(hashlib.sha256(b"primary").digest()),
        Pin(hashlib.sha256(b"backup").digest(), True),
    ]
    description = Description(
        sequence=1,
        issued_at=ISSUED_AT,
        authority=Authority([(1, [signer])]),
        backup=Authority([(1, [backup])]),
        services=[Service("web", ["device.example.net"], port=443, mode=MODE_KEY, pin_set="web")],
        pin_sets=[PinSet("web", pins)],
        probes=[Probe("web")],
    )
    return sign("state", encode_state(description), [signer])


def rows(data: bytes, at: int = 0, depth: int = 0) -> tuple[list[str], int]:
    """One line an item: its head, and what it says; strings on lines of their own."""
    first = data[at]
    major, argument, end = first >> 5, first & 31, at + 1
    if argument >= 24 and major != 7:
        octets = 1 << (argument - 24)
        argument, end = int.from_bytes(data[at + 1 : at + 1 + octets], "big"), at + 1 + octets
    said = _NAMES[major] if major == 7 else f"{_NAMES[major]} {argument}"
    if major == 1:
        said = f"negative {-1 - argument}"
    lines = [f"{'  ' * depth}{data[at:end].hex()}  ; {said}"]
    if major in (2, 3):
        content = data[end : end + argument]
        if major == 2 and _is_cbor(content):
            inner, _ = rows(content, 0, depth + 1)
            lines += inner
        else:
            for start in range(0, argument, _ROW_BYTES):
                piece = content[start : start + _ROW_BYTES]
                note = f"  ; {piece.decode()}" if major == 3 else ""
                lines.append(f"{'  ' * (depth + 1)}{piece.hex()}{note}")
        return lines, end + argument
    for _ in range({4: argument, 5: 2 * argument, 6: 1}.get(major, 0)):
        inner, end = rows(data, end, depth + 1)
        lines += inner
    return lines, end


def _is_cbor(content: bytes) -> bool:
    """Whether a byte string is one of the wrapped maps: the headers and the payload."""
    try:
        value: Any = cbor2.loads(content)
    except cbor2.CBORDecodeError:
        return False
    return isinstance(value, dict) and cbor2.dumps(value, canonical=True) == content


def main() -> None:
    data = example()
    message = cbor2.loads(data)
    payload = message.value[2]
    state = cbor2.loads(payload)
    authority = hashlib.sha256(cbor2.dumps(state[6], canonical=True)).hexdigest()
    print(f"{len(data)} bytes, payload digest `{hashlib.sha256(payload).hexdigest()}`,")
    print(f"authority digest `{authority}`.\n")
    print("```hex")
    print("\n".join(rows(data)[0]))
    print("```")


if __name__ == "__main__":
    main()
