# SPDX-License-Identifier: MIT
"""host_tools/BUNDLES.md names every field that a description may have, and no other."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARSER = (ROOT / "host_tools" / "signing" / "description.py").read_text()
REFERENCE = (ROOT / "host_tools" / "BUNDLES.md").read_text()
_READERS = {"take", "number", "texts", "choice", "seconds", "tables", "table"}

# Where description.py reads a table: (function, name of the table in it), and its heading.
SECTIONS = {
    ("_description", "top"): "The file",
    ("_description", "audience"): "[audience]",
    ("_description", "trial"): "[trial]",
    ("_group", "table"): "[[authority]] and [[backup]]",
    ("_probe", "table"): "[[probe]]",
    ("_service", "table"): "[[service]]",
    ("_pin_set", "table"): "[[pin_set]]",
    ("_pin", "table"): "pins = [{ ... }]",
    ("_anchor", "table"): "[[anchor]]",
}


def fields_taken(source: str) -> dict[tuple[str, str], set[str]]:
    """Names of fields, by where they are read."""
    found: dict[tuple[str, str], set[str]] = {}
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    for function in functions:
        for call in ast.walk(function):
            if not isinstance(call, ast.Call):
                continue
            asked, names = call.func, call.args[:1]
            if isinstance(asked, ast.Name) and asked.id == "_authority":
                table, names = "top", call.args[1:2]
            elif not isinstance(asked, ast.Attribute) or asked.attr not in _READERS:
                continue
            elif isinstance(asked.value, ast.Name):
                table = asked.value.id
            for name in names:
                if isinstance(name, ast.Constant):
                    found.setdefault((function.name, table), set()).add(str(name.value))
    return found


def fields_documented(heading: str, text: str = REFERENCE) -> list[str]:
    """Names in the first column of the table below a heading."""
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


def test_every_table_of_the_parser_has_a_section() -> None:
    assert set(fields_taken(PARSER)) == set(SECTIONS)


@pytest.mark.parametrize("place", SECTIONS, ids=lambda place: SECTIONS[place])
def test_the_fields_of_a_table_are_documented_and_no_others(place: tuple[str, str]) -> None:
    documented = fields_documented(SECTIONS[place])
    assert len(documented) == len(set(documented))
    assert set(documented) == fields_taken(PARSER)[place]


def test_a_field_without_a_row_is_noticed() -> None:
    shorter = REFERENCE.replace("| `trust_until` |", "| trust_until |")
    assert "trust_until" not in fields_documented("[[anchor]]", shorter)
    longer = PARSER.replace('take("certificate"', 'take("certificat"')
    assert "certificat" in fields_taken(longer)[("_anchor", "table")]
