# SPDX-License-Identifier: MIT
"""Every runbook is run: each page's blocks in order, in a folder where the ceremony took place."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from host_tools.sim.board import Board
from tests.certs import pki

RUNBOOKS = Path(__file__).resolve().parents[2] / "host_tools" / "runbooks"
PAGES = sorted(page.stem for page in RUNBOOKS.glob("*.md") if page.stem != "README")
BLOCK = re.compile(r"^```(sh|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
REFUSED = "# refused"


def follow(page: str, folder: Path) -> int:
    """Do what the page says; returns how many blocks it had."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "TRUSTANCHOR_PASSPHRASE": "geheim"}
    blocks = BLOCK.findall((RUNBOOKS / f"{page}.md").read_text())
    for kind, text in blocks:
        if kind == "toml":
            name = text.splitlines()[0].removeprefix("# ")
            (folder / name).write_text(text)
            continue
        done = subprocess.run(
            ["bash", "-ec", text], cwd=folder, env=environment, capture_output=True, text=True
        )
        said = f"{text}\n{done.stdout}\n{done.stderr}"
        if text.rstrip().endswith(REFUSED):
            assert done.returncode == 1, said
        else:
            assert done.returncode == 0, said
        assert "Traceback" not in done.stderr, said
    return len(blocks)


@pytest.fixture(scope="module")
def ceremony(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ceremony")
    for name in ("root-a", "root-b", "root-c"):
        (folder / f"{name}.pem").write_bytes(pki.authority(name).pem)
    assert follow("key-ceremony", folder) > 5
    return folder


@pytest.mark.parametrize("page", [page for page in PAGES if page != "key-ceremony"])
def test_the_page_works_as_written(page: str, ceremony: Path, tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    shutil.copytree(ceremony, folder)
    with contextlib.ExitStack() as stack:
        if "board.port" in (RUNBOOKS / f"{page}.md").read_text():
            board = Board(tmp_path / "flash.img", rtc=int(time.time()), link=folder / "board.port")
            stack.enter_context(board)
        assert follow(page, folder) > 3


def test_the_index_names_every_page() -> None:
    index = (RUNBOOKS / "README.md").read_text()
    assert sorted(set(re.findall(r"\(([a-z-]+)\.md\)", index))) == PAGES
