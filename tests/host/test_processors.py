# SPDX-License-Identifier: MIT
"""The kernels of whole limbs: what their files say, who refuses them, a sample on emulated cores.

`make processors` is the whole run.
"""

import ast
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from host_tools.build import deploy, runtime
from host_tools.build.kernels import layout, native
from host_tools.build.places import PACKAGE, ROOT
from tests.bench import native as native_bytes
from tests.processors.emulator import ARCHITECTURES, Fault, NoEmulator, Processor, accessed

_VIPER = 2  # of raw code, less two
_NO_EMULATOR = 3

# RV32 words of a function that breaks one rule each.
_LI_S0 = 0x00100413
_RET = 0x00008067
_STORE_BEFORE = 0xFE02AC23  # sw zero, -8(t0)
_LOADS = (0x00452283, 0x00C2A283, 0x0002A283)  # t0 = the runtime's table
_CALL_ENTRY_5 = (0x0142A283, 0x00028067)
_FIRST_ARGUMENT = 0x0006A283  # lw t0, 0(a3)


def words(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "little") for value in values)


def kernel(architecture: str) -> bytes:
    folder = deploy.package_folder("mpy", architecture)
    return (folder / "crypto" / "_kernel.mpy").read_bytes()


@pytest.fixture
def processor(request: pytest.FixtureRequest) -> Iterator[Processor]:
    try:
        made = Processor(request.param)
    except NoEmulator as error:
        pytest.skip(str(error))
    with made:
        yield made


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_kernel_is_a_viper_function_and_small(architecture: str) -> None:
    """The assembler's own kind would be run as bytecode by firmware without that assembler."""
    ((kind, _, _, _),) = native.functions(kernel(architecture))
    assert kind == _VIPER
    found = native_bytes.bytes_of(deploy.package_folder("mpy", architecture))
    assert found.keys() == {"_kernel", "_field", "_sha2"}
    assert sum(found.values()) <= 10 * 1024


@pytest.mark.parametrize("architecture", ["x86", "armv7em", None])
def test_no_other_board_gets_a_kernel(architecture: str | None) -> None:
    names = deploy.package_files("mpy", architecture)
    assert not {"crypto/_kernel.mpy", "crypto/_limbs.mpy"} & set(names)
    assert "crypto/_limbs.py" not in deploy.package_files("py", architecture)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_firmware_for_another_processor_refuses_it_and_verifies(
    architecture: str, tmp_path: Path
) -> None:
    package = tmp_path / "trustanchor"
    shutil.copytree(deploy.package_folder("mpy", "x86"), package)
    for name in ("_kernel", "_limbs"):
        shutil.copy(
            deploy.package_folder("mpy", architecture) / "crypto" / f"{name}.mpy",
            package / "crypto",
        )
    program = (
        f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\n"
        "try:\n    import trustanchor.crypto._limbs\nexcept ValueError as error:\n"
        "    print(error)\n"
        "from trustanchor.crypto import ecdsa, rsa\n"
        "print(ecdsa.kernel().__name__)\n"
        "steps = rsa.opening((1 << 2048) - 159, 3, b'\\0' * 255 + b'\\2')\n"
        "try:\n    while True: next(steps)\n"
        "except StopIteration as done:\n    print(done.value == b'\\0' * 255 + b'\\10')\n"
    )
    interpreter = runtime.find(32)
    done = subprocess.run(
        interpreter.command("-c", program, heap="100K"), capture_output=True, text=True
    )
    assert done.stdout.splitlines() == [
        "incompatible .mpy arch",
        "trustanchor.crypto._field",
        "True",
    ], done.stderr


