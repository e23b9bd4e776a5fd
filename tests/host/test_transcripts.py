# SPDX-License-Identifier: MIT
"""The transcript of `bundle` is what the command prints: every command in it is run.

Digests are other ones each time: a run of hexadecimal digits stands for any other, with `...`
where the page shortens it. A line of `...` stands for any lines. Line breaks do not count, nor do
the lines of `issued_at`, which is the second a draft was built.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from tests.certs import pki

PAGE = Path(__file__).resolve().parents[2] / "host_tools" / "TRANSCRIPTS.md"
_HEX = re.compile(r"[0-9a-f]{8,}(?:\\\.){0,3}")


def commands(title: str, text: str) -> list[tuple[str, str]]:
    """[(command, what the page says it prints)] of a section."""
    section = text.partition(f"\n## trustanchor {title}\n")[2].partition("\n## ")[0]
    lines = [line[4:] for line in section.splitlines() if line.startswith("    ")]
    found: list[tuple[str, list[str]]] = []
    for line in lines:
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif found[-1][0].endswith("\\"):
            found[-1] = (f"{found[-1][0]}\n{line}", [])
        else:
            found[-1][1].append(line)
    return [(command, "\n".join(said)) for command, said in found]


def agrees(said: str, page: str) -> bool:
    said, page = (re.sub(r"(?m)^[-+] issued_at: .*\n", "", text) for text in (said, page))
    wanted = re.escape(" ".join(page.split()))
    wanted = _HEX.sub("[0-9a-f]{8,}", wanted).replace(r"\ ", " ")
    wanted = re.sub(r"(?:^|(?<= ))\\\.\\\.\\\.(?:$|(?= ))", ".*", wanted)
    wanted = re.sub(r"(bytes: )\d+", r"\1\\d+", wanted)
    return re.fullmatch(wanted, " ".join(said.split())) is not None


def run(command: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "TRUSTANCHOR_PASSPHRASE": "geheim"}
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.stdout


def prepare(folder: Path) -> None:
    """What the section takes for granted: keys and a root."""
    for name in ("alice", "bob", "carol", "vault"):
        run(f"trustanchor keygen es256 {name}", folder)
    for name in ("server", "spare", "new"):
        pem = (
            pki.make_key()
            .public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        (folder / f"{name}.pub").write_bytes(pem)
    (folder / "root.pem").write_bytes(pki.authority("Root").pem)


def test_every_command_of_the_bundle_transcript_prints_what_the_page_says(tmp_path: Path) -> None:
    prepare(tmp_path)
    found = commands("bundle", PAGE.read_text())
    assert len(found) > 12
    for command, page in found:
        if command.startswith("cat "):
            (tmp_path / command.split()[1]).write_text(page + "\n")
            continue
        said = run(command, tmp_path)
        assert agrees(said, page), f"$ {command}\n{said}\n--- the page:\n{page}"


@pytest.mark.parametrize(
    ("said", "page", "is_equal"),
    [
        ("kid 0123456789abcdef", "kid fedcba98...", True),
        ("a\n  b", "a b", True),
        ("a\nb\nc", "a\n...\nc", True),
        ("a\nb\nd", "a\n...\nc", False),
        ("sequence 2", "sequence 3", False),
        ("more than that", "more", False),
        ("", "more", False),
    ],
)
def test_another_text_is_noticed(said: str, page: str, is_equal: bool) -> None:
    assert agrees(said, page) is is_equal


def test_a_command_may_go_over_two_lines() -> None:
    text = "\n## trustanchor x\n\n    $ one \\\n        --more\n    said\n    $ two\n"
    assert commands("x", text) == [("one \\\n    --more", "said"), ("two", "")]
