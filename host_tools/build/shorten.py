# SPDX-License-Identifier: MIT
"""Give names that nobody outside a module can use short ones, for the code to be compiled.

A board keeps every name of a loaded module for ever, about 18 bytes of heap each, and makes room
for them by doubling: beyond the 620th that is 4.5 KB in one piece (py/qstr.c). So names that only
their own module uses are the same few in every module: its private functions, variables, methods
and attributes, and parameters that nothing passes by keyword, save those of functions that
applications call. A traceback keeps modules and public names; lines it never had.

    text = shortened(source, spoken_names(every_source))
"""

import ast
from collections.abc import Iterable

# A name each, used again in every module: "A_", "B_", ...
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Machine code: its parameters are registers and its names the compiler's.
_NATIVE = ("viper", "native")

Edit = tuple[int, int, str, str]  # line, column in bytes, old, new


def spoken_names(sources: Iterable[str]) -> set[str]:
    """Every name by which some module speaks of what is in another, or passes by keyword."""
    found: set[str] = set()
    attributes: set[str] = set()
    trees = [ast.parse(source) for source in sources]
    inherited = _inherited(trees)
    for tree in trees:
        here = set()
        classes = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                found |= {keyword.arg for keyword in node.keywords if keyword.arg is not None}
            elif isinstance(node, ast.Attribute):
                here.add(node.attr)
            elif isinstance(node, ast.ImportFrom):
                found |= {alias.name for alias in node.names}
            if isinstance(node, ast.ClassDef) and (
                node.name in inherited
                or any(isinstance(base, ast.Name) and base.id in inherited for base in node.bases)
            ):
                found |= {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)}
            if isinstance(node, ast.ClassDef) and any(
                not isinstance(base, ast.Name) or base.id not in classes for base in node.bases
            ):
                # What it defines may stand for a method of the class of another module.
                found |= {inner.name for inner in node.body if isinstance(inner, ast.FunctionDef)}
        found |= {name for name in here if not _is_private(name)} | attributes & here
        attributes |= here
    return found


def _inherited(trees: list[ast.Module]) -> set[str]:
    """The names of classes that have a subclass in another module than their own.

    Two modules then name the attributes of one object, and the same short name is not to be
    given to two of them.
    """
    found: set[str] = set()
    for tree in trees:
        imported = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.level
            for alias in node.names
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found |= {base.id for base in node.bases if isinstance(base, ast.Name)} & imported
    return found


