"""L-BFGS where the loss changes from step to step, as weights and points do; all else is in test_optimizers.py."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

from pinn_ac.batch import Batch, Points
from pinn_ac.gradients import JaxGradient
from pinn_ac.loss import Objective, Term
from pinn_ac.optimizers import LBFGS

ROWS = np.random.default_rng(0).standard_normal((12, 4))
"""Three coefficients and a right-hand side of each of twelve equations."""


def at_point(params, row):
    return row[:3] @ params["x"] - row[3]


OBJECTIVE = Objective({"residual": Term(lambda points, condition=None: points, at_point)}, {}, "mse", JaxGradient())
OPTIMIZER = LBFGS(memory=10).build(OBJECTIVE)
PARAMS = {"x": jnp.asarray([3.0, -2.0, 1.0])}


def weighted(*halves):
    """A batch of the equations, whose halves have these weights, and the Hessian of its loss, (3, 3)."""
    weight = np.repeat(np.asarray(halves, float), 6)
    hessian = 2 / 12 * ROWS[:, :3].T @ (weight[:, None] * ROWS[:, :3])
    return Batch({"residual": Points(jnp.asarray(ROWS), jnp.asarray(weight))}), hessian


def place(state):
    return np.asarray(ravel_pytree(OPTIMIZER.params(state))[0])


def test_it_learns_the_curvature_of_one_loss_where_the_weights_change_at_each_step():
    """y is H s with the H of the step's own batch, and no step raises the loss of its batch."""
    losses = [weighted(1, 1), weighted(3, 1 / 3)]
    state, places = OPTIMIZER.init(PARAMS), []
    for k in range(8):
        batch, before = losses[k % 2][0], state.params
        places.append(place(state))
        state, _ = OPTIMIZER.step(state, batch)
        assert OBJECTIVE.loss(state.params, batch) <= OBJECTIVE.loss(before, batch)
    memory = state.inner[0]
    assert memory.count == 8  # it never began anew
    changes = np.asarray(memory.diff_updates_memory["x"])
    for k in range(7):
        expected = losses[k % 2][1] @ (places[k + 1] - places[k])
        # The gradient of the next batch is added and taken away again.
        np.testing.assert_allclose(changes[k], expected, rtol=0, atol=1e-9 * np.abs(expected).max())


def test_it_is_optax_where_nothing_changes():
    batch, _ = weighted(1, 1)
    solver = optax.lbfgs(memory_size=10, linesearch=optax.scale_by_zoom_linesearch(20, initial_guess_strategy="one"))

    @jax.jit
    def step(params, inner):
        value, grad = OBJECTIVE.value_and_grad(params, batch)
        updates, inner = solver.update(
            grad, inner, params, value=value, grad=grad, value_fn=lambda p: OBJECTIVE.loss(p, batch)
        )
        return optax.apply_updates(params, updates), inner

    params, inner, state = PARAMS, solver.init(PARAMS), OPTIMIZER.init(PARAMS)
    for _ in range(4):
        params, inner = step(params, inner)
        state, _ = OPTIMIZER.step(state, batch)
        # Another program for the same numbers, whose rounding the few steps do not raise far.
        np.testing.assert_allclose(place(state), np.asarray(params["x"]), rtol=0, atol=1e-11)


def test_it_begins_anew_after_a_step_without_positive_curvature():
    """Of a loss with negative weights, which is concave: what is learned there would lead uphill."""
    (convex, _), (concave, _) = weighted(1, 1), weighted(-1, -1)
    there, _ = OPTIMIZER.step(OPTIMIZER.init(PARAMS), concave)
    assert there.inner[0].count == 1
    state, _ = OPTIMIZER.step(there, convex)
    assert state.inner[0].count == 1  # the first step of a new memory
    alone, _ = OPTIMIZER.step(OPTIMIZER.init(there.params), convex)
    np.testing.assert_array_equal(place(state), place(alone))
    assert jax.tree.structure(state) == jax.tree.structure(alone)


def test_a_search_that_finds_no_decrease_makes_no_step():
    """From 0.1 in 100 x² the first trial leads to −0.9, where the loss is 81 times as large."""
    steep = Objective({"residual": Term(lambda points, condition=None: points, _steep)}, {}, "mse", JaxGradient())
    optimizer, batch = LBFGS(linesearch_steps=1).build(steep), Batch({"residual": Points(jnp.ones((1, 1)), None)})
    state = optimizer.init({"x": jnp.asarray(0.1)})
    for _ in range(2):
        state, info = optimizer.step(state, batch)
        assert float(state.params["x"]) == 0.1
        assert float(info.loss) == pytest.approx(1.0)


def _steep(params, row):
    return 10 * params["x"] * row[0]
