# SPDX-License-Identifier: MIT
"""The wheel of `make dist`, installed in an empty environment outside the repository, is whole.

pip installs the wheel alone. Its dependencies are those of the lock, read from this repository's
environment by one line of a .pth file, which shares no code of ours with it.
"""

import json
import os
import subprocess
import sysconfig
import textwrap
import venv
from pathlib import Path

import pytest

from host_tools.build import dist, places, runtime
from host_tools.demo.servers import TlsServer
from tests.certs import pki

DESCRIPTION = """
sequence = 1
[[authority]]
keys = ["alice.pub"]
[[backup]]
keys = ["vault.pub"]
[[service]]
name = "web"
hosts = ["127.0.0.1"]
mode = "key"
pins = "web"
[[probe]]
service = "web"
[[pin_set]]
name = "web"
pins = [{ key = "server.pem" }, { key = "backup.pem", backup = true }]
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dist.build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `trustanchor` of an environment that has nothing but the wheel and the libraries."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "-q", "--disable-pip-version-check", "install", "--no-deps", wheel],
        check=True,
    )
    asked = [str(python), "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]
    site = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    (Path(site) / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder / "bin" / "trustanchor"


def run(installed: Path, folder: Path, *words: str) -> str:
    """Run the installed command in folder; returns what it printed."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "MICROPYTHON": str(runtime.find(64).path),
        "MICROPYTHON32": str(runtime.find(32).path),
        "TRUSTANCHOR_PASSPHRASE": "nine words of no meaning",
    }
    done = subprocess.run(
        [installed, *words], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_nothing_of_it_is_read_from_the_repository(installed: Path, tmp_path: Path) -> None:
    asked = "import host_tools, trustanchor; print(host_tools.__file__, trustanchor.__file__)"
    python = installed.with_name("python")
    done = subprocess.run(
        [python, "-c", asked], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    for path in done.stdout.split():
        assert Path(path).is_relative_to(installed.parents[1]), path


def test_help_names_every_command(installed: Path, tmp_path: Path) -> None:
    shown = run(installed, tmp_path, "--help")
    for source in (places.ROOT / "host_tools" / "commands").glob("[!_]*.py"):
        assert source.stem.replace("_", "-") in shown


def test_it_pins_and_signs(installed: Path, tmp_path: Path) -> None:
    server, backup = pki.authority("Server"), pki.authority("Backup")
    (tmp_path / "server.pem").write_bytes(server.pem)
    (tmp_path / "backup.pem").write_bytes(backup.pem)
    (tmp_path / "1.toml").write_text(DESCRIPTION)
    assert server.pin.hex() in run(installed, tmp_path, "pin", "server.pem")
    for name in ("alice", "vault"):
        run(installed, tmp_path, "keygen", "es256", name)
    run(installed, tmp_path, "bundle", "build", "1.toml", "--first")
    run(installed, tmp_path, "bundle", "sign", "1.draft", "--first", "--key", "alice.pem")
    shown = run(installed, tmp_path, "bundle", "verify", "1.bundle", "--first", "--json")
    assert json.loads(shown)["accepted"] is True
    shown = run(installed, tmp_path, "calendar", "1.bundle", "--json")
    assert "announced" in [one["kind"] for one in json.loads(shown)["dates"]]


def test_its_simulated_board_is_given_a_program_by_its_init(
    installed: Path, tmp_path: Path
) -> None:
    root = pki.authority("Root")
    leaf = pki.end_entity("127.0.0.1", issuer=root)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "MICROPYTHON32": str(runtime.find(32).path),
    }
    with TlsServer([leaf.der, root.der], leaf.key, "1.2") as server, subprocess.Popen(
        [installed, "sim", "--link", str(tmp_path / "port")],
        cwd=tmp_path, env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as board:  # fmt: skip
        assert board.stdout is not None
        assert board.stdout.readline().startswith("board 1: ")
        try:
            place = f"127.0.0.1:{server.port}"
            shown = run(installed, tmp_path, "init", place, "--board", str(tmp_path / "port"))
        finally:
            board.communicate("quit\n", timeout=30)
    assert leaf.pin.hex() in shown


def test_it_says_what_an_installed_package_cannot_do(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run([installed, "demo"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "run `make demo` in a clone" in done.stderr


def test_two_wheels_of_one_tree_are_equal(wheel: Path, tmp_path: Path) -> None:
    previous = os.umask(0o077)
    try:
        again = dist.build(tmp_path)
    finally:
        os.umask(previous)
    assert again.read_bytes() == wheel.read_bytes()


def test_its_pytest_plugin_serves_the_tests_of_another_project(
    installed: Path, tmp_path: Path
) -> None:
    """The two tests that host_tools/hil/README.md shows, as they stand there."""
    page = (places.ROOT / "host_tools" / "hil" / "README.md").read_text()
    block = page[page.index("    # test_product.py") : page.index("`board.talk()` holds")]
    (tmp_path / "test_product.py").write_text(textwrap.dedent(block))
    done = subprocess.run(
        [installed.with_name("python"), "-m", "pytest", "-q", "test_product.py"],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "MICROPYTHON32": str(runtime.find(32).path),
        },
        capture_output=True,
        text=True,
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr
