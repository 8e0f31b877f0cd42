"""`experiment=record` to a tolerance on every variant, half an hour in all: never among the quick tests."""

import pytest

from composed import composed
from pinn_ac.app.benchmarks.variants import VARIANTS
from pinn_ac.app.train import train_in

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("tolerance", [1e-4, 1e-6, 1e-8])
@pytest.mark.parametrize("words", VARIANTS.values(), ids=VARIANTS.keys())
def test_a_variant_is_solved_to_the_tolerance_without_any_other_setting(words, tolerance, tmp_path):
    """To three times the tolerance at most, by an estimate that is within a factor of two of the error."""
    metrics = train_in(tmp_path / "run", composed("experiment=record", f"train.tolerance={tolerance}", *words))
    assert metrics["tolerance_met"]
    assert metrics["relative_l2"] < 3 * tolerance
    assert 1 / 2 < metrics["estimated_relative_l2"] / metrics["relative_l2"] < 2
