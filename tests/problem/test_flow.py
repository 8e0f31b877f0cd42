"""The flow that the ansatz uses: the reaction's own, stopped in time where the horizon is long."""

import jax.numpy as jnp
import numpy as np
import pytest

from pinn_ac.problem import AllenCahn

W = np.linspace(-1.2, 1.2, 13)


@pytest.mark.parametrize("horizon", [0.5, 1.0])
def test_a_short_horizon_has_the_whole_flow(horizon):
    problem = AllenCahn(horizon=horizon)
    assert problem.longest_flow is None
    assert np.array_equal(problem.flow(horizon, W), problem.react(jnp.asarray(horizon), W))


@pytest.mark.parametrize("horizon", [2.0, 10.0, 1000.0])
def test_a_long_horizon_begins_with_the_whole_flow_and_ends_at_the_width_of_interfaces(horizon):
    problem = AllenCahn(diffusivity=1e-3, horizon=horizon)
    assert np.array_equal(problem.flow(0.0, W), W)
    early = 0.05  # the stop is felt as e^{−2R(T₁ − t)}/(2R), here 4e-4
    assert np.allclose(problem.flow(early, W), problem.react(jnp.asarray(early), W), rtol=0, atol=1e-3)
    # Φ_w at w = 0 is e^{Rτ}: the interface is as steep in the end as one of width √(2D/R). The corner's value at 0,
    # which τ is shifted by, is e^{−2RT₁}/(2R): 1.3e-3 here in the slope.
    slope = float(problem.flow(horizon, 1e-6) / 1e-6) * problem.steepest_slope
    assert slope * np.sqrt(2 * problem.diffusivity / problem.reaction_rate) == pytest.approx(1, abs=2e-3)


def test_without_reaction_there_is_no_flow():
    assert np.array_equal(AllenCahn(reaction_rate=0.0, horizon=50.0).flow(50.0, W), W)
