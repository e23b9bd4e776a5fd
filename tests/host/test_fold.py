# SPDX-License-Identifier: MIT
"""The numbers of limits.py are in the compiled code, and nothing but the numbers has changed."""

import ast

import pytest

from host_tools import deploy, fold

LIMITS = fold.constants_of(deploy.PACKAGE / "limits.py")
CONSTANTS = {"BYTES": 512, "NAMES": 300}


def test_limits_holds_numbers_alone() -> None:
    assert LIMITS["CERTIFICATE_BYTES"] == 8192
    assert all(value > 0 for value in LIMITS.values())


@pytest.mark.parametrize("value", ["'text'", "(1, 2)", "-1"])
def test_what_is_no_number_is_refused(tmp_path, value: str) -> None:
    module = tmp_path / "limits.py"
    module.write_text(f"NAME = {value}\n")
    with pytest.raises(ValueError, match="NAME"):
        fold.constants_of(module)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from .limits import BYTES\nx = BYTES + 1\n", "pass\nx = 512 + 1\n"),
        ("from .limits import (\n    BYTES,\n    NAMES,\n)\nx = [NAMES, BYTES]\n",
         "pass\n\n\n\nx = [300, 512]\n"),
        ("from . import limits\nx = limits.NAMES\n", "pass\nx = 300\n"),
        ("from . import limits, pins\nx = pins, limits.NAMES\n",
         "from . import pins\nx = pins, 300\n"),
        ("def f():\n    from .limits import BYTES\n    return 'ä', BYTES, 'BYTES'\n",
         "def f():\n    pass\n    return 'ä', 512, 'BYTES'\n"),
        ("from .other import BYTES\nx = BYTES\n", "from .other import BYTES\nx = BYTES\n"),
        ("x = limits.NAMES\n", "x = limits.NAMES\n"),
    ],
)  # fmt: skip
def test_names_become_numbers_and_lines_stay(source: str, expected: str) -> None:
    assert fold.folded(source, CONSTANTS) == expected


@pytest.mark.parametrize(
    "source",
    [
        "from .limits import BYTES as MOST\n",
        "from .limits import UNHEARD_OF\nx = UNHEARD_OF\n",
        "from . import limits\nlimits.BYTES = 1\n",
        "from .limits import BYTES\nBYTES = 1\n",
        "from .limits import BYTES\ndef f(BYTES):\n    return BYTES\n",
        "from . import limits\ndef f(limits):\n    return limits.BYTES\n",
    ],
)
def test_what_would_change_the_meaning_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="line"):
        fold.folded(source, CONSTANTS)


def test_no_compiled_module_asks_for_limits() -> None:
    folder = deploy.package_folder("mpy", "x86")
    askers = [
        file.stem
        for file in folder.glob("*.mpy")
        # A name in a .mpy file: its length doubled, its characters, a zero.
        if file.stem != fold.MODULE and b"\x0climits\0" in file.read_bytes()
    ]
    assert askers == []
    assert b"\x0climits\0" in (folder / "limits.mpy").read_bytes()


def test_the_sources_do_ask_for_them() -> None:
    askers = 0
    for file in deploy.PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == fold.MODULE:
                askers += 1
    assert askers > 10
