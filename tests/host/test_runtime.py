# SPDX-License-Identifier: MIT
"""The finder of MicroPython interpreters: what it takes, what it refuses and in which words."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from host_tools.build import bootstrap, distribution, places, runtime
from host_tools.build.runtime import RuntimeMissing

Fake = Callable[..., Path]


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    """Make an executable that prints one line, or fails."""

    def make(line: str, name: str = "micropython-fake", status: int = 0) -> Path:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\necho '{line}'\nexit {status}\n")
        path.chmod(0o755)
        return path

    return make


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing named, nothing on PATH but the system's tools, nothing built yet."""
    monkeypatch.delenv("MICROPYTHON", raising=False)
    monkeypatch.delenv("MICROPYTHON32", raising=False)
    monkeypatch.setattr(runtime, "BUILD", tmp_path / "build")


@pytest.mark.parametrize(
    ("line", "status", "sentence"),
    [
        ("Python 3.11", 0, "is not a MicroPython interpreter"),
        ("", 0, "is not a MicroPython interpreter"),
        ("micropython x y z 32 True", 0, "is not a MicroPython interpreter"),
        ("micropython 1 25 0 32 True", 1, "is not a MicroPython interpreter"),
        ("micropython 1 24 9 32 True", 0, "is MicroPython 1.24.9; 1.25 or newer is needed"),
        ("micropython 1 25 0 64 True", 0, "is a 64-bit build; 32-bit is needed"),
        ("micropython 1 25 0 32 False", 0, "without tls.SSLContext.verify_callback"),
    ],
)
def test_a_named_interpreter_that_will_not_do_is_refused(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, line: str, status: int, sentence: str
) -> None:
    named = fake(line, status=status)
    monkeypatch.setenv("MICROPYTHON32", str(named))
    with pytest.raises(RuntimeMissing, match=sentence) as refused:
        runtime.find(32)
    text = str(refused.value)
    assert text.startswith(f"MICROPYTHON32={named}")
    assert "\n" not in text


@pytest.mark.parametrize("version", ["1 25 0", "1 29 0", "2 0 0"])
def test_a_named_interpreter_that_will_do_is_taken(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    named = fake(f"micropython {version} 32 True")
    monkeypatch.setenv("MICROPYTHON32", str(named))
    found = runtime.find(32)
    assert found.path == named
    assert found.bits == 32
    assert found.version == tuple(int(part) for part in version.split())
    assert found.command("x.py", heap="100K") == [str(named), "-X", "heapsize=100K", "x.py"]


def test_a_named_file_that_is_missing_or_cannot_run_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "text").write_text("not executable")
    for name in ("absent", "text", "."):
        monkeypatch.setenv("MICROPYTHON", str(tmp_path / name))
        with pytest.raises(RuntimeMissing, match="does not run"):
            runtime.find(64)


def test_an_interpreter_that_hangs_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "hangs"
    path.write_text("#!/bin/sh\nexec sleep 60\n")
    path.chmod(0o755)
    monkeypatch.setenv("MICROPYTHON", str(path))
    monkeypatch.setattr(runtime, "_PROBE_TIMEOUT_S", 0.2)
    with pytest.raises(RuntimeMissing, match="does not run"):
        runtime.find(64)