def test_what_a_board_gets_of_limbs_verifies_on_micropython(tmp_path: Path) -> None:
    """The compiled `_limbs` of RV32 on 32-bit x86, with the kernel's work in slow Python."""
    package = tmp_path / "trustanchor"
    shutil.copytree(deploy.package_folder("mpy", "x86"), package)
    compiled = deploy.package_folder("mpy", "rv32imc") / "crypto" / "_limbs.mpy"
    shutil.copy(compiled, package / "crypto")
    shutil.copy(ROOT / "tests" / "processors" / "slow_kernel.py", tmp_path)
    cases = []
    for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()):
        key = ec.generate_private_key(curve)
        signed = key.sign(b"message", ec.ECDSA(hashes.SHA256()))
        public = key.public_key().public_numbers()
        cases.append((curve.key_size, (public.x, public.y), *decode_dss_signature(signed)))
    digest = hashlib.sha256(b"message").digest()
    private = rsa.generate_private_key(65537, 2048)
    n = private.public_key().public_numbers().n
    signature = private.sign(b"message", padding.PKCS1v15(), hashes.SHA256())
    program = (
        f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nimport slow_kernel\n"
        "from trustanchor.crypto import ecdsa, rsa\n"
        "def end(steps):\n    try:\n        while True: next(steps)\n"
        "    except StopIteration as done: return done.value\n"
        "print(ecdsa.kernel().__name__)\n"
        f"for bits, q, r, s in {cases!r}:\n"
        f"    for digest in ({digest!r}, bytes(32)):\n"
        "        print(end(ecdsa.verifying(ecdsa.curve(bits), q, digest, r, s, None)))\n"
        "for message in (b'message', b'other'):\n"
        f"    print(end(rsa.verifying({n}, 65537, 256, message, {signature!r})))\n"
    )
    interpreter = runtime.find(32)
    done = subprocess.run(
        interpreter.command("-c", program, heap="300K"), capture_output=True, text=True
    )
    assert done.stdout.split() == ["trustanchor.crypto._limbs", *["True", "False"] * 4], (
        done.stderr
    )


def test_a_core_that_multiplies_otherwise_has_no_kernel() -> None:
    """A kernel whose product is always 1 is refused by the import, and the plain engine serves."""
    program = (
        "import sys\n"
        "from types import ModuleType\n"
        "kernel = ModuleType('trustanchor.crypto._kernel')\n"
        "def run(memory, steps, comb, points):\n"
        "    memory[272:288] = b'\\1' + bytes(15)\n"
        "kernel.run = run\n"
        "sys.modules[kernel.__name__] = kernel\n"
        "from trustanchor.crypto import ecdsa\n"
        "try:\n    import trustanchor.crypto._limbs\n"
        "except ImportError as error:\n    print(error)\n"
        "print(ecdsa.kernel())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == ["kernel", "False"], done.stderr


def test_both_sides_have_one_layout() -> None:
    """crypto/_limbs.py names the places of the memory as the kernels do."""
    numbers = {
        node.targets[0].id: node.value.args[0].value
        for node in ast.parse((PACKAGE / "crypto" / "_limbs.py").read_text()).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.args[0], ast.Constant)
    }
    names = (
        *("LIMBS", "WIDTH", "STEPS", "KIND", "SIZE", "INVERSE", "REGISTERS", "COLUMNS"),
        *("DOUBLE_AT", "ADD_AT", "DIGITS_AT", "REGISTERS_AT"),
    )
    assert {name: numbers[f"_{name}"] for name in names} == {
        name: getattr(layout, name) for name in names
    }


def test_the_digits_and_terms_are_those_of_the_primes() -> None:
    from tests.certs.make_combs import PARAMETERS

    tree = ast.parse((PACKAGE / "crypto" / "_limbs.py").read_text())
    (digits,) = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_DIGITS"
    ]
    for bits, octets in digits.items():
        p = PARAMETERS[bits][0]
        signed = [octet - 256 if octet > 127 else octet for octet in octets]
        assert sum(digit << 32 * i for i, digit in enumerate(signed)) == (1 << bits) - p
        # What rv32.py says of the fold: |a6| < 16 is folded twice at most.
        assert ((1 << bits) - p) >> (bits - 31) == 0
    for kind, bits in ((layout.P256, 256), (layout.P384, 384)):
        terms = sum(sign << 32 * shift for shift, sign in layout.TERMS[kind])
        assert terms - 1 == PARAMETERS[bits][0]


