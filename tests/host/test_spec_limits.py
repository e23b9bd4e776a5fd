# SPDX-License-Identifier: MIT
"""SPEC.md states every limit of the device, with the value it has."""

import re
from pathlib import Path

from host_tools.cli.reasons import REASONS
from trustanchor import limits

ROOT = Path(__file__).resolve().parents[2]
SPEC = (ROOT / "firmware" / "SPEC.md").read_text()
SECTION = SPEC.partition("\n## Limits\n")[2].partition("\n## ")[0]
ROW = re.compile(r"^\| `(\w+)` \| ([\d,]+) \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)


def stated(section: str) -> dict[str, int]:
    return {name: int(value.replace(",", "")) for name, value, _ in ROW.findall(section)}


def test_every_limit_is_stated_with_its_value() -> None:
    assert stated(SECTION) == {
        name: value for name, value in vars(limits).items() if name.isupper()
    }


def test_every_code_of_a_limit_exists() -> None:
    codes = [code for _, _, met in ROW.findall(SECTION) for code in re.findall(r"`([\w.]+)`", met)]
    assert len(codes) > 20
    assert set(codes) - set(REASONS) == set()


def test_another_value_is_noticed() -> None:
    name, value = "PATH_STEPS", f"{limits.PATH_STEPS:,}"
    changed = SECTION.replace(f"| `{name}` | {value} |", f"| `{name}` | 1{value} |")
    assert stated(changed)[name] != limits.PATH_STEPS
