# SPDX-License-Identifier: MIT
"""What goes to the compiler is the source, but for numbers in place of names and short names.

deploy.rewritten() is what mpy-cross is given. Here the source is changed by a second, plainer
implementation (numbers for what limits.py, kinds.py and IS_MICROPYTHON say), and both trees are
walked side by side: same statements, same constants, same calls with the same keywords, and one
name for one name in every scope. The portable tests then run on the compiled form itself.
"""

import ast
from typing import Any

import pytest

import trustanchor.kinds
import trustanchor.limits
from host_tools.build import deploy

VALUES = {
    "limits": {k: v for k, v in vars(trustanchor.limits).items() if k.isupper()},
    "kinds": {k: v for k, v in vars(trustanchor.kinds).items() if k.isupper()},
}
REWRITTEN = deploy.rewritten("x86")


class _Plain(ast.NodeTransformer):
    """Numbers for names, the slow way: every name is looked up where it is used."""

    def __init__(self, tree: ast.Module) -> None:
        self._numbers: dict[str, int | bool] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level and node.module in VALUES:
                for alias in node.names:
                    self._numbers[alias.name] = VALUES[str(node.module)][alias.name]
            elif isinstance(node, ast.ImportFrom) and node.level and node.module == "compat":
                if any(alias.name == "IS_MICROPYTHON" for alias in node.names):
                    self._numbers["IS_MICROPYTHON"] = True
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "IS_MICROPYTHON":
                self._numbers["IS_MICROPYTHON"] = True

    def visit_ImportFrom(self, node: ast.ImportFrom) -> Any:
        if node.level and node.module in VALUES:
            return ast.Pass()
        if node.level and node.module == "compat":
            gone = ("const", "IS_MICROPYTHON")
            node.names = [alias for alias in node.names if alias.name not in gone]
            return node if node.names else ast.Pass()
        return node

    def visit_Assign(self, node: ast.Assign) -> Any:
        if ast.unparse(node.targets[0]) == "IS_MICROPYTHON":
            return ast.Pass()
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> Any:
        if node.id in self._numbers:
            value = self._numbers[node.id]
            if value < 0:
                return ast.UnaryOp(ast.USub(), ast.Constant(-value))
            return ast.Constant(value)
        return node


def compare(one: ast.AST, other: ast.AST, names: dict[str, str]) -> None:
    """Raise AssertionError where the trees differ in more than names that are private."""
    assert type(one) is type(other), (ast.dump(one)[:200], ast.dump(other)[:200])
    if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        names = dict(names)  # a parameter's short name is its function's alone
    for field in one._fields:
        a, b = getattr(one, field, None), getattr(other, field, None)
        if isinstance(a, list) and isinstance(b, list):
            assert len(a) == len(b)
            for x, y in zip(a, b, strict=True):
                if isinstance(x, ast.AST):
                    compare(x, y, names)
                else:
                    same(x, y, names)
        elif isinstance(a, ast.AST) and isinstance(b, ast.AST):
            compare(a, b, names)
        elif field in ("id", "attr", "arg", "name") and isinstance(a, str) and isinstance(b, str):
            same(a, b, names)
        else:
            assert a == b, (field, a, b)


def same(a: object, b: object, names: dict[str, str]) -> None:
    """One name stays one name: the short form of a is b, here and where it is used next."""
    if isinstance(a, str) and a != b:
        assert names.setdefault(a, str(b)) == b, (a, b, names[a])
        assert len(str(b)) == 2 and str(b).endswith("_"), (a, b)
    else:
        assert a == b


@pytest.mark.parametrize("module", sorted(REWRITTEN))
def test_the_compiler_is_given_the_source(module: str) -> None:
    source = ast.parse((deploy.PACKAGE / f"{module}.py").read_text())
    plain = _Plain(source).visit(source)
    compare(plain, ast.parse(REWRITTEN[module]), {})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("RSA_MAX_BITS // 8", "RSA_MIN_BITS // 8"),  # another number
        ("if (n[0] | e[0]) >= 0x80", "if (n[0] | e[0]) >= 0x81"),  # another constant
        ("return 1\n    exponent", "return 2\n    exponent"),
        ("rsa.key_of(key)", "rsa.key_of(spki)"),  # another argument
    ],
)
def test_a_difference_is_noticed(old: str, new: str) -> None:
    text = (deploy.PACKAGE / "crypto" / "signatures.py").read_text()
    changed = text.replace(old, new, 1)
    assert changed != text
    if "RSA_MIN_BITS" in new:
        changed = changed.replace("import RSA_MAX_BITS,", "import RSA_MAX_BITS, RSA_MIN_BITS,")
    tree = ast.parse(changed)
    with pytest.raises(AssertionError):
        compare(_Plain(tree).visit(tree), ast.parse(REWRITTEN["crypto/signatures"]), {})
