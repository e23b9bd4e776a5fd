# SPDX-License-Identifier: MIT
"""What rewriting sources before they are compiled brings: smallest heaps with each step left out.

    python -m tests.bench.rewriting

host_tools/build/fold.py writes numbers for names, shorten.py gives private names short ones. Each
is taken out in turn, and both. A row has the smallest `-X heapsize` in KB of a pinned connect (TLS
1.2) and of the cold Let's Encrypt verdict, each from `.mpy` files and from a ROMFS; and, from
`.mpy` files, of a store that has booted and installs a bundle (`make fixtures` has made it).
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from host_tools.build import deploy, fold, runtime, shorten
from host_tools.demo.servers import TlsServer
from tests import measure_heap
from tests.bench import run
from tests.certs import pki

_VARIANTS = ((), ("fold",), ("shorten",), ("fold", "shorten"))


def _identity(text: str, *_: object) -> str:
    return text


def _installs_at(heap_kb: int, package: Path) -> bool:
    """Whether a board that has its first state installs the next one in this heap."""
    fixtures = run.ROOT / "build" / "fixtures" / "bundle"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "lib").symlink_to(package.parent)
        done = ""
        for name, heap in (("first", 256), ("next", heap_kb)):
            (Path(folder) / name).write_bytes((fixtures / name).read_bytes())
            program = str(run.ROOT / "tests" / "heap_store.py")
            command = runtime.find(32).command(program, "lib", ".", name, heap=f"{heap}K")
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True).stdout
        return done.startswith("installed 0 3")


def _smallest_install() -> int:
    package = deploy.package_folder("mpy", "x86")
    low, high = 4, 128
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _installs_at(middle, package) else (middle, high)
    return high


def measure(without: tuple[str, ...], server: TlsServer, pin: bytes) -> list[int]:
    """Smallest heaps in KB: connect from .mpy and ROMFS, verdict likewise, installation."""
    folded, shortened = fold.folded, shorten.shortened
    compiled = deploy.COMPILED
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        deploy.COMPILED = Path(scratch) / "mpy"
        if "fold" in without:
            fold.folded = _identity  # type: ignore[assignment]
        if "shorten" in without:
            shorten.shortened = _identity  # type: ignore[assignment]
        try:
            for form in measure_heap.forms(Path(scratch)):
                port, other = str(server.port), "00" * 32
                found.append(form.smallest_kb("connect", port, pin.hex(), other))
            for where in run.make_folders():
                bench = run.Bench(runtime.find(32), where)
                found.append(bench.smallest_heap(run.ORDINARY))
            found.append(_smallest_install())
        finally:
            fold.folded, shorten.shortened = folded, shortened
            deploy.COMPILED = compiled
    return found


def main() -> int:
    run.WORK.mkdir(parents=True, exist_ok=True)
    run.make_chains(with_states=False)
    leaf = pki.end_entity("device.example")
    print(f"{'without':<16}{'connect':>16}{'verdict':>16}{'install':>9}   KB, .mpy / ROMFS")
    with TlsServer([leaf.der], leaf.key, "1.2") as server:
        for without in _VARIANTS:
            a, b, c, d, e = measure(without, server, leaf.pin)
            name = " ".join(without) or "nothing"
            print(f"{name:<16}{a:>11} /{b:>3}{c:>11} /{d:>3}{e:>9}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
