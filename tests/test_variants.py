"""`experiment=record` on every variant, two minutes each and half an hour in all: never among the quick tests."""

import pytest

from composed import composed
from pinn_ac.run import train_in
from variants import VARIANTS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("words", VARIANTS.values(), ids=VARIANTS.keys())
def test_a_variant_is_solved_to_five_digits_without_any_setting(words, tmp_path):
    assert train_in(tmp_path / "run", composed("experiment=record", *words))["relative_l2"] < 1e-5
