# SPDX-License-Identifier: MIT
"""Compiled code has the numbers of limits.py and kinds.py in it, and nothing else has changed."""

import ast

import pytest

from host_tools.build import deploy, fold

CONSTANTS = {"limits": {"BYTES": 512, "NAMES": 300}, "kinds": {"OID": 6, "ES256": -7}}


def test_both_modules_hold_numbers_alone() -> None:
    found = fold.constants_of(deploy.PACKAGE)
    assert found["limits"]["CERTIFICATE_BYTES"] == 8192
    assert all(value > 0 for value in found["limits"].values())
    assert found["kinds"]["ES256"] == -7


@pytest.mark.parametrize("value", ["'text'", "(1, 2)", "1.5"])
@pytest.mark.parametrize("module", fold.MODULES)
def test_what_is_no_number_is_refused(tmp_path, module: str, value: str) -> None:
    for name in fold.MODULES:
        (tmp_path / f"{name}.py").write_text("FIRST = 1\n")
    (tmp_path / f"{module}.py").write_text(f"NAME = {value}\n")
    with pytest.raises(ValueError, match="NAME"):
        fold.constants_of(tmp_path)


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
        ("from .kinds import ES256, OID\nx = 8 - ES256, OID\n", "pass\nx = 8 - (-7), 6\n"),
        ("from . import kinds, limits, pins\nx = kinds.OID, limits.NAMES\n",
         "from . import pins\nx = 6, 300\n"),
        ("from .compat import const\n_X = const(1)\n", "pass\n_X = const(1)\n"),
        ("from .compat import IS_MICROPYTHON\nif IS_MICROPYTHON:\n    x = 1\n",
         "pass\nif True:\n    x = 1\n"),
        ("import sys\nIS_MICROPYTHON = sys.implementation.name == 'micropython'\n"
         "if IS_MICROPYTHON: x = 1\n", "import sys\npass\nif True: x = 1\n"),
        ("from .compat import const, tidy\n", "from .compat import tidy\n"),
    ],
)  # fmt: skip
def test_names_become_numbers_and_lines_stay(source: str, expected: str) -> None:
    assert fold.folded(source, CONSTANTS) == expected


@pytest.mark.parametrize(
    "source",
    [
        "from .limits import BYTES as MOST\n",
        "from .limits import UNHEARD_OF\nx = UNHEARD_OF\n",
        "from .limits import OID\nx = OID\n",
        "from . import limits\nx = limits.OID\n",
        "from . import limits as most\nx = most.BYTES\n",
        "from . import limits\nlimits.BYTES = 1\n",
        "from .limits import BYTES\nBYTES = 1\n",
        "from .limits import BYTES\ndef f(BYTES):\n    return BYTES\n",
        "from . import limits\ndef f(limits):\n    return limits.BYTES\n",
        "from .kinds import OID\ntry: f()\nexcept ValueError as OID: print(OID)\n",
        "from .kinds import OID\nclass OID: pass\n",
        "from .kinds import OID\ndef OID(): pass\n",
        "def f():\n    from .kinds import OID\n    return OID\n"
        "def g():\n    from .other import OID\n    return OID\n",
        "from .kinds import OID\ndef f():\n    global OID\n",
        "from . import limits\nx = [limits.BYTES for limits in y]\n",
        "from . import limits\nx = limits\n",
        "from .limits import *\n",
        "from .compat import IS_MICROPYTHON\ndef f(IS_MICROPYTHON=False): pass\n",
        "from .compat import IS_MICROPYTHON as it\n",
        "from .compat import IS_MICROPYTHON\nIS_MICROPYTHON = False\n",
        "import sys\nIS_MICROPYTHON = sys.implementation.name == 'micropython'\n"
        "del IS_MICROPYTHON\n",
        "from .compat import IS_MICROPYTHON\ndef f():\n    if not IS_MICROPYTHON: yield\n",
        "from .compat import const as c\n_X = c(1)\n",
        "from .compat import const\nx = [const(1)]\n",
    ],
)
def test_what_would_change_the_meaning_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="line"):
        fold.folded(source, CONSTANTS)


@pytest.mark.parametrize("module", fold.MODULES)
def test_no_compiled_module_asks_for_numbers(module: str) -> None:
    folder = deploy.package_folder("mpy", "x86")
    # A name in a .mpy file: its length doubled, its characters, a zero.
    name = bytes([2 * len(module)]) + module.encode() + b"\0"
    askers = [file.stem for file in folder.rglob("*.mpy") if name in file.read_bytes()]
    assert askers == [module]


@pytest.mark.parametrize("module", fold.MODULES)
def test_the_sources_do_ask_for_them(module: str) -> None:
    askers = 0
    for file in deploy.PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == module:
                askers += 1
    assert askers > 10
