# SPDX-License-Identifier: MIT
"""The generated modules of the generators are what their generator makes today."""

import pytest

from tests.certs import make_combs


@pytest.mark.parametrize("bits", [256, 384, 521])
def test_the_comb_modules_are_what_their_arithmetic_makes(bits: int) -> None:
    assert (make_combs.PACKAGE / f"_p{bits}.py").read_text() == make_combs.module(bits)
