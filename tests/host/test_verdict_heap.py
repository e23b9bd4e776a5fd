# SPDX-License-Identifier: MIT
"""Cold verdicts in small heaps: the sizes README states, with room for a chain's own length."""

from collections.abc import Iterator

import pytest

from host_tools.build import runtime
from tests.bench import run

# chain -> KB from .mpy files, KB from a ROMFS. `make bench` has the figures of the day.
HEAPS = {
    "letsencrypt": (62, 44),
    "rsa2048-rsa4096": (53, 37),
    "rsa4": (60, 42),
    "p256-p256": (54, 36),
    "self": (24, 17),
}


@pytest.fixture(scope="module")
def benches() -> Iterator[list[run.Bench]]:
    run.WORK.mkdir(parents=True, exist_ok=True)
    run.make_chains(with_states=False)
    interpreter = runtime.find(32)
    yield [run.Bench(interpreter, where) for where in run.make_folders()]


@pytest.mark.parametrize("chain", HEAPS)
def test_a_cold_verdict_passes_in_a_small_heap(benches: list[run.Bench], chain: str) -> None:
    # The smallest, and not whether this one passes: in a heap a kilobyte larger the pieces lie
    # otherwise, and now and then worse.
    for bench, heap in zip(benches, HEAPS[chain], strict=True):
        assert bench.smallest_heap(f"judge:{chain}") <= heap


def test_a_heap_that_is_too_small_is_no_pass(benches: list[run.Bench]) -> None:
    for bench in benches:
        with pytest.raises(run.Failed, match=r"MemoryError|tls\.no_memory"):
            bench.passes("judge:letsencrypt", 20)


def test_a_verdict_that_is_another_is_no_pass(benches: list[run.Bench]) -> None:
    written = (run.WORK / "self").read_bytes()
    other = written.replace(b" ok\n", b" pin.none_matched\n", 1)
    assert other != written
    (run.WORK / "otherwise").write_bytes(other)
    for bench in benches:
        with pytest.raises(run.Failed, match="ValueError: ok"):
            bench.passes("judge:otherwise", 100)
