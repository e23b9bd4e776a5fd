# SPDX-License-Identifier: MIT
"""Every refusal code has a sentence, and every sentence belongs to a code in use."""

import ast
import re
from pathlib import Path

from host_tools.cli.reasons import REASONS, explain

PACKAGE = Path(__file__).resolve().parent.parent.parent / "firmware" / "trustanchor"
AREAS = {
    "anchor",
    "bundle",
    "cbor",
    "cert",
    "clock",
    "constraints",
    "cose",
    "der",
    "hss",
    "http",
    "name",
    "net",
    "oid",
    "path",
    "pin",
    "service",
    "sig",
    "state",
    "store",
    "time",
    "tls",
    "trial",
    "update",
}
_CODE = re.compile(r"([a-z]+)\.[a-z0-9_]+")


def codes_of(source: str) -> set[str]:
    """Dotted literals of a known area, docstrings aside, and whatever an exception is given."""
    tree = ast.parse(source)
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            match = _CODE.fullmatch(node.value)
            if match and match[1] in AREAS:
                found.add(node.value)
        if isinstance(node, ast.Call) and node.args and _name(node.func) in _RAISING:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                found.add(first.value)
    return found


_RAISING = {
    "TrustError",
    "MalformedError",
    "UnsupportedError",
    "PathError",
    "PinError",
    "UpdateError",
    "StoreError",
    "Refused",
}


def _name(function: ast.expr) -> str:
    return getattr(function, "id", getattr(function, "attr", ""))


def used() -> set[str]:
    # The package's own file says where its public names are ("store.trust_store"), and no code.
    files = [file for file in PACKAGE.rglob("*.py") if file.stem != "__init__"]
    return {code for file in files for code in codes_of(file.read_text())}


def test_every_code_of_the_device_package_has_a_row():
    assert sorted(used() - set(REASONS)) == []


def test_no_row_is_stale():
    assert sorted(set(REASONS) - used()) == []


def test_rows_are_sorted():
    assert list(REASONS) == sorted(REASONS)


def test_a_row_says_what_happened_and_what_to_do_in_sentences():
    for code, (what, todo) in REASONS.items():
        for sentence in (what, todo):
            assert sentence[0].isupper(), code
            assert sentence.endswith("."), code


def test_codes_are_found_in_calls_and_in_plain_literals():
    source = 'raise MalformedError("odd.one", 3)\nx = "path.expired"\ny = "main.py"\n'
    assert codes_of(source) == {"odd.one", "path.expired"}


def test_an_unknown_code_is_explained_as_unknown():
    assert "no explanation" in explain("zebra.crossing")
