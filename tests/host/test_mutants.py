# SPDX-License-Identifier: MIT
"""Every mutant of tests/mutants.py fits the sources as they are; `make mutants` runs them."""

from collections import Counter
from dataclasses import replace

import pytest

from tests import mutants


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda mutant: mutant.name)
def test_its_rule_is_in_one_place_and_its_tests_exist(mutant: mutants.Mutant) -> None:
    assert not mutants.stale(mutant)


def test_no_two_have_one_name() -> None:
    assert [name for name, n in Counter(m.name for m in mutants.MUTANTS).items() if n > 1] == []


@pytest.mark.parametrize(
    "change",
    [{"old": "a rule nobody wrote"}, {"file": "gone.py"}, {"tests": "gone"}, {"old": "\n"}],
    ids=["text", "file", "test", "twice"],
)
def test_one_that_fits_no_more_is_noticed(
    change: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert mutants.stale(replace(mutants.MUTANTS[0], **change))
    assert capsys.readouterr().out.startswith("STALE")
