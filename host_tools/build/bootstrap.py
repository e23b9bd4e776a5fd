# SPDX-License-Identifier: MIT
"""`make setup`: virtual environment, pinned dependencies, MicroPython. Standard library only.

Everything is made inside the clone (`.venv/` and `build/`). Each step leaves a stamp with a
digest of what it was made from, so a second run does nothing and a changed lock file is noticed.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
LOG = ROOT / "build" / "setup.log"
OLDEST_PYTHON = (3, 11)


class SetupError(Exception):
    """One sentence: what is missing and what to do."""


def main() -> int:
    try:
        _check_python()
        _make_environment()
        return subprocess.run(
            [str(VENV / "bin" / "python"), "-m", "host_tools.build.runtime"], cwd=ROOT
        ).returncode
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
    except OSError as error:
        print(
            f"setup: {error.strerror}: {error.filename}. .venv and build in this folder have to "
            "be yours; `make clean` removes them.",
            file=sys.stderr,
        )
    return 1


def _check_python() -> None:
    if sys.version_info < OLDEST_PYTHON:
        have = ".".join(str(part) for part in sys.version_info[:3])
        raise SetupError(
            f"Python 3.11 or newer is needed and this is {have}: name another with "
            "`make setup PYTHON=python3.11`."
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        raise SetupError(
            "Python's venv module is missing: install the package python3-venv "
            "(`apt-get install python3-venv`) and run the same command again."
        ) from None


def _make_environment() -> None:
    stamp = VENV / "stamp"
    wanted = hashlib.sha256(_inputs()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print("setup: making .venv and installing the pinned dependencies", flush=True)
    _run([sys.executable, "-m", "venv", "--clear", str(VENV)], "The virtual environment")
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "-q"]
    _run([*pip, "install", "--require-hashes", "-r", str(LOCK)], "Installing the dependencies")
    _run(
        [*pip, "install", "--no-deps", "--no-build-isolation", "-e", str(ROOT)],
        "Installing the trustanchor command",
    )
    stamp.write_text(wanted)


def _inputs() -> bytes:
    """What the environment depends on: the lock, the project's own tables, where the clone is."""
    import tomllib  # not before _check_python has run

    with open(ROOT / "pyproject.toml", "rb") as file:
        project = tomllib.load(file)
    # The settings of ruff, mypy and pytest may change without a new environment.
    installed = [project["project"], project["build-system"], project["tool"]["setuptools"]]
    return LOCK.read_bytes() + json.dumps(installed).encode() + str(ROOT).encode()


def _run(command: list[str], what: str) -> None:
    environment = {
        **os.environ,
        "PIP_NO_CACHE_DIR": "1",  # it would be outside the clone
        # Where pip builds a package it draws a progress bar, which not every encoding can show.
        "PIP_PROGRESS_BAR": "off",
        "PYTHONIOENCODING": "utf-8",
    }
    done = subprocess.run(command, capture_output=True, env=environment)
    if done.returncode:
        LOG.parent.mkdir(exist_ok=True)
        LOG.write_bytes(done.stdout + done.stderr)
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        errors = [line for line in lines if line.startswith("ERROR")]
        reason = (errors or lines or ["no message"])[-1]
        raise SetupError(
            f"{what} failed ({reason.strip()}): check the network and the free disk space, then "
            f"run the same command again. All that was said is in {LOG.relative_to(ROOT)}."
        )


if __name__ == "__main__":
    sys.exit(main())
