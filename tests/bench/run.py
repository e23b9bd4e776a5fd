# SPDX-License-Identifier: MIT
"""`make bench [JSON=file]`: what cryptography and verdicts cost on 32-bit MicroPython.

A script, not a test: figures depend on the machine, so every time is the processor's, the best of
many, and stands beside a plain reference (tests/bench/textbook.py) that takes turns with it in the
same process. Crafted chains (tests/bench/worst.py) stand beside two ordinary ones, each verdict
alone in its interpreter. Rows of the JSON file:

    operation, interpreter, ms, reference_ms, ratio, min_heap_kib

ms at a heap of 100 KB from .mpy files; ratio = ms / reference_ms; min_heap_kib is the smallest
`-X heapsize=` at which the operation passes, alone in its interpreter, found by bisection. A row
whose interpreter ends in "romfs" has run from a ROMFS image mapped outside the heap, as a board
has it in flash. Rows of native code carry native_bytes instead, one an architecture.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import certifi

from host_tools.build import deploy, runtime
from host_tools.signing import bundle_encode
from tests.bench import mbedtls, native, worst
from tests.certs import pki
from trustanchor.kinds import MODE_ANCHORS, MODE_KEY, MODE_PATH
from trustanchor.state.anchors import Anchor
from trustanchor.state.derive import anchor_of
from trustanchor.state.model import Service

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = ROOT / "build" / "bench"
BOOT = WORK / "boot"
HEAP_KIB = 100
LARGEST_KIB = 512
REPEATS = 25
WORST_REPEATS = 5
TIMEOUT_S = 120
# What runs on MicroPython, of this folder.
_DEVICE = ("device", "heap", "heap_verdict", "operations", "textbook", "verdict", "verdict_how")
ARCHITECTURES = ("x86", "xtensawin", "rv32imc")
HOST = "www.example.net"

# operation, its reference, what is printed
_ES256 = "textbook:p256-sha256"
CRYPTOGRAPHY = (
    ("verify:p256-sha256", _ES256, "ECDSA P-256, key never seen"),
    ("verify:p256-sha256:kept", _ES256, "ECDSA P-256, kept key"),
    ("verify:p256-sha256:plain", _ES256, "ECDSA P-256, key never seen, plain"),
    ("verify:p256-sha256:kept:plain", _ES256, "ECDSA P-256, kept key, plain"),
    ("verify:p384-sha256", "textbook:p384-sha256", "ECDSA P-384, key never seen"),
    ("verify:p384-sha256:kept", "textbook:p384-sha256", "ECDSA P-384, kept key"),
    ("verify:p384-sha256:plain", "textbook:p384-sha256", "ECDSA P-384, key never seen, plain"),
    ("verify:p384-sha256:kept:plain", "textbook:p384-sha256", "ECDSA P-384, kept key, plain"),
    ("verify:p521-sha256", "textbook:p521-sha256", "ECDSA P-521, plain"),
    ("table:p256-sha256", _ES256, "table of a P-256 key to keep"),
    ("sha:384:1000", "textbook_sha:1000", "SHA-384 of 1,000 bytes"),
    ("sha:384:1000:plain", "textbook_sha:1000", "SHA-384 of 1,000 bytes, plain"),
    ("verify:rsa2048-sha256", _ES256, "RSA-2048 PKCS#1 v1.5"),
    ("verify:rsa4096-sha256", _ES256, "RSA-4096 PKCS#1 v1.5"),
    ("cose:-7:cose-es256", _ES256, "bundle signature ES256"),
    ("cose:-37:cose-ps256-rsa2048", _ES256, "bundle signature PS256, RSA-2048"),
    ("cose:-37:cose-ps256-rsa3072", _ES256, "bundle signature PS256, RSA-3072"),
    ("cose:-46:hss-n32-h10-w4-l2", _ES256, "bundle signature HSS/LMS, two levels h=10 w=4"),
)
VERDICTS = (
    ("judge:rsa2048-rsa4096", _ES256, "verdict: RSA-2048 from RSA-4096"),
    ("judge:p256-p256", _ES256, "verdict: P-256 from P-256"),
    ("judge:p256-p256:kept", _ES256, "the same, its anchor's table kept"),
    ("judge:letsencrypt", _ES256, "verdict: P-256, P-384 intermediate, cross-sign by RSA-4096"),
    ("judge:letsencrypt:plain", _ES256, "the same without viper"),
    ("judge:letsencrypt:cached", _ES256, "the same, path remembered"),
    ("judge:rsa4", _ES256, "verdict: four RSA certificates"),
    ("judge:self", _ES256, "verdict: pinned key of a self-signed certificate"),
)
ANCHORS = (
    ("judge:anchors-1.bundle", _ES256, "verdict: 1 anchor in the state file"),
    ("judge:anchors-10.bundle", "judge:anchors-1.bundle", "verdict: 10 anchors"),
    ("judge:anchors-all.bundle", "judge:anchors-1.bundle", "verdict: all of certifi's roots"),
)


# What crafted chains are measured against: today's most common public chain, and the cheapest.
ORDINARY = "judge:letsencrypt"
CHEAPEST = "judge:p256-p256"


@dataclass
class Row:
    operation: str
    interpreter: str
    ms: float
    reference_ms: float | None
    ratio: float | None
    min_heap_kib: int
    loaded_kib: float


class Failed(Exception):
    """An operation did not pass; the message is what the interpreter said."""


class Bench:
    """Runs operations; where is the folder of .mpy files or the ROMFS image."""

    def __init__(self, interpreter: runtime.Interpreter, where: Path) -> None:
        self.interpreter = interpreter
        self.where = where
        self.name = "micropython32" + (" romfs" if where.suffix == ".romfs" else "")

    def run(self, operation: str, reference: str, repeats: int, heap_kib: int) -> dict[str, Any]:
        words = self._printed("device", operation, reference or "-", str(repeats), heap=heap_kib)
        if len(words) != 5:
            raise Failed(f"{operation}: {' '.join(words)}")
        return {"us": int(words[1]), "reference_us": int(words[2]), "loaded": int(words[4])}

    def _printed(self, module: str, *arguments: str, heap: int) -> list[str]:
        # About as long as a board's /lib: the path of every module is on the heap.
        start, path = ["-m"], f".frozen:{self.where.relative_to(ROOT)}"
        if self.where.suffix == ".romfs":
            # The port mounts a board's ROMFS before Python starts.
            start = ["-m", "from_rom", str(self.where.relative_to(ROOT))]
            path = f".frozen:{BOOT.relative_to(ROOT)}"
        done = subprocess.run(
            [*self.interpreter.command(*start, heap=f"{heap}K"), module, *arguments],
            env={**os.environ, "MICROPYPATH": path},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
        if done.returncode:
            raise Failed(f"{arguments[0]}: {(done.stdout + done.stderr).strip()[-300:]}")
        return done.stdout.split()

    def passes(self, operation: str, heap_kib: int) -> None:
        """Run an operation once, with little beside it; raise Failed unless it says it passed."""
        module, word = "heap", operation
        if operation.startswith("judge:"):
            module, word = "heap_verdict", operation.removeprefix("judge:")
        printed = self._printed(module, word, heap=heap_kib)
        if printed != ["passed"]:
            raise Failed(f"{operation}: {' '.join(printed)}")

    def smallest_heap(self, operation: str) -> int:
        """KiB; passing at one size is taken to mean passing at every larger one."""
        low, high = 4, HEAP_KIB
        while True:
            try:
                self.passes(operation, high)
                break
            except Failed:
                if high >= LARGEST_KIB:
                    raise
                low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            try:
                self.passes(operation, middle)
                high = middle
            except Failed:
                low = middle
        return high

    def row(self, operation: str, reference: str, label: str) -> Row:
        timed = self.run(operation, reference, REPEATS, HEAP_KIB)
        smallest = self.smallest_heap(operation)
        loaded = self.run(operation, "", 1, max(smallest, HEAP_KIB))["loaded"]
        return Row(
            label,
            self.name,
            round(timed["us"] / 1000, 3),
            round(timed["reference_us"] / 1000, 3),
            round(timed["us"] / timed["reference_us"], 3),
            smallest,
            round(loaded / 1024, 1),
        )


def make_chains(with_states: bool = True) -> None:
    """Write the chains the verdicts are about; keys and certificates are new in every run.

    with_states  those of state files with many anchors too
    """
    for old_tables in WORK.glob("*.tables"):
        old_tables.unlink()
    old = pki.authority("Old Root", kind="rsa4096")
    leaf = pki.end_entity(HOST, issuer=old, kind="rsa2048")
    _write("rsa2048-rsa4096", MODE_PATH, [leaf.der], leaf.pin, old)
    root = pki.authority("Root")
    leaf = pki.end_entity(HOST, issuer=root)
    _write("p256-p256", MODE_PATH, [leaf.der], leaf.pin, root)
    # Let's Encrypt in 2025: leaf P-256, intermediate and its root P-384, the root cross-signed by
    # the older RSA-4096 root that devices know.
    new = pki.authority("New Root", kind="p384", hash_name="sha384")
    cross = pki.authority("New Root", issuer=old, key=new.key)
    inter = pki.authority("E9", issuer=new, kind="p384", hash_name="sha384", path_length=0)
    leaf = pki.end_entity(HOST, issuer=inter, hash_name="sha384")
    _write("letsencrypt", MODE_PATH, [leaf.der, inter.der, cross.der], leaf.pin, old)
    first = pki.authority("RSA Intermediate 1", issuer=old, kind="rsa2048")
    second = pki.authority("RSA Intermediate 2", issuer=first, kind="rsa2048")
    leaf = pki.end_entity(HOST, issuer=second, kind="rsa2048")
    _write("rsa4", MODE_PATH, [leaf.der, second.der, first.der, old.der], leaf.pin, old)
    alone = pki.end_entity(HOST)
    _write("self", MODE_KEY, [alone.der], alone.pin, None)
    if not with_states:
        return
    others = [
        anchor_of(certificate.public_bytes(pki.serialization.Encoding.DER))
        for certificate in pki.x509.load_pem_x509_certificates(Path(certifi.where()).read_bytes())
    ]
    leaf = pki.end_entity(HOST, issuer=root)
    mine = anchor_of(root.der)
    for name, count in (("1", 1), ("10", 10), ("all", len(others) + 1)):
        _write(f"anchors-{name}.bundle", MODE_ANCHORS, [leaf.der], leaf.pin, None)
        # Ours in the middle; a key both here and in certifi would be a repeated anchor.
        chosen = others[: count - 1]
        chosen.insert(len(chosen) // 2, mine)
        (WORK / f"anchors-{name}.bundle-state").write_bytes(_state(chosen))


def _state(anchors: list[Anchor]) -> bytes:
    signer = bundle_encode.KeySigner(pki.make_key())
    other = bundle_encode.KeySigner(pki.make_key())
    description = bundle_encode.Description(
        sequence=1,
        issued_at=int(pki.datetime.datetime.now().timestamp()),
        authority=bundle_encode.Authority([(1, [signer])]),
        backup=bundle_encode.Authority([(1, [other])]),
        services=[Service("web", [HOST], mode=MODE_ANCHORS)],
        pin_sets=[],
        anchors=anchors,
        probes=[bundle_encode.Probe("web")],
    )
    payload = bundle_encode.encode_state(description)
    return bundle_encode.bundle_file(bundle_encode.sign("state", payload, [signer]))


def _write(
    name: str, mode: int, chain: list[bytes], pin: bytes, anchor: Any, code: str = "ok"
) -> None:
    blobs = [pin, os.urandom(32)]
    if anchor is not None:
        found = anchor_of(anchor.der)
        blobs += [bytes(found.name), bytes(found.spki)]
    blobs += chain
    at = int(pki.datetime.datetime.now().timestamp())
    lengths = ",".join(str(len(blob)) for blob in blobs)
    (WORK / name).write_bytes(f"{mode} {at} {lengths} {code}\n".encode() + b"".join(blobs))


def make_folders() -> tuple[Path, Path]:
    """Return (folder of .mpy files, ROMFS image), both as a board would have them."""
    folder = WORK.parent / "lib"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(deploy.package_folder("mpy", "x86", HERE), folder / "trustanchor")
    for name in _DEVICE:
        deploy.compile_newer(HERE / f"{name}.py", folder, *deploy.MPY_OPTIONS)
    BOOT.mkdir(exist_ok=True)
    deploy.compile_newer(HERE.parent / "from_rom.py", BOOT, *deploy.MPY_OPTIONS)
    image = WORK / "image.romfs"
    command = [sys.executable, "-m", "mpremote", "romfs", "--no-mpy", "-o", str(image), "build"]
    subprocess.run([*command, str(folder)], check=True, stdout=subprocess.DEVNULL)
    return folder, image


def worst_rows(bench: Bench, only: str) -> list[dict[str, Any]]:
    """Print and return what crafted chains cost (worst.py); each must end in its own code.

    Every verdict alone in its interpreter: all of the heap is its own, as on a device.
    """

    def alone(operation: str) -> float:
        return bench.run(operation, "", WORST_REPEATS, HEAP_KIB)["us"] / 1000

    rows: list[dict[str, Any]] = []
    for case in worst.cases():
        operation = f"judge:worst-{case.name}"
        if only not in operation:
            continue
        _write(f"worst-{case.name}", MODE_PATH, case.chain, case.pin, case.root, case.code)
        if not rows:
            print(f"crafted chains{'ms':>93}{'to LE':>8}{'to P-256':>9}{'KiB':>6}")
        ms, ordinary, cheapest = alone(operation), alone(ORDINARY), alone(CHEAPEST)
        smallest = bench.smallest_heap(operation)
        label = f"{case.label}: {case.code}"
        ratios = ms / ordinary, ms / cheapest
        print(f"{label:<98}{ms:9.2f}{ratios[0]:8.2f}{ratios[1]:9.2f}{smallest:6d}", flush=True)
        for reference_ms, suffix in ((ordinary, ""), (cheapest, ", to P-256 from P-256")):
            rows.append(
                {
                    "operation": label + suffix,
                    "interpreter": bench.name,
                    "ms": round(ms, 3),
                    "reference_ms": round(reference_ms, 3),
                    "ratio": round(ms / reference_ms, 3),
                    "min_heap_kib": smallest,
                }
            )
    return rows


def show(row: Row) -> None:
    ratio = "" if row.ratio is None else f"{row.ratio:8.3f}"
    reference = "" if row.reference_ms is None else f"{row.reference_ms:9.2f}"
    print(
        f"{row.operation:<60}{row.ms:9.2f}{reference}{ratio}{row.min_heap_kib:6d}"
        f"{row.loaded_kib:8.1f}  {row.interpreter}",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--only", default="", help="operations that contain this text")
    chosen = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    make_chains()
    folder, image = make_folders()
    interpreter = runtime.find(32)
    version = ".".join(map(str, interpreter.version))
    print(f"MicroPython {version}, 32-bit x86, -X heapsize={HEAP_KIB}K; best of {REPEATS}")
    print(f"{'operation':<60}{'ms':>9}{'ref ms':>9}{'ratio':>8}{'KiB':>6}{'loaded':>8}")
    rows: list[dict[str, Any]] = []
    for where, operations in (
        (folder, CRYPTOGRAPHY + VERDICTS + ANCHORS),
        (image, VERDICTS),
    ):
        bench = Bench(interpreter, where)
        for operation, reference, label in operations:
            if chosen.only in operation:
                row = bench.row(operation, reference, label)
                show(row)
                rows.append(asdict(row))
    rows += worst_rows(Bench(interpreter, folder), chosen.only)
    print("native code, bytes a module and architecture (at most 10,240 together; of _kernel and")
    print("_field a board loads one)")
    for architecture in ARCHITECTURES:
        found = native.bytes_of(deploy.package_folder("mpy", architecture))
        total = sum(found.values())
        parts = ", ".join(f"{name} {count}" for name, count in found.items())
        print(f"  {architecture:<10} {total:6d}  ({parts})")
        for name, count in [*found.items(), ("together", total)]:
            rows.append(
                {"operation": f"native code {name}", "interpreter": architecture,
                 "native_bytes": count}
            )  # fmt: skip
    rows += mbedtls.rows(WORK)
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
