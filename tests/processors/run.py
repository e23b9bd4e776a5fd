# SPDX-License-Identifier: MIT
"""`make processors`: the kernels that boards get, executed on emulated RV32 and Xtensa cores.

For each architecture: every signature of the vectors by both machines, against the plain engine;
digests against hashlib; products and combinations of edge operands against Python's integers; then
chains of random products until SECONDS have passed; a short run of every function in which each
load and store is looked at (`emulator.py`); last, the instructions of each kernel call, which are
the same in every run. Exits 1 when anything differs, 3 when there is no emulator.

What the emulated core does not have, and so is not shown here: see tests/processors/xtensa.S.
"""

import argparse
import hashlib
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from host_tools.build.kernels import layout
from tests.conformance import run as conformance
from tests.processors.emulator import ARCHITECTURES, NoEmulator
from tests.processors.kernels import Kernels, finish

BITS = (256, 384, 521)
RSA_BITS = (2048, 2056, 3072, 4096, 8192)
_REGISTERS = 10
_CHAIN = 3000  # products of one random chain, 250 calls of a microprogram with 12


class Machine:
    """The kernel of whole limbs with a microprogram and registers of one's own."""

    def __init__(self, kernels: Kernels, bits: int) -> None:
        from trustanchor.crypto import _limbs, ecdsa

        self.on = ecdsa.curve(bits)
        self.bits = bits
        self.p = self.on.p
        self._run = vars(_limbs)["run"]
        self._memory = _limbs.room(self.on)
        self.width = self._memory[layout.WIDTH]
        self.unscale = pow(1 << 32 * self._memory[layout.LIMBS], -1, self.p)

    def after(
        self, program: Sequence[tuple[int, ...]], registers: list[int], steps: int = 1
    ) -> list[int]:
        """The registers after the program has run as often as steps says."""
        memory = bytearray(self._memory)
        instructions = b"".join(bytes(instruction) for instruction in program) + b"\xff"
        assert len(instructions) <= layout.ADD_AT - layout.DOUBLE_AT
        memory[layout.DOUBLE_AT : layout.DOUBLE_AT + len(instructions)] = instructions
        memory[layout.STEPS] = steps
        for i, value in enumerate(registers):
            at = layout.REGISTERS_AT + i * self.width
            memory[at : at + self.width] = value.to_bytes(self.width, "little")
        self._run(memory, b"\xff" * steps, b"", b"")
        found = []
        for at in range(
            layout.REGISTERS_AT, layout.REGISTERS_AT + _REGISTERS * self.width, self.width
        ):
            found.append(int.from_bytes(memory[at : at + self.width], "little"))
        return found


# What a combination is asked for: every pair of factors in the microprograms.
COMBINATIONS = ((1, -1), (3, 3), (2, 2), (1, -8), (4, -1), (1, -2), (-1, -1))