@pytest.mark.parametrize("processor", ["rv32imc"], indirect=True)
@pytest.mark.parametrize(
    "code, said",
    [
        (words(_LI_S0, _RET), "a register of the caller"),
        (words(*_LOADS, *_CALL_ENTRY_5), "a call into the runtime"),
        (words(_RET), "does not return None"),
        (words(_FIRST_ARGUMENT, _STORE_BEFORE, *_LOADS, 0x0002A503, _RET), "something beside"),
        (words(0), "the run ended"),
    ],
)
def test_what_a_kernel_must_not_do_is_noticed(
    processor: Processor, code: bytes, said: str
) -> None:
    with pytest.raises(Fault, match=said):
        processor.call(code, bytearray(16), b"", b"", b"")


_UNALIGNED_RV32 = words(_FIRST_ARGUMENT, 0x00128293, 0x0002A303, *_LOADS, 0x0002A503, _RET)


def test_an_unaligned_word_is_noticed_on_rv32() -> None:
    """t0 = the first argument + 1; lw t1, 0(t0). QEMU takes it, so its registers are looked at."""
    try:
        processor = Processor("rv32imc", watches=True)
    except NoEmulator as error:
        pytest.skip(str(error))
    with processor:
        processor.call(_UNALIGNED_RV32, bytearray(16), b"", b"", b"")
    assert processor.unaligned == {8}
    assert processor.instructions == len(_UNALIGNED_RV32) // 4


@pytest.mark.parametrize(
    "code, expected",
    [
        (words(0xFE02AC23), (5, -8, 4)),  # sw zero, -8(t0)
        (words(0x00452283), (10, 4, 4)),  # lw t0, 4(a0)
        (words(0x00229303), (5, 2, 2)),  # lh t1, 2(t0)
        (words(0x00028303), None),  # lb t1, 0(t0)
        (words(_RET), None),
        ((0x4198).to_bytes(2, "little"), (11, 0, 4)),  # c.lw a4, 0(a1)
        ((0xC198).to_bytes(2, "little"), (11, 0, 4)),  # c.sw a4, 0(a1)
        ((0x4522).to_bytes(2, "little"), (2, 0, 4)),  # c.lwsp a0, 8(sp)
        ((0x4505).to_bytes(2, "little"), None),  # c.li a0, 1
    ],
)
def test_loads_and_stores_are_told_from_the_rest(
    code: bytes, expected: tuple[int, int, int] | None
) -> None:
    assert accessed(code, 0) == expected


@pytest.mark.parametrize("processor", ["rv32imc"], indirect=True)
def test_what_returns_none_and_touches_nothing_passes(processor: Processor) -> None:
    memory = bytearray(b"as it was")
    processor.call(words(*_LOADS, 0x0002A503, _RET), memory, b"", b"", b"")
    assert memory == b"as it was"


@pytest.mark.parametrize("processor", ["xtensawin"], indirect=True)
@pytest.mark.parametrize(
    "code",
    [
        b"\x36\x41\x00\x80\x00\x00",  # entry, and ret where retw belongs
        b"\x36\x41\x00\x90\x00\x00",  # entry, retw: what it returns is not None
        b"\x00\x00\x00",  # no instruction
        # entry; l32i a8, a5, 0; addi a8, a8, 1; l32i a9, a8, 0: not on a multiple of four
        b"\x36\x41\x00\x82\x25\x00\x82\xc8\x01\x92\x28\x00\x90\x00\x00",
    ],
)
def test_a_wrong_window_and_an_unaligned_word_are_noticed(
    processor: Processor, code: bytes
) -> None:
    with pytest.raises(Fault):
        processor.call(code, bytearray(16), b"", b"", b"")


def test_a_sample_agrees_on_both_processors() -> None:
    vectors = os.environ.get("VECTORS", "")
    done = subprocess.run(
        [sys.executable, "-m", "tests.processors.run", vectors]
        + ["--sample", "150", "--seconds", "0", "--no-counts"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode == _NO_EMULATOR:
        pytest.skip(f"{done.stderr.strip()}; `make processors` says the same")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "processors: 0 differences"