def private_names(program: str) -> set[str]:
    """The private names a test speaks of that are not its own to rename."""
    return {
        word
        for node in ast.walk(ast.parse(program))
        for word in (
            [node.attr]
            if isinstance(node, ast.Attribute)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        if _is_private(word)
    }


def shortened(source: str, spoken: set[str], is_public: bool = False) -> str:
    """Return source with short names for what is its own.

    is_public  applications call its functions: only private ones have their parameters renamed
    """
    tree = ast.parse(source)
    if any(_is_native(node) for node in ast.walk(tree)):
        return source
    taken = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    taken |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    renamer = _Renamer(source, spoken | _unmoved(tree), taken, is_public)
    renamer.rename_variables(tree)
    renamer.rename_attributes(tree)
    renamer.visit_body(tree, {}, 0)
    return renamer.edited()


def _unmoved(tree: ast.Module) -> set[str]:
    """Names that stand in the tree as texts, where no edit would find them."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Global | ast.Nonlocal):
            found |= set(node.names)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
    # Functions of the module itself and methods are renamed; one inside another keeps its name.
    own = {id(node) for node in tree.body}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            own |= {id(inside) for inside in node.body}
            # An attribute of the class and of its instances, by a name that is a variable's here.
            for inside in node.body:
                if not isinstance(inside, ast.FunctionDef):
                    found |= {one.id for one in ast.walk(inside) if isinstance(one, ast.Name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and id(node) not in own:
            found.add(node.name)
    return found


def _is_native(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and any(
        getattr(decorator, "attr", "") in _NATIVE for decorator in node.decorator_list
    )


class _Renamer:
    def __init__(self, source: str, kept: set[str], taken: set[str], is_public: bool) -> None:
        self._lines = source.encode().splitlines(keepends=True)
        self._kept = kept
        self._all = [f"{letter}_" for letter in _LETTERS]
        self._names = [f"{letter}_" for letter in _LETTERS if f"{letter}_" not in taken]
        self._is_public = is_public
        self._variables: dict[str, str] = {}
        self._edits: set[Edit] = set()

    def rename_variables(self, tree: ast.Module) -> None:
        """Private variables of the module, unless a function has one of the same name."""
        found = []
        for node in tree.body:
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                target = node.targets[0]
                if isinstance(target, ast.Name) and _is_private(target.id):
                    # const() is the compiler's: such a name is never in the code at all.
                    is_const = isinstance(node.value, ast.Call) and (
                        getattr(node.value.func, "id", "") == "const"
                    )
                    if not is_const and target.id not in found:
                        found.append(target.id)
            elif (
                isinstance(node, ast.FunctionDef | ast.ClassDef)
                and _is_private(node.name)
                and node.name not in found
            ):
                found.append(node.name)
        hidden = set(self._kept)
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.Lambda):
                hidden |= {arg.arg for arg in ast.walk(function) if isinstance(arg, ast.arg)}
                hidden |= {
                    name.id
                    for name in ast.walk(function)
                    if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
                }
        for name in found:
            if name not in hidden and self._names:
                self._variables[name] = self._names.pop()
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in self._variables:
                self._rename_definition(node, self._variables[node.name])

    def rename_attributes(self, tree: ast.Module) -> None:
        """Private attributes and methods, where no class is made from one of another module."""
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        here = {node.name for node in classes}
        for node in classes:
            if any(not isinstance(base, ast.Name) or base.id not in here for base in node.bases):
                return
        methods = [
            method
            for node in classes
            for method in node.body
            if isinstance(method, ast.FunctionDef)
        ]
        accesses = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
        words = {
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        # Who writes one of its own is sure to have made it; any other is somebody else's.
        own = {method.name for method in methods}
        own |= {node.attr for node in accesses if isinstance(node.ctx, ast.Store)}
        private = sorted(name for name in own - self._kept - words if _is_private(name))
        short = dict(zip(private, self._all, strict=False))
        for method in methods:
            if method.name in short:
                self._rename_definition(method, short[method.name])
        for access in accesses:
            if access.attr in short:
                assert access.end_lineno is not None and access.end_col_offset is not None
                column = access.end_col_offset - len(access.attr)
                self._edits.add((access.end_lineno, column, access.attr, short[access.attr]))

    def _rename_definition(self, node: ast.FunctionDef | ast.ClassDef, new: str) -> None:
        column = node.col_offset + (4 if isinstance(node, ast.FunctionDef) else 6)
        self._edits.add((node.lineno, column, node.name, new))

    def visit_body(self, node: ast.AST, renamed: dict[str, str], depth: int) -> None:
        for child in ast.iter_child_nodes(node):
            self._visit(child, renamed, depth)

    def _visit(self, node: ast.AST, renamed: dict[str, str], depth: int) -> None:
        if isinstance(node, ast.FunctionDef):
            for outside in (*node.args.defaults, *node.args.kw_defaults, *node.decorator_list):
                if outside is not None:
                    self._visit(outside, renamed, depth)
            inner, depth = self._parameters(node, renamed, depth)
            for statement in node.body:
                self._visit(statement, inner, depth)
        elif isinstance(node, ast.Lambda | ast.AsyncFunctionDef):
            # Their parameters keep their names, and hide those of what is around them.
            for default in (*node.args.defaults, *node.args.kw_defaults):
                if default is not None:
                    self._visit(default, renamed, depth)
            hidden = {arg.arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg)}
            inner = {old: new for old, new in renamed.items() if old not in hidden}
            if isinstance(node, ast.Lambda):
                self._visit(node.body, inner, depth)
                return
            for decorator in node.decorator_list:
                self._visit(decorator, renamed, depth)
            for statement in node.body:
                self._visit(statement, inner, depth)
        elif isinstance(node, ast.ClassDef):
            for above in (*node.bases, *node.keywords, *node.decorator_list):
                self._visit(above, renamed, depth)
            # What the class binds is its attribute; its methods do not see that, but the names of
            # the function around it.
            hidden = {
                name.id
                for statement in node.body
                if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef)
                for name in ast.walk(statement)
                if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
            }
            inner = {old: new for old, new in renamed.items() if old not in hidden}
            for statement in node.body:
                is_method = isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef)
                self._visit(statement, renamed if is_method else inner, depth)
        elif isinstance(node, ast.Name):
            new = renamed.get(node.id) or self._variables.get(node.id)
            if new:
                self._edits.add((node.lineno, node.col_offset, node.id, new))
        elif isinstance(node, ast.AnnAssign):
            # An annotation is a text, or never looked at.
            self._visit(node.target, renamed, depth)
            if node.value is not None:
                self._visit(node.value, renamed, depth)
        else:
            self.visit_body(node, renamed, depth)

    def _parameters(
        self, node: ast.FunctionDef, renamed: dict[str, str], depth: int
    ) -> tuple[dict[str, str], int]:
        """Rename what may be; return the names inside the function, and how many are in use."""
        arguments = node.args
        own = [*arguments.posonlyargs, *arguments.args]
        every = [*own, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        inner = {
            old: new
            for old, new in renamed.items()
            if old not in {arg.arg for arg in every if arg is not None}
        }
        if self._is_public and not _is_private(node.name):
            return inner, depth
        for arg in own:
            name = arg.arg
            if name == "self" or name in self._kept:
                continue
            if depth >= len(self._names):
                break
            inner[name] = self._names[depth]
            depth += 1
            self._edits.add((arg.lineno, arg.col_offset, name, inner[name]))
        return inner, depth

    def edited(self) -> str:
        lines = list(self._lines)
        for line, column, old, new in sorted(self._edits, reverse=True):
            text = lines[line - 1]
            end = column + len(old.encode())
            assert text[column:end] == old.encode(), (line, column, old)
            lines[line - 1] = text[:column] + new.encode() + text[end:]
        return b"".join(lines).decode()


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_STAYS"
