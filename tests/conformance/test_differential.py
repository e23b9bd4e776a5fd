# SPDX-License-Identifier: MIT
"""Our judge and cryptography's verifier differ only where a named rule says so.

`make differential CHAINS=n` judges more chains.
"""

import pytest

import trustanchor.limits as limits
from tests.conformance import differential
from tests.conformance.differential import HOST, RULES, WE_ACCEPT, Spec
from trustanchor.x509 import names

CHAINS = 150


def test_every_difference_over_generated_chains_has_a_rule() -> None:
    counted, unexplained = differential.compare(CHAINS, seed=20250101)
    assert unexplained == []
    assert counted["both accept"] > CHAINS // 5
    assert counted["both refuse"] > CHAINS // 5


def example(rule: str) -> Spec:
    """A chain with no fault but the rule's."""
    if rule == "nc_excludes_name":
        # Refused alone; it matters when another root is tried after it, so the order does.
        return next(
            spec
            for order in range(20)
            if differential.difference(
                spec := Spec(1, HOST, ((2, rule),), cross_signed=True, order=order)
            )
        )
    return Spec(1, HOST, ((0 if differential.FAULTS[rule][0].startswith("leaf") else 1, rule),))


@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_rule_is_not_stale(rule: str) -> None:
    spec = example(rule)
    found = differential.difference(spec)
    assert found is not None and found[0] == RULES[rule][0]
    assert differential.explanation(spec, found[0]) == rule


@pytest.mark.parametrize("depth", [0, 1, limits.PATH_INTERMEDIATES])
def test_a_chain_without_faults_is_accepted_by_both(depth: int) -> None:
    chain = differential.build(Spec(depth, HOST))
    assert (differential.ours(chain), differential.theirs(chain)) == ("ok", "ok")


def test_one_intermediate_too_many_is_refused_by_both() -> None:
    chain = differential.build(Spec(limits.PATH_INTERMEDIATES + 1, HOST))
    assert differential.ours(chain) == "path.too_deep"
    assert differential.theirs(chain) != "ok"


def test_a_verifier_that_forgets_a_rule_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "presented_matches", lambda san, reference: True)
    spec = Spec(1, HOST, ((0, "another_host"), (0, "no_aki")))
    found = differential.difference(spec)
    assert found is not None and found[0] == WE_ACCEPT
    assert differential.explanation(spec, WE_ACCEPT) is None
