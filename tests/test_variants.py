"""`experiment=record` on every variant, two minutes each and half an hour in all: never among the quick tests."""

import pytest

from composed import composed
from pinn_ac.app.train import train_in
from variants import VARIANTS

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("words", VARIANTS.values(), ids=VARIANTS.keys())
def test_a_variant_is_solved_to_five_digits_without_any_setting(words, tmp_path):
    metrics = train_in(tmp_path / "run", composed("experiment=record", *words))
    assert metrics["relative_l2"] < 1e-5
    share = metrics["estimated_relative_l2"] / metrics["relative_l2"]
    assert 1 / 3 < share < 3 or metrics["estimate_unreliable"]