def edges(bits: int, p: int, source: random.Random) -> list[int]:
    """Numbers below 2^bits at which carries and the last subtraction change."""
    above = 1 << bits
    # all limbs but one full, and the other way round
    single = [0xFFFFFFFF << 32 * i for i in (0, 3, 6, bits // 32 - 1)]
    values = [0, 1, 2, p - 1, p, p + 1, above - 1, above - 2, above - p, above >> 1, p >> 1]
    values += [value % above for value in single]
    values += [above - 1 - value % above for value in single]
    values += [source.getrandbits(bits) for _ in range(6)]
    return [value % above for value in values]


def edge_differences(kernels: Kernels, bits: int, source: random.Random) -> Iterator[str]:
    """Say where a product or a combination is not congruent to Python's, or not below 2^bits."""
    machine = Machine(kernels, bits)
    p = machine.p
    values = edges(bits, p, source)
    program = [(2, 0, 1, 0, 0), (9, 0, 0, 0, 0)]
    program += [(3 + i, 0, 1, 16 + k, 16 + m) for i, (k, m) in enumerate(COMBINATIONS[:6])]
    for a in values:
        for b in values:
            wanted = {2: a * b * machine.unscale, 9: a * a * machine.unscale}
            wanted |= {3 + i: k * a + m * b for i, (k, m) in enumerate(COMBINATIONS[:6])}
            found = machine.after(program, [a, b])
            found_last = machine.after([(2, 0, 1, 15, 15)], [a, b])[2]
            for register, value in wanted.items():
                if found[register] >> bits or (found[register] - value) % p:
                    yield f"P-{bits}: register {register} of {a:#x}, {b:#x}"
            if found_last >> bits or (found_last + a + b) % p:
                yield f"P-{bits}: -left - right of {a:#x}, {b:#x}"


def random_chain(kernels: Kernels, bits: int, source: random.Random) -> bool:
    """Whether a chain of products, each of the two before it, ends where Python's does."""
    machine = Machine(kernels, bits)
    p, unscale = machine.p, machine.unscale
    registers = [source.getrandbits(bits) for _ in range(4)]
    program = [(i, i, (i + step) % 4, 0, 0) for step in (1, 2, 3) for i in range(4)]
    steps = _CHAIN // len(program)
    found = machine.after(program, registers, steps)
    values = list(registers)
    for _ in range(steps):
        for target, left, right, _, _ in program:
            values[target] = values[left] * values[right] * unscale % p
    return all(not a >> bits and (a - b) % p == 0 for a, b in zip(found, values, strict=False))


def rsa_differences(kernels: Kernels, bits: int, source: random.Random) -> Iterator[str]:
    from trustanchor.crypto import _limbs

    size = (bits + 7) // 8
    top = 1 << bits
    # moduli with limbs of ones, and with few bits, beside random ones
    for n in (top - 1, (top >> 1) + 1, source.getrandbits(bits) | top >> 1 | 1):
        for base in (0, 1, n - 1, n >> 1, source.randrange(n)):
            octets = base.to_bytes(size, "big")
            for e in (3, 17):
                found = finish(_limbs.opening(n, e, octets))
                if found != pow(base, e, n):
                    yield f"RSA-{bits}: {base:#x} ** {e}"


def sha_differences(source: random.Random) -> Iterator[str]:
    from trustanchor.crypto import sha512

    for length in (0, 1, 111, 112, 127, 128, 129, 239, 240, 1000, 2047, 2048, 2049, 5000):
        message = source.randbytes(length)
        for bits in (384, 512):
            found = finish(sha512.digesting(bits, message, sha512.kernel()))
            if found != hashlib.new(f"sha{bits}", message).digest():
                yield f"SHA-{bits} of {length} bytes"


def vector_differences(
    kernels: Kernels, folder: Path, sample: int, machines: tuple[str, ...]
) -> Iterator[str]:
    """Decide the vectors' signatures by each machine; say where one is not as the plain engine."""
    for suite, found in conformance.suites(folder, sample, ["wycheproof"]):
        judged = [case for case in found if case.scope is None]
        codes = {}
        for machine in ("plain", *machines):
            kernels.use(machine)
            conformance.run_here(judged)
            codes[machine] = [case.code for case in judged]
            agree = sum(case.agrees for case in judged)
            print(f"  {suite:<52} {machine:<7} {len(judged):5d} cases, {agree:5d} agree")
        for machine in machines:
            for case, code, wanted in zip(judged, codes[machine], codes["plain"], strict=True):
                if code != wanted:
                    yield f"{machine} {case.id}: {code}, plainly {wanted}"


def unaligned(architecture: str, is_sample: bool, source: random.Random) -> Iterator[str]:
    """Run a part of each function's work; say where a word is not on a multiple of its size."""
    from trustanchor.crypto import _field, _limbs, ecdsa, sha512

    def points(machine: Any, bits: int) -> None:
        on = ecdsa.curve(bits)
        # A point of the comb, a doubling, a point of the other table with its sign turned.
        steps = [bytes([16 if bits == 521 else 1, 255, 16 | 64])]
        finish(machine.running(on, steps, source.randbytes(2 * on.size), machine.room(on)))

    def limbs() -> None:
        for bits in BITS[:1] if is_sample else BITS:
            points(_limbs, bits)
        octets = b"\x55" * 36
        n = source.getrandbits(8 * 36) | 1 << 287 | 1
        finish(_limbs.opening(n, 3, octets))

    def field() -> None:
        for bits in BITS[:1] if is_sample else BITS[:2]:
            points(_field, bits)

    def digest() -> None:
        finish(sha512.digesting(384, source.randbytes(30), sha512.kernel()))

    # A processor for each function: places in the log are those of one code.
    for name, work in (("_kernel", limbs), ("_field", field), ("_sha2", digest)):
        with Kernels(architecture, watches=True) as kernels:
            kernels.use("_limbs")
            work()
        print(f"  loads and stores looked at: {name}, {kernels.processor.calls} calls")
        for at in sorted(kernels.processor.unaligned):
            yield f"{name}: the instruction at {at:#x} takes a word that is not aligned"


# Counting


def counted(architecture: str, label: str, work: Any, machine: str = "_limbs") -> dict[str, Any]:
    """The instructions of the native functions in one piece of work, a harness of its own each."""
    with Kernels(architecture, counts=True) as kernels:
        kernels.use(machine)
        work(kernels)
        processor = kernels.processor
    row = {
        "operation": label,
        "interpreter": architecture,
        "instructions": processor.instructions,
        "calls": processor.calls,
    }
    print(f"  {label:<52} {row['instructions']:>10,} in {row['calls']} calls")
    return row


def counts(architecture: str) -> list[dict[str, Any]]:
    rows = []
    for bits in BITS:

        def product(kernels: Kernels, bits: int = bits) -> None:
            Machine(kernels, bits).after([(2, 0, 1, 0, 0)], [3, 5])

        def verification(kernels: Kernels, bits: int = bits) -> None:
            _verify(bits)

        rows.append(counted(architecture, f"kernel: product, P-{bits}", product))
        rows.append(counted(architecture, f"kernel: ECDSA P-{bits}, never seen", verification))
        if bits != 521:
            rows.append(
                counted(
                    architecture,
                    f"kernel: ECDSA P-{bits}, kept",
                    lambda kernels, bits=bits: _verify(bits, is_kept=True),
                )
            )
    rows.append(
        counted(
            architecture, "viper: ECDSA P-256, never seen", lambda kernels: _verify(256), "_field"
        )
    )
    for bits in (2048, 4096):
        rows.append(
            counted(
                architecture,
                f"kernel: RSA-{bits}, e = 65537",
                lambda kernels, bits=bits: _raise(bits),
            )
        )
    return rows


def _verify(bits: int, is_kept: bool = False) -> None:
    """A verification of fixed numbers: right or wrong takes the same steps."""
    from trustanchor.crypto import _ecdsa_tables, ecdsa

    on = ecdsa.curve(bits)
    digest = hashlib.sha512(b"digest").digest()[: bits // 8]
    r, s = on.n // 3, on.n // 5
    # Twice the generator, by affine arithmetic.
    x, y = on.base
    slope = (3 * x * x - 3) * pow(2 * y, -1, on.p) % on.p
    double = (slope * slope - 2 * x) % on.p
    key = double, (slope * (x - double) - y) % on.p
    kept = finish(_ecdsa_tables.making(on, key)) if is_kept else None
    finish(ecdsa.verifying(on, key, digest, r, s, kept))


def _raise(bits: int) -> None:
    from trustanchor.crypto import _limbs

    n = (1 << bits) - 159
    octets = (n // 3).to_bytes(bits // 8, "big")
    finish(_limbs.opening(n, 65537, octets))


# The run


def judge(architecture: str, chosen: argparse.Namespace) -> list[str]:
    source = random.Random(chosen.seed)
    differences: list[str] = []
    with Kernels(architecture) as kernels:
        print(
            f"{architecture}: {', '.join(f'{k} {len(v)}' for k, v in kernels.code.items())} bytes"
        )
        kernels.use("_limbs")
        for bits in BITS:
            differences += edge_differences(kernels, bits, source)
        for bits in RSA_BITS[: len(RSA_BITS) if chosen.sample == 1 else 2]:
            differences += rsa_differences(kernels, bits, source)
        differences += sha_differences(source)
        print(f"  edge operands and digests: {kernels.processor.calls:,} kernel calls")
        if chosen.vectors and Path(chosen.vectors).is_dir():
            differences += vector_differences(
                kernels, Path(chosen.vectors), chosen.sample, ("_limbs", "_field")
            )
        else:
            print("  SKIP vectors: there are none; name their folder with VECTORS=dir")
        kernels.use("_limbs")
        products = 0
        until = time.monotonic() + chosen.seconds
        while not products or time.monotonic() < until:
            for bits in BITS:
                if not random_chain(kernels, bits, source):
                    differences.append(f"P-{bits}: a random chain, seed {chosen.seed}")
                products += _CHAIN
        print(f"  random products: {products:,}, seed {chosen.seed}")
    differences += unaligned(architecture, chosen.sample > 1, source)
    return differences


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("vectors", nargs="?", default="", help="the folder with wycheproof/")
    parser.add_argument("--seconds", type=float, default=10, help="of random products")
    parser.add_argument("--sample", type=conformance.several, default=1, help="every n-th case")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the counts here")
    parser.add_argument("--no-counts", action="store_true")
    chosen = parser.parse_args()
    rows: list[dict[str, Any]] = []
    differences: list[str] = []
    try:
        for architecture in ARCHITECTURES:
            found = judge(architecture, chosen)
            differences += [f"{architecture}: {line}" for line in found]
            if not chosen.no_counts:
                rows += counts(architecture)
    except NoEmulator as error:
        print(f"processors: {error}", file=sys.stderr)
        return 3
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=1) + "\n")
    for line in differences[:20]:
        print(line)
    print(f"processors: {len(differences)} differences")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
