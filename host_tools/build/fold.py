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
_CONST = "const"
_IS_MICROPYTHON = "IS_MICROPYTHON"
_FACT = f"{_IS_MICROPYTHON} = sys.implementation.name == 'micropython'"

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

    ValueError when a name is bound a second time, renamed, unknown or used as anything but a
    number: that would change what it means.
    """
    tree = ast.parse(source)
    imported: dict[str, int | None] = {}
    modules: set[str] = set()
    facts: set[str] = set()
    edits: list[tuple[ast.expr | ast.stmt, str]] = []
    own: set[ast.AST] = set()  # what binds the names that are folded
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            gone = _gone(node, constants)
            for alias in gone:
                if alias.asname or alias.name == "*":
                    raise ValueError(f"line {node.lineno}: what is folded keeps its name")
                if node.module in constants:
                    imported[alias.name] = constants[str(node.module)].get(alias.name)
                elif node.module is None:
                    modules.add(alias.name)
                else:
                    facts.add(alias.name)
            if gone:
                node.names = [alias for alias in node.names if alias not in gone]
                edits.append((node, ast.unparse(node) if node.names else "pass"))
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement) == _FACT:
            facts.add(_IS_MICROPYTHON)
            own.add(statement.targets[0])
            edits.append((statement, "pass"))
    named_consts, bases = _uses(tree)
    for node in ast.walk(tree):
        for name in _bound(node):
            if node not in own and (name in imported or name in modules or name in facts):
                raise ValueError(f"line {_line(node)}: {name} has another meaning already")
        if isinstance(node, ast.If | ast.IfExp | ast.While) and facts & _names_in(node.test):
            _check_no_yield(node)
        value: int | None = None
        if isinstance(node, ast.Name) and node.id in imported:
            name, value = node.id, imported[node.id]
        elif isinstance(node, ast.Name) and node.id in facts and node not in own:
            if node.id == _CONST and node not in named_consts:
                raise ValueError(f"line {node.lineno}: const() makes a name, and nothing else")
            if node.id != _CONST:
                edits.append((node, "True"))
            continue
        elif isinstance(node, ast.Name) and node.id in modules and node not in bases:
            raise ValueError(f"line {node.lineno}: {node.id} is there for its numbers alone")
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


def _gone(node: ast.ImportFrom, constants: Constants) -> list[ast.alias]:
    """What of an import is not in the compiled code."""
    if node.module is None:
        return [alias for alias in node.names if alias.name in constants]
    if node.module in constants:
        return node.names
    if node.module == _COMPAT:
        return [alias for alias in node.names if alias.name in (_CONST, _IS_MICROPYTHON)]
    return []


def _uses(tree: ast.AST) -> tuple[set[ast.AST], set[ast.AST]]:
    """Return (const in `NAME = const(...)`, x in `x.attribute`)."""
    consts: set[ast.AST] = set()
    bases: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            if isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Call):
                consts.add(node.value.func)
        elif isinstance(node, ast.Attribute):
            bases.add(node.value)
    return consts, bases


def _bound(node: ast.AST) -> list[str]:
    """The names that a node gives a meaning to."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        return [node.id]
    if isinstance(node, ast.arg):
        return [node.arg]
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
        return [node.name] if node.name else []
    if isinstance(node, ast.Global | ast.Nonlocal):
        return node.names
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [(alias.asname or alias.name).split(".")[0] for alias in node.names]
    return []


def _line(node: ast.AST) -> int:
    return getattr(node, "lineno", 0)


def _names_in(node: ast.AST) -> set[str]:
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}


def _check_no_yield(branch: ast.AST) -> None:
    # A function is a generator even where its only yield is never reached; left out, it is none.
    if any(isinstance(node, ast.Yield | ast.YieldFrom | ast.Await) for node in ast.walk(branch)):
        raise ValueError(f"line {_line(branch)}: a yield may be left out")


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
