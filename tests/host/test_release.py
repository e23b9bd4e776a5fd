# SPDX-License-Identifier: MIT
"""`make release`: whole, summed, and the same whoever makes it, where, and in which time zone."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from host_tools.boards import definitions
from host_tools.build import deploy, release
from host_tools.build.places import ROOT
from host_tools.demo.steps import mpremote
from host_tools.sim.board import Board


def copy_of_the_tree(folder: Path, touched: str) -> Path:
    """The files that git knows, in a repository of their own, with other times and modes."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in sorted(set(filter(None, listed.stdout.split("\0")))):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    subprocess.run(["git", "add", "-A"], cwd=folder, check=True)
    files = [str(path) for path in folder.rglob("*") if path.is_file()]
    for at in range(0, len(files), 200):
        subprocess.run(["touch", "-d", touched, *files[at : at + 200]], check=True)
    return folder


# Read by every Python that starts with its folder on the path: another day, another clock.
CLOCK = """
import datetime, time
away = {away}
clock, local, utc = time.time, time.localtime, time.gmtime
time.time = lambda: clock() + away
time.time_ns = lambda: int(time.time() * 1e9)
time.localtime = lambda at=None: local(time.time() if at is None else at)
time.gmtime = lambda at=None: utc(time.time() if at is None else at)
with open({log!r}, "a") as log:
    print(time.strftime("%Y", time.gmtime()), file=log)
"""
# Another user, in a name space of his own, where the machine lets one be made.
UNSHARE = ["unshare", "--user", "--map-user=1234", "--map-group=1234"]


def made(
    tree: Path, out: Path, *, umask: int, zone: str, home: Path, away_s: int = 0, before=()
) -> dict[str, bytes]:
    path = f"{tree}{os.pathsep}{tree / 'firmware'}"
    if away_s:
        (home / "sitecustomize.py").write_text(CLOCK.format(away=away_s, log=str(home / "years")))
        path = f"{home}{os.pathsep}{path}"
    done = subprocess.run(
        [*before, sys.executable, "-m", "host_tools.build.release", str(out)],
        cwd=tree,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "TZ": zone,
            "LANG": zone,
            "PYTHONPATH": path,
        },
        umask=umask,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = out.iterdir()
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("a")
    tree = copy_of_the_tree(folder / "tree", "2001-02-03T04:05:06Z")
    return made(tree, folder / "out", umask=0o022, zone="UTC", home=folder)


def test_two_builds_of_one_tree_are_equal(
    first: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("another, longer path")
    tree = copy_of_the_tree(folder / "the tree", "2031-01-01T00:00:00Z")
    home = tmp_path_factory.mktemp("home")
    tried = subprocess.run([*UNSHARE, "id", "-u"], capture_output=True, text=True, check=False)
    user = UNSHARE if tried.stdout.strip() == "1234" else []
    if not user:
        print(f"as the same user: {tried.stderr.strip()}")
    second = made(
        tree,
        folder / "out",
        umask=0o077,
        zone="Asia/Kathmandu",
        home=home,
        away_s=9 * 365 * 86400,
        before=user,
    )
    years = {int(year) for year in (home / "years").read_text().split()}
    assert min(years) >= 2035, "no Python of the build was told the other time"
    assert sorted(first) == sorted(second)
    assert [name for name in first if first[name] != second[name]] == []


def test_one_changed_byte_of_the_sources_is_another_release(
    first: dict[str, bytes], tmp_path: Path
) -> None:
    tree = copy_of_the_tree(tmp_path / "tree", "2001-02-03T04:05:06Z")
    file = tree / "firmware" / "trustanchor" / "clock.py"
    file.write_text(file.read_text().replace("_SLACK_S = const(2)", "_SLACK_S = const(3)"))
    second = made(tree, tmp_path / "out", umask=0o022, zone="UTC", home=tmp_path)
    changed = {name for name in first if first[name] != second[name]}
    assert {"device/xtensawin/trustanchor/clock.mpy", "bom/software.cdx.json", "SHA256SUMS"} <= (
        changed
    )


def test_it_has_everything_and_sums_of_it(first: dict[str, bytes], tmp_path: Path) -> None:
    boards = {definitions.load(name).architecture for name in definitions.names()}
    assert set(release.architectures()) == boards - {"x86"}
    for architecture in release.architectures():
        index = json.loads(first[f"device/{architecture}/package.json"])
        paths = [target for target, _ in index["urls"]]
        assert {path for path in paths if path.endswith(".mpy")} >= {
            f"trustanchor/{name}.mpy" for name in deploy.package_modules() if "/_" not in name
        }
        assert all(f"device/{architecture}/{source}" in first for _, source in index["urls"])
        assert len(first[f"device/{architecture}/trustanchor.romfs"]) > 50000
    assert "Unreleased" in first["documents/CHANGES.md"].decode()
    for name, content in first.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    check = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    assert subprocess.run(check, cwd=tmp_path).returncode == 0
    assert len(first["SHA256SUMS"].splitlines()) == len(first) - 1
    (tmp_path / "documents/API.md").write_text("changed")
    assert subprocess.run(check, cwd=tmp_path, capture_output=True).returncode == 1


def test_mip_installs_a_compiled_package_by_its_index(tmp_path: Path) -> None:
    """As for a board's processor, here for the one that the simulated board has."""
    with Board(tmp_path / "flash.img") as board:
        with deploy.Board.open(board.port) as link:
            architecture = link.architecture()
        assert architecture
        release.device(tmp_path / "device", architecture)
        mpremote(board.port, "mip", "install", str(tmp_path / "device" / "package.json"))
        told = mpremote(
            board.port, "exec", "from trustanchor import Context; print(Context.connect)"
        )
        assert told.startswith("<function connect")
        listed = mpremote(board.port, "fs", "ls", ":lib/trustanchor/crypto")
        assert "rsa.mpy" in listed and ".py\n" not in listed


def test_pip_makes_the_wheel_of_the_sources(first: dict[str, bytes], tmp_path: Path) -> None:
    (sources,) = [name for name in first if name.endswith(".tar.gz")]
    (wheel,) = [name for name in first if name.endswith(".whl")]
    (tmp_path / Path(sources).name).write_bytes(first[sources])
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "-q", "--no-deps"]
    subprocess.run(
        [*pip, "--no-build-isolation", "-w", str(tmp_path), str(tmp_path / Path(sources).name)],
        env={**os.environ, "SOURCE_DATE_EPOCH": "315532800", "PIP_NO_CACHE_DIR": "1"},
        umask=0o022,
        check=True,
    )
    assert (tmp_path / Path(wheel).name).read_bytes() == first[wheel]


def test_nothing_of_the_machine_is_in_it(first: dict[str, bytes]) -> None:
    for name, content in first.items():
        assert b"/tmp/" not in content or name.endswith(("whl", ".gz", ".py")), name
        assert str(ROOT).encode() not in content, name
