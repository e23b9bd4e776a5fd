# SPDX-License-Identifier: MIT
"""Write named numbers into the code to be compiled, as mpy-cross does with const() in one file.

A name costs a board some 40 bytes of heap in the module that defines it and 16 more in each that
imports it; limits.py and kinds.py of firmware/trustanchor have a hundred. Compiled modules carry
the numbers, and load neither of the two, nor the name const, which is the compiler's alone. And
compiled code runs on MicroPython: what compat.IS_MICROPYTHON keeps for CPython is left out.

    constants = constants_of(folder)          # {"limits": {name: number}, "kinds": {...}}
    text = folded(source, constants)          # same lines, for an error of mpy-cross
"""

import ast
from collections.abc import Mapping
from pathlib import Path

MODULES = ("limits", "kinds")

_COMPAT = "compat"
_IS_MICROPYTHON = "IS_MICROPYTHON"

Constants = Mapping[str, Mapping[str, int]]  # by module, by name


def constants_of(folder: Path) -> Constants:
    """Every public constant of both modules; ValueError when one is not an integer."""
    return {module: _numbers_in(folder / f"{module}.py") for module in MODULES}


def _numbers_in(path: Path) -> dict[str, int]:
    namespace: dict[str, object] = {}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), namespace)
    found = {}
    for name, value in namespace.items():
        if name.isupper():
            if not isinstance(value, int):
                raise ValueError(f"{path.name}: {name} is no number that can be folded")
            found[name] = value
    return found


def folded(source: str, constants: Constants) -> str:
    """Return source with the constants for their names, and without the imports of them.

    ValueError when a name is renamed, assigned to or unknown: that would change what it means.
    """
    tree = ast.parse(source)
    imported: dict[str, int | None] = {}
    modules: set[str] = set()
    edits: list[tuple[ast.expr | ast.stmt, str]] = []
    facts: set[str] = set()
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            target = statement.targets[0]
            if isinstance(target, ast.Name) and target.id == _IS_MICROPYTHON:
                facts.add(target.id)
                edits.append((statement, "pass"))
                statement.targets = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or node.level != 1:
            continue
        if node.module is not None and node.module in constants:
            if any(alias.asname for alias in node.names):
                raise ValueError(f"line {node.lineno}: a number keeps its name")
            for alias in node.names:
                imported[alias.name] = constants[node.module].get(alias.name)
            gone = node.names
        elif node.module is None:
            gone = [alias for alias in node.names if alias.name in constants]
            if any(alias.asname for alias in gone):
                raise ValueError(f"line {node.lineno}: a module of numbers keeps its name")
            modules |= {alias.name for alias in gone}
        elif node.module == _COMPAT:
            gone = [alias for alias in node.names if alias.name in ("const", _IS_MICROPYTHON)]
            facts |= {alias.name for alias in gone} - {"const"}
        else:
            continue
        if gone:
            node.names = [alias for alias in node.names if alias not in gone]
            edits.append((node, ast.unparse(node) if node.names else "pass"))
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and (node.arg in imported or node.arg in modules):
            raise ValueError(f"line {node.lineno}: {node.arg} is a number's name")
        if isinstance(node, ast.Name) and node.id in imported:
            name, value = node.id, imported[node.id]
        elif isinstance(node, ast.Name) and node.id in facts:
            edits.append((node, "True"))
            continue
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in modules
        ):
            name, value = node.attr, constants[node.value.id].get(node.attr)
        else:
            continue
        if value is None or not isinstance(node.ctx, ast.Load):
            raise ValueError(f"line {node.lineno}: {name} cannot be folded")
        edits.append((node, str(value) if value >= 0 else f"({value})"))
    return _edited(source, edits)


def _edited(source: str, edits: list[tuple[ast.expr | ast.stmt, str]]) -> str:
    lines = source.encode().splitlines(keepends=True)  # ast counts columns in bytes
    for node, text in sorted(edits, key=lambda edit: (edit[0].lineno, edit[0].col_offset))[::-1]:
        assert node.end_lineno is not None
        first, last = node.lineno - 1, node.end_lineno - 1
        end = lines[last][node.end_col_offset :]
        lines[first] = lines[first][: node.col_offset] + text.encode()
        if last > first:
            lines[first] += b"\n"
            lines[first + 1 : last + 1] = [b"\n"] * (last - first - 1) + [end]
        else:
            lines[first] += end
    return b"".join(lines).decode()
