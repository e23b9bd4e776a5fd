# SPDX-License-Identifier: MIT
"""Tests that documents name as proofs: which are not there, and which a whole run did not run.

missing(text)           # names of tests that do not exist
not_run(text, passed)   # names of tests of which none has passed
"""

import re
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROOF = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
DOCUMENTS = ("README.md", "SECURITY.md", "firmware/EVIDENCE.md")


def missing(text: str) -> list[str]:
    """Tests that text names and that are not there."""
    found = []
    for file, function in PROOF.findall(text):
        path = ROOT / file
        if not path.is_file() or (f"def {function}(" not in path.read_text() and function):
            found.append(f"{file}::{function}")
    return found


def not_run(text: str, passed: Iterable[str]) -> list[str]:
    """Tests that text names and that are not among those that passed, as pytest names them."""
    done = {name.partition("[")[0] for name in passed}
    done |= {name.partition("::")[0] for name in done}
    named = {f"{file}::{function}" if function else file for file, function in PROOF.findall(text)}
    return sorted(name for name in named if name not in done)
