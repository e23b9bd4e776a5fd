# SPDX-License-Identifier: MIT
"""The bundles people will ship are small, and apply from flash in a small heap."""

import hashlib
import subprocess
from pathlib import Path

import cbor2
import pytest

from host_tools.build import deploy, runtime
from host_tools.signing.bundle_encode import (
    Authority,
    Description,
    KeySigner,
    Probe,
    encode_state,
    sign,
)
from tests.certs import fixture_bundle, pki
from trustanchor.encoding.cbor import BytesSource
from trustanchor.limits import BUILD_AT, BUNDLE_BYTES
from trustanchor.state import packing
from trustanchor.state.model import Service
from trustanchor.update import acceptance
from trustanchor.update.bundle import parse

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "build" / "fixtures" / "bundle"
HEAP = "64K"


class Device:
    product = None
    device_id = None


def bundle_with(kind: str) -> bytes:
    """Four anchors as name and key, four pins, two ES256 signatures."""
    signers = [KeySigner(pki.make_key()) for _ in range(2)]
    roots = [pki.authority(f"Root {number}", kind=kind) for number in range(4)]
    payload = encode_state(
        Description(
            sequence=1,
            issued_at=BUILD_AT,
            authority=Authority([(2, signers)]),
            backup=Authority([(1, [KeySigner(pki.make_key())])]),
            services=[Service("broker", ["broker.example.net"], port=8883, pin_set="broker")],
            pin_sets=[fixture_bundle.four_pins()],
            anchors=[fixture_bundle.plain_anchor(root.der) for root in roots],
            probes=[Probe("broker")],
        )
    )
    data = sign("state", payload, signers)
    acceptance.accept(None, (), BytesSource(data), (BUILD_AT, 0), Device)
    return data


def test_four_ec_anchors_four_pins_and_two_signatures_take_at_most_1800_bytes() -> None:
    assert len(bundle_with("p256")) <= 1800


def test_four_rsa_4096_anchors_take_at_most_3600_bytes() -> None:
    assert len(bundle_with("rsa4096")) <= 3600


def test_all_roots_of_certifi_take_at_most_512_bytes_each_and_2_kb() -> None:
    count = len(fixture_bundle.system_roots())
    data = (FIXTURES / "roots").read_bytes()
    state = parse(BytesSource(data))
    assert len(state.anchors) >= count > 100
    assert len(data) <= 512 * len(state.anchors) + 2048
    assert len(data) <= BUNDLE_BYTES


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("next", "accepted 0 3"),
        ("rescue", "accepted 1 1"),
        ("roots", "accepted 0 2"),
        ("first", "refused update.current"),
        ("hybrid", "refused update.rollback"),
        ("tampered", "refused cose.signature_invalid"),
    ],
)
def test_a_bundle_is_applied_from_flash_at_64k_of_heap(
    tmp_path: Path, name: str, expected: str
) -> None:
    first = (FIXTURES / "first").read_bytes()
    before, _ = acceptance.accept(None, (), BytesSource(first), (BUILD_AT, 0), Device)
    (tmp_path / "record").write_bytes(packing.pack(before))
    (tmp_path / "current").write_bytes(first)
    assert apply_on_board(tmp_path, name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("next", "installed 0 3 4"),
        ("rescue", "installed 1 1 4"),
        ("roots", f"installed 0 2 {len(fixture_bundle.system_roots()) + 4}"),
        ("first", "refused update.current"),
        ("tampered", "refused cose.signature_invalid"),
    ],
)
def test_a_board_installs_a_bundle_through_its_store_at_64k_of_heap(
    tmp_path: Path, name: str, expected: str
) -> None:
    """The store has booted into the first state; afterwards it is in the new one."""
    assert apply_on_board(tmp_path, "first", "heap_store") == "installed 0 1 4"
    assert apply_on_board(tmp_path, name, "heap_store") == expected


@pytest.mark.parametrize("name", ["hybrid", "quantum"])
def test_a_board_installs_its_first_state_through_its_store_at_64k_of_heap(
    tmp_path: Path, name: str
) -> None:
    """PS256 and ES256; HSS/LMS and ES256."""
    assert apply_on_board(tmp_path, name, "heap_store").startswith("installed 0 1 ")


@pytest.mark.parametrize("name", ["first", "hybrid", "quantum"])
def test_a_first_state_is_installed_from_flash_at_64k_of_heap(tmp_path: Path, name: str) -> None:
    """Two ES256 signers; PS256 and ES256; HSS/LMS and ES256."""
    assert apply_on_board(tmp_path, name) == "accepted 0 1"


def apply_on_board(folder: Path, name: str, program: str = "heap_update") -> str:
    """Run a program of tests/ on the compiled package; what it prints, or its errors."""
    data = bytearray((FIXTURES / ("roots" if name == "tampered" else name)).read_bytes())
    if name == "tampered":
        data[-1] ^= 1
    (folder / name).write_bytes(data)
    # Paths as short as on a board: each module keeps its own.
    lib = folder / "lib"
    if not lib.is_symlink():
        lib.symlink_to(deploy.package_folder("mpy", "x86").parent)
    file = ROOT / "tests" / f"{program}.py"
    command = runtime.find(32).command(str(file), "lib", ".", name, heap=HEAP)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    return done.stdout.strip() or done.stderr


def test_the_worked_example_of_the_specification_is_what_it_says() -> None:
    """SPEC.md shows a bundle in hex; it decodes, and it is accepted by the rules it explains."""
    text = (ROOT / "firmware/SPEC.md").read_text()
    block = text.split("```hex\n")[1].split("```")[0]
    data = bytes.fromhex("".join(line.split(";")[0] for line in block.splitlines()))
    message = cbor2.loads(data)
    assert message.tag == 98
    payload = message.value[2]
    accepted, digest = acceptance.accept(None, (), BytesSource(data), (BUILD_AT, 0), Device)
    assert digest == hashlib.sha256(payload).digest()
    assert f"payload digest `{digest.hex()}`" in text
    assert f"authority digest `{accepted.authority.hex()}`" in text
