# SPDX-License-Identifier: MIT
"""What README.md and TRANSCRIPTS.md name exists: tests, files, commands, make targets."""

import re
from pathlib import Path

import pytest

from host_tools.cli import main as cli
from host_tools.cli.reasons import REASONS
from tests import proofs

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text()
SECURITY = (ROOT / "SECURITY.md").read_text()
TRANSCRIPTS = (ROOT / "host_tools" / "TRANSCRIPTS.md").read_text()


def test_every_promise_names_a_test_that_exists():
    promises = SECURITY.partition("## What it promises")[2].partition("\n## ")[0]
    rows = [
        line for line in promises.splitlines() if line.startswith("| ") and "proof |" not in line
    ]
    assert len(rows) > 20
    assert [row for row in rows if not proofs.PROOF.search(row)] == []
    assert proofs.missing(SECURITY + README) == []


def test_every_claim_of_state_time_and_updates_names_a_test_that_exists():
    claims = SECURITY.partition("\n## State, time and updates")[2]
    rows = [line for line in claims.splitlines() if "`tests/" in line]
    assert len(rows) > 40
    assert [row for row in rows if not proofs.PROOF.search(row)] == []
    assert proofs.missing(claims) == []


def test_every_clause_of_the_evidence_names_a_test_that_exists():
    evidence = (ROOT / "firmware" / "EVIDENCE.md").read_text()
    heads = ("| clause", "| mechanism", "| part", "| capability", "|---")
    rows = [
        line
        for line in evidence.splitlines()
        if line.startswith("|") and not line.startswith(heads)
    ]
    assert len(rows) > 30
    assert [row for row in rows if not proofs.PROOF.search(row)] == []
    assert proofs.missing(evidence) == []
    for link in re.findall(r"\]\(([^)#]+)\)", evidence):
        assert (ROOT / "firmware" / link).exists()


def test_a_proof_that_is_gone_is_noticed():
    gone = "`tests/host/test_nothing.py` and `tests/host/test_cli.py::test_nothing`"
    assert len(proofs.missing(gone)) == 2


def test_a_proof_that_did_not_run_is_noticed():
    """conftest.py asks this at the end of a whole run."""
    text = "`tests/host/test_cli.py::test_one`, `tests/host/test_cli.py`, `tests/host/test_x.py`"
    assert proofs.not_run(text, ["tests/host/test_cli.py::test_one[a]"]) == [
        "tests/host/test_x.py"
    ]
    assert len(proofs.not_run(text, ["tests/host/test_y.py::test_one"])) == 3


def test_every_code_of_the_readmes_table_exists():
    table = README.partition("## When something is refused")[2].partition("\n## ")[0]
    first = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    codes = [code for cell in first for code in re.findall(r"`([a-z]+\.[a-z_0-9]+)`", cell)]
    assert len(codes) > 15
    assert [code for code in codes if code not in REASONS] == []


def test_every_command_has_a_transcript():
    titles = re.findall(r"^## trustanchor ([\w-]+)$", TRANSCRIPTS, re.MULTILINE)
    assert sorted(titles) == cli.command_names()


def test_every_make_target_the_readme_names_exists():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = set(re.findall(r"(?:^    |`)make ([a-z-]+)", README, re.MULTILINE))
    assert {"demo", "test", "help"} <= named
    assert named - set(targets) == set()


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)\)", README + SECURITY))
def test_every_link_of_the_first_pages_leads_somewhere(link):
    assert (ROOT / link).exists()
