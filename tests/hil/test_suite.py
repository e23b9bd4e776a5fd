# SPDX-License-Identifier: MIT
"""The whole portable suite on the board itself, over the cable, as run_portable.py runs it here.

Helpers, fixtures and each compiled test in its turn go into /hil, beside a package that keeps the
private names which tests look at; a file that is there already is not sent again. With --may-erase
or on the simulated board /hil is removed afterwards.
"""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from host_tools.build import deploy, places
from host_tools.hil.bench import BoardUnderTest, Figures
from tests.run_portable import compiled_tests

PORTABLE = Path(__file__).resolve().parents[1] / "portable"
TESTS = sorted(file.stem for file in PORTABLE.glob("test_*.py"))
HELPERS = sorted(
    file.stem for file in PORTABLE.glob("*.py") if file.stem not in (*TESTS, "run", "conftest")
)
ON_BOARD = "/hil"
SILENCE_S = 300  # a file prints when it is done; a stock ESP32 takes minutes for RSA and HSS
_RUN = """
import gc, machine, os, sys, time
machine.RTC().datetime({now})  # tests of the clock begin where a board's program has set it
os.chdir({folder!r})

def clear(path):
    for name, kind, *_ in list(os.ilistdir(path)):
        if kind == 0x4000:
            clear(path + "/" + name)
            os.rmdir(path + "/" + name)
        else:
            os.remove(path + "/" + name)

if "tmp" in os.listdir("build"):
    clear("build/tmp")  # what the file before has left fills a small flash
sys.path[:] = [{folder!r}, ".frozen"]
gc.threshold(2048)
import {name} as module
passed = failed = 0
for name in sorted(n for n in dir(module) if n.startswith("test_")):
    gc.collect()
    try:
        getattr(module, name)()
        passed += 1
    except Exception as error:
        failed += 1
        print("FAILED", name)
        sys.print_exception(error)
gc.collect()
print(passed, "passed", failed, "failed")
"""


@pytest.fixture(scope="module")
def suite(board: BoardUnderTest, request: pytest.FixtureRequest) -> Iterator[BoardUnderTest]:
    with deploy.Board.open(board.port) as link:
        package = deploy.package_folder("mpy", link.architecture(), PORTABLE)
        compiled = compiled_tests()
        files = {
            f"{package.name}/{file.relative_to(package).as_posix()}": file
            for file in package.rglob("*.mpy")
        }
        files |= {f"{name}.mpy": compiled / f"{name}.mpy" for name in HELPERS}
        fixtures = places.BUILD / "fixtures"
        for file in fixtures.rglob("*"):
            if file.is_file():
                files[f"build/fixtures/{file.relative_to(fixtures).as_posix()}"] = file
        for folder in sorted({name.rpartition("/")[0] for name in files}):
            link.make_folder(f"{ON_BOARD}/{folder}".rstrip("/"))
        for name, file in files.items():
            content = file.read_bytes()
            if not link.holds(f"{ON_BOARD}/{name}", content):
                link.transport.fs_writefile(f"{ON_BOARD}/{name}", content, 4096)
    yield board
    if board.is_simulated or request.config.getoption("--may-erase"):
        with deploy.Board.open(board.port) as link:
            for path in link.files_below(ON_BOARD):
                link.transport.fs_rmfile(path)


@pytest.mark.parametrize("name", TESTS)
def test_a_portable_file_passes_on_the_board(
    name: str, suite: BoardUnderTest, figures: Figures
) -> None:
    year, month, day, hour, minute, second, weekday, *_ = time.gmtime()
    now = (year, month, day, weekday, hour, minute, second, 0)
    # One at a time, and what it borrows from others: all of them fill a small flash.
    borrowed = re.findall(r"^from (test_\w+) import", (PORTABLE / f"{name}.py").read_text(), re.M)
    files = [f"{one}.mpy" for one in (name, *borrowed)]
    with deploy.Board.open(suite.port) as link:
        for file in files:
            content = (compiled_tests() / file).read_bytes()
            link.transport.fs_writefile(f"{ON_BOARD}/{file}", content, 4096)
    try:
        said = suite.run(_RUN.format(folder=ON_BOARD, name=name, now=now), silence_s=SILENCE_S)
    finally:
        with deploy.Board.open(suite.port) as link:
            for file in files:
                link.transport.fs_rmfile(f"{ON_BOARD}/{file}")
    counted = re.search(r"(\d+) passed (\d+) failed\s*$", said)
    assert counted and int(counted[1]) > 0 and counted[2] == "0", said
