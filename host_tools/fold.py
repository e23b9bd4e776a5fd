# SPDX-License-Identifier: MIT
"""Write the limits into the code to be compiled, as mpy-cross does with const() in one file.

A name costs a board some 40 bytes of heap in the module that defines it and 16 more in each that
imports it, and firmware/trustanchor/limits.py has sixty. Compiled modules carry the numbers, and
no board ever loads limits.

    text = folded(source, limits)       # same lines, for an error of mpy-cross
"""

import ast
from collections.abc import Mapping
from pathlib import Path

MODULE = "limits"


def constants_of(path: Path) -> dict[str, int]:
    """Every public constant of a module; ValueError when one is not an integer."""
    namespace: dict[str, object] = {}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), namespace)
    found = {}
    for name, value in namespace.items():
        if name.isupper():
            if not isinstance(value, int) or value < 0:
                raise ValueError(f"{path.name}: {name} is no number that can be folded")
            found[name] = value
    return found


def folded(source: str, constants: Mapping[str, int]) -> str:
    """Return source with the constants for their names, and without the imports of them.

    ValueError when a name is renamed, assigned to or unknown: that would change what it means.
    """
    tree = ast.parse(source)
    imported = set()
    has_module = False
    edits: list[tuple[ast.expr | ast.stmt, str]] = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or node.level != 1:
            continue
        if node.module == MODULE:
            imported |= {alias.name for alias in node.names}
        elif node.module is None and MODULE in [alias.name for alias in node.names]:
            has_module = True
            node.names = [alias for alias in node.names if alias.name != MODULE]
            edits.append((node, ast.unparse(node) if node.names else "pass"))
            continue
        else:
            continue
        if any(alias.asname for alias in node.names):
            raise ValueError(f"line {node.lineno}: a limit keeps its name")
        edits.append((node, "pass"))
    taken = imported | {MODULE} if has_module else imported
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.arg in taken:
            raise ValueError(f"line {node.lineno}: {node.arg} is a limit's name")
        name = None
        if isinstance(node, ast.Name) and node.id in imported:
            name = node.id
        elif (
            has_module
            and isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == MODULE
        ):
            name = node.attr
        if name is not None:
            if not isinstance(node.ctx, ast.Load) or name not in constants:  # type: ignore[attr-defined]
                raise ValueError(f"line {node.lineno}: {name} cannot be folded")  # type: ignore[attr-defined]
            edits.append((node, str(constants[name])))  # type: ignore[arg-type]
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
