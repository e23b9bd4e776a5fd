# SPDX-License-Identifier: MIT
"""firmware/API.md and the code have the same public names and the same signatures."""

import inspect
import re
from pathlib import Path

import pytest

import trustanchor

PAGE = (Path(__file__).resolve().parents[2] / "firmware" / "API.md").read_text()
HOMES = dict(one.split("=") for one in trustanchor._HOME.split())
HEADINGS = re.findall(r"^### `([^`]+)`$", PAGE, re.M)

# Public methods of a class that only other modules of the package call.
INTERNAL = {
    "Store.adopt", "Store.take_up", "Store.join", "Store.tables", "Store.disprove",
    "Store.previous", "Store.stands", "Store.source", "Store.rules", "Store.trials",
    "Store.prefix", "Store.slot", "Store.write", "Store.judged", "Store.sure_time",
    "Context.literal_store",
}  # fmt: skip


def signature(name: str) -> str:
    """The call of a public name, as the page writes it."""
    thing = trustanchor
    for part in name.split("."):
        thing = getattr(thing, part)
    parameters = [
        parameter.replace(annotation=parameter.empty)
        for parameter in inspect.signature(thing).parameters.values()  # type: ignore[arg-type]
        if parameter.name != "self"
    ]
    return name + str(inspect.Signature(parameters))


def public() -> set[str]:
    """Every public callable, a class with its public methods."""
    found = set()
    for name in HOMES:
        thing = getattr(trustanchor, name)
        if inspect.ismodule(thing):
            inside = vars(thing).items()
            found |= {f"{name}.{key}" for key, value in inside if _is_ours(key, value, thing)}
            continue
        found.add(name)
        if inspect.isclass(thing) and not issubclass(thing, Exception):
            methods = inspect.getmembers(thing, inspect.isfunction)
            found |= {f"{name}.{key}" for key, _ in methods if not key.startswith("_")}
    return found - INTERNAL


def _is_ours(name: str, value: object, module: object) -> bool:
    return (
        inspect.isfunction(value)
        and not name.startswith("_")
        and value.__module__ == getattr(module, "__name__", "")
    )


@pytest.mark.parametrize("heading", HEADINGS)
def test_a_signature_of_the_page_is_that_of_the_code(heading: str) -> None:
    assert heading == signature(heading.partition("(")[0])


def test_every_public_name_is_on_the_page() -> None:
    assert {heading.partition("(")[0] for heading in HEADINGS} == public()


def test_the_import_lines_of_the_page_are_the_public_names() -> None:
    lines = re.findall(r"^    from trustanchor import (.*)$", PAGE, re.M)
    assert {name for line in lines for name in line.split(", ")} == set(HOMES)


def test_every_argument_of_a_call_is_spoken_of() -> None:
    for section in PAGE.split("\n### ")[1:]:
        heading, _, text = section.partition("\n")
        names = re.findall(r"\b([a-z_]\w*)(?==|[,)])", heading.partition("(")[2])
        assert [name for name in names if name not in text + heading.partition("(")[0]] == []


def test_what_is_not_public_is_no_attribute() -> None:
    with pytest.raises(AttributeError):
        trustanchor.policy  # noqa: B018 - the access itself is what is tested
