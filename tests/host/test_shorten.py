# SPDX-License-Identifier: MIT
"""Short names in compiled code: what is renamed, and what never is."""

import ast
import symtable
from typing import Any

import pytest

import trustanchor
from host_tools.build import deploy, shorten
from host_tools.build.shorten import shortened

SOURCES = {
    source.stem: source.read_text(encoding="utf-8") for source in deploy.PACKAGE.rglob("*.py")
}
SPOKEN = shorten.spoken_names(SOURCES.values())

SAMPLE = '''
_TABLE = {"_TABLE": 1}
_limit = const(3)


def public(first_one, other=2, *, only=3):
    """Says first_one."""
    def inside(first_one):
        return first_one + other
    return inside(_helper(first_one)) + only


def _helper(first_one):
    try:
        return [_TABLE[first_one] for first_one in "a"]
    except KeyError as error:
        return error


class Box:
    _default = None

    def __init__(self, content):
        self._content = content
        self.size = self._measured(content)

    def _measured(self, text_of_it):
        return len(text_of_it) + self._default
'''


def run(source: str) -> dict[str, object]:
    namespace: dict[str, object] = {"const": lambda value: value}
    exec(compile(source, "sample", "exec"), namespace)
    return namespace


def test_what_only_the_module_uses_gets_a_short_name() -> None:
    found = shortened(SAMPLE, set())
    for name in ("first_one", "_helper", "_content", "_measured", "text_of_it", "content"):
        words = [node for node in ast.walk(ast.parse(found)) if name in ast.dump(node).split("'")]
        assert not words, name
    assert found.count("\n") == SAMPLE.count("\n")


def test_what_others_can_name_stays() -> None:
    found = shortened(SAMPLE, {"content", "_helper"})
    for kept in ("def public(", "only=3", "class Box", "self.size", "(self, content)", "_helper("):
        assert kept in found
    assert "_default = None" in found
    assert '"_TABLE"' in found
    assert '"""Says first_one."""' in found


def test_functions_for_applications_keep_their_parameters() -> None:
    found = shortened(SAMPLE, set(), is_public=True)
    assert "def public(first_one, other=2" in found
    assert "def _helper(first_one)" not in found


def test_the_shortened_sample_does_what_it_did() -> None:
    shorter = SAMPLE.replace("self._default", "0")
    before, after = run(shorter), run(shortened(shorter, set()))
    assert before["Box"]("four").size == after["Box"]("four").size == 4  # type: ignore[operator]
    with pytest.raises(TypeError):
        after["public"]("a")  # type: ignore[operator]


@pytest.mark.parametrize(
    "body",
    [
        "return (lambda *word: word)(1, 2)",
        "return (lambda **word: word)(a=1)",
        "return (lambda *, word=word: word)(word=3)",
        "return (lambda *, other=word: other)()",
        "return (lambda word, /: word)(4)",
        "async def inner(word): return word\n    return run_async(inner(7))",
        "async def inner(*, word=word): return word\n    return run_async(inner())",
        "def inner(): word = 8; return word\n    return inner(), word",
        "class Inner:\n        word = 9\n    return Inner.word, word",
        "class Inner:\n        def of(self): return word\n        other = word\n"
        "    return Inner().of(), Inner.other",
        "return [word for word in (1, 2)], word",
    ],
)
def test_what_hides_a_parameter_is_another_name(body: str) -> None:
    def run_async(step: Any) -> object:
        with pytest.raises(StopIteration) as done:
            step.send(None)
        return done.value.value

    source = f"def _helper(word):\n    {body}\ndef public(): return _helper(5)\n"
    found = []
    for text in (source, shortened(source, {"other"})):
        namespace: dict[str, Any] = {"run_async": run_async}
        exec(compile(text, "sample", "exec"), namespace)
        found.append(namespace["public"]())
    assert found[0] == found[1]


def test_machine_code_is_left_alone() -> None:
    source = "@micropython.viper\ndef _run(words: ptr32): pass\n"
    assert shortened(source, set()) == source


def test_a_class_made_from_one_of_another_module_keeps_its_attributes() -> None:
    source = "class Tables(Cache):\n def __init__(self):\n  self._met = {}\n"
    assert "self._met" in shortened(source, set())


def test_a_method_that_a_class_of_another_module_takes_over_keeps_its_name() -> None:
    base = "class Base:\n def run(self): return self._hook()\n def _hook(self): return 1\n"
    taken_over = "from .base import Base\nclass Other(Base):\n def _hook(self): return 2\n"
    spoken = shorten.spoken_names([base, taken_over])
    assert "def _hook" in shortened(base, spoken)
    assert "def _hook" not in shortened(base, shorten.spoken_names([base]))


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_a_shortened_module_has_the_shape_it_had(name: str) -> None:
    """Names apart, the same tree; and each scope's names stay as distinct as they were."""
    source = SOURCES[name]
    before, after = ast.parse(source), ast.parse(shortened(source, SPOKEN))
    pairs: dict[str, set[str]] = {}
    for one, other in zip(ast.walk(before), ast.walk(after), strict=True):
        assert type(one) is type(other)
        if isinstance(one, ast.Attribute):
            assert isinstance(other, ast.Attribute)
            pairs.setdefault(other.attr, set()).add(one.attr)
    assert all(len(names) == 1 for names in pairs.values()), pairs
    for one, other in zip(ast.walk(before), ast.walk(after), strict=True):
        if isinstance(one, ast.FunctionDef) and isinstance(other, ast.FunctionDef):
            assert names_in(one) <= names_in(other)


def names_in(function: ast.FunctionDef) -> int:
    """How many different names a function uses: two that became one would be fewer."""
    return len(
        {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
        | {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
    )


def scopes(table: symtable.SymbolTable) -> list[symtable.SymbolTable]:
    return [table, *(inner for child in table.get_children() for inner in scopes(child))]


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_every_name_of_a_shortened_module_is_bound_where_it_was(name: str) -> None:
    before = symtable.symtable(SOURCES[name], name, "exec")
    after = symtable.symtable(shortened(SOURCES[name], SPOKEN), name, "exec")
    for one, other in zip(scopes(before), scopes(after), strict=True):
        kinds = []
        for table in (one, other):
            kinds.append(
                [
                    (
                        symbol.is_parameter(),
                        symbol.is_local(),
                        symbol.is_free(),
                        symbol.is_global(),
                    )
                    for symbol in table.get_symbols()  # in order of first use
                ]
            )
        assert kinds[0] == kinds[1], one.get_name()


def test_private_names_of_a_test_program_are_found() -> None:
    program = "from trustanchor.x import _a, b\nfrom y import z\nz._c = z.d\n"
    assert shorten.private_names(program) == {"_a", "_c"}


def test_what_applications_call_keeps_the_names_of_its_parameters() -> None:
    named = [one.partition("=")[2] for one in trustanchor._HOME.split()]
    homes = {home.replace(".", "/") or "clock" for home in named}
    # drop_connections(store) is given its one argument by place.
    assert homes - {"tls/judged"} <= deploy.FOR_APPLICATIONS
    agent = deploy.rewritten("x86")["app/agent"]
    assert all(word in agent for word in ("publish=None", "feed=None", "random=None"))