def test_path_is_searched_when_nothing_is_named(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = fake("micropython 1 26 1 32 True", name="micropython32")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert runtime.find(32).path == found


def test_an_old_one_on_path_falls_back_to_the_build_folder(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake("micropython 1 20 0 32 True", name="micropython32")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(RuntimeMissing, match=r"No 32-bit MicroPython here: run `make setup`"):
        runtime.find(32, fetch=False)
    built = tmp_path / "build" / "bin" / "micropython32"
    built.parent.mkdir(parents=True)
    fake("micropython 1 25 0 32 True", name="good").rename(built)
    (tmp_path / "build" / "micropython" / "i386").mkdir(parents=True)
    assert runtime.find(32, fetch=False).path == built


def test_a_machine_without_apt_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeMissing, match="apt-get is not on this machine") as refused:
        runtime.find(32)
    assert "MICROPYTHON32" in str(refused.value)


def _apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put an apt-get of our own, and dpkg-deb, before the system's."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("apt-get", "dpkg-deb"):
        (folder / name).write_text("#!/bin/sh\n" + script)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    keyring = tmp_path / "keyring"
    keyring.touch()
    monkeypatch.setattr(distribution, "_KEYRING", keyring)


def test_apt_without_a_mirror_a_network_or_a_keyring_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _apt(tmp_path, monkeypatch, "exit 0\n")
    with pytest.raises(RuntimeMissing, match="no package mirror is configured"):
        runtime.find(32)
    monkeypatch.setattr(distribution, "_KEYRING", tmp_path / "absent")
    with pytest.raises(RuntimeMissing, match="debian-archive-keyring is missing"):
        runtime.find(32)


def test_apt_that_fails_is_quoted_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _apt(
        tmp_path,
        monkeypatch,
        'case "$*" in\n*indextargets*) echo "file:/mirror|stable|main" ;;\n'
        '*) echo "E: Could not resolve the mirror" >&2; exit 100 ;;\nesac\n',
    )
    with pytest.raises(RuntimeMissing, match="E: Could not resolve the mirror") as refused:
        runtime.find(32)
    assert "set MICROPYTHON32" in str(refused.value)
    assert not (tmp_path / "build" / "bin").exists()


def test_a_package_that_cannot_be_unpacked_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _apt(
        tmp_path,
        monkeypatch,
        'case "$0 $*" in\n*indextargets*) echo "file:/mirror|stable|main" ;;\n'
        '*download*) echo broken > micropython.deb ;;\n*dpkg-deb*) echo "not an archive" >&2;'
        " exit 2 ;;\nesac\n",
    )
    with pytest.raises(RuntimeMissing, match="not an archive"):
        runtime.find(32)


def test_the_real_interpreters_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    for bits in (32, 64):
        found = runtime.find(bits, fetch=False)
        assert found.bits == bits
        assert found.version >= runtime.OLDEST_VERSION


# Setting up: host_tools/build/bootstrap.py.


def test_an_old_python_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "OLDEST_PYTHON", (9, 9))
    with pytest.raises(bootstrap.SetupError, match=r"Python 3.11 or newer .* PYTHON="):
        bootstrap._check_python()


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_missing_venv_module_is_named_with_its_package(
    monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(bootstrap.SetupError, match="python3-venv"):
        bootstrap._check_python()


def test_a_failing_step_is_one_sentence_with_its_reason_and_a_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "LOG", tmp_path / "build" / "setup.log")
    script = "import sys; print('Collecting'); sys.exit('ERROR: no route to the index')"
    failing = [sys.executable, "-c", script]
    with pytest.raises(bootstrap.SetupError, match=r"no route to the index.*check the network"):
        bootstrap._run(failing, "Installing")
    said = (tmp_path / "build" / "setup.log").read_text()
    assert said == "Collecting\nERROR: no route to the index\n"
    bootstrap._run([sys.executable, "-c", ""], "Nothing")


def test_pip_keeps_nothing_outside_the_clone_and_speaks_in_any_encoding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    script = "import os; print('\u2026'); assert os.environ['PIP_NO_CACHE_DIR'] == '1'"
    bootstrap._run([sys.executable, "-c", script], "pip")


def test_setup_says_the_sentence_and_exits_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "OLDEST_PYTHON", (9, 9))
    assert bootstrap.main() == 1
    assert capsys.readouterr().err.startswith("setup: Python 3.11 or newer")


def test_a_folder_that_may_not_be_written_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def refuse() -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path / "build"))

    monkeypatch.setattr(bootstrap, "_make_environment", refuse)
    assert bootstrap.main() == 1
    said = capsys.readouterr().err
    assert said.startswith(f"setup: Permission denied: {tmp_path}/build. .venv and build")
    assert said.count("\n") == 1


def test_a_second_setup_installs_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ran: list[str] = []

    def record(command: list[str], what: str) -> None:
        ran.append(what)
        (tmp_path / ".venv").mkdir(exist_ok=True)

    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "_run", record)
    bootstrap._make_environment()
    assert len(ran) == 3
    bootstrap._make_environment()
    assert len(ran) == 3
    # A changed lock file is noticed.
    lock = tmp_path / "requirements.lock"
    lock.write_text("other")
    monkeypatch.setattr(bootstrap, "LOCK", lock)
    bootstrap._make_environment()
    assert len(ran) == 6


def test_the_module_run_as_a_program_says_what_it_found() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "host_tools.build.runtime"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=places.ROOT,
    )
    assert done.returncode == 0
    assert [line.split(", ")[1].split(":")[0] for line in done.stdout.splitlines()] == [
        "64-bit",
        "32-bit",
    ]
