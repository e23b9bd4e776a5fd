# SPDX-License-Identifier: MIT
"""firmware/SPEC.md says what the code does: its codes, its limits, its rules have tests."""

import re
from pathlib import Path

import pytest

from host_tools.cli.reasons import REASONS
from tests import spec_codes
from trustanchor import limits

ROOT = Path(__file__).resolve().parents[2]
SPEC = spec_codes.SPEC.read_text()


def test_the_table_of_codes_is_that_of_the_reasons() -> None:
    between = SPEC.partition(spec_codes.BEGIN)[2].partition(spec_codes.END)[0]
    assert between == spec_codes.table(), "run python -m tests.spec_codes"


def test_every_code_the_text_names_exists() -> None:
    areas = "|".join(spec_codes.AREAS)
    named = set(re.findall(rf"`((?:{areas})\.[a-z_0-9]+)`", SPEC))
    files = {name for name in named if name.endswith(".py") or name == "rules.check"}
    assert named - files - set(REASONS) == set()


def test_every_rule_is_named_by_a_test() -> None:
    rules = set(re.findall(r"^- ([AESTU]\d+) ", SPEC, re.MULTILINE))
    assert len(rules) == 5 + 6 + 4 + 16 + 7
    named: set[str] = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        text = file.read_text()
        for letter, first, last in re.findall(r"\b([AESTU])(\d+) to [AESTU](\d+)\b", text):
            named |= {f"{letter}{number}" for number in range(int(first), int(last) + 1)}
        named |= set(re.findall(r"\b([AESTU]\d+)\b", text))
    assert rules - named == set()


@pytest.mark.parametrize(
    ("limit", "shown"),
    [
        ("BUNDLE_BYTES", "131,072 bytes"),
        ("LINKS", "0*8 link-message"),
        ("SIGNATURES", "[1*16 signature]"),
        ("SIGNATURE_BYTES", "(1..10240)"),
        ("GROUPS", "[1*3 group]"),
        ("GROUP_KEYS", "[1*8 key]"),
        ("SERVICES", "[1*16 service]"),
        ("PIN_SETS", "[1*16 pin-set]"),
        ("PINS", "[2*8 pin]"),
        ("PROBES", "[1*16 probe]"),
        ("ANCHORS", "[1*256 anchor]"),
        ("INTERMEDIATES", "[1*8 bstr]"),
        ("RETIRED_PINS", "up to 64 x 16 bytes"),
    ],
)
def test_the_limits_shown_are_those_in_force(limit: str, shown: str) -> None:
    number = re.search(r"\d[\d,]{2,}|\d+(?= x)|(?<=\*)\d+|(?<=\.\.)\d+", shown)
    assert number and int(number[0].replace(",", "")) == getattr(limits, limit)
    assert shown in SPEC
