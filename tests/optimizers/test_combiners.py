"""Directions from the gradients of several terms, by their definitions and against loops in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from composed import composed
from pinn_ac.app.assembly import assemble
from pinn_ac.errors import InputError
from pinn_ac.gradients import JaxGradient
from pinn_ac.loss import Objective, Term
from pinn_ac.optimizers import Adam
from pinn_ac.optimizers.combiners import COMBINERS
from pinn_ac.parallel import ONE_DEVICE, share_out

GENERATOR = np.random.default_rng(11)
SIZES = np.array([1.0, 100.0, 1e-3])


def cases(count):
    """Gradients of very unequal lengths that contradict each other, and some that do not."""
    common = GENERATOR.standard_normal(7)
    for sign in (1, -1):
        G = GENERATOR.standard_normal((count, 7)) * 0.5 + common
        G[0] *= sign
        yield G * SIZES[:count, None]


EVERY = [G for count in (2, 3) for G in cases(count)]


def cosines(G, direction):
    return G @ direction / np.linalg.norm(G, axis=1) / np.linalg.norm(direction)


def test_some_of_the_cases_have_conflicts_and_some_have_none():
    found = [(cosines(G, G.sum(0)) < 0).any() for G in EVERY]
    assert any(found)
    assert not all(found)


@pytest.mark.parametrize("G", EVERY)
def test_config_has_one_positive_cosine_with_every_gradient(G):
    found = np.asarray(COMBINERS["config"](jnp.asarray(G)))
    angles = cosines(G, found)
    np.testing.assert_allclose(angles, angles[0], rtol=1e-11)
    assert angles[0] > 0
    # Its length is the sum of what the gradients have along it.
    np.testing.assert_allclose(found @ found, found @ G.sum(0), rtol=1e-11)


@pytest.mark.parametrize("G", [G for G in EVERY if len(G) == 2])
def test_dcgd_is_the_projection_onto_the_bisector_and_stays_in_the_dual_cone(G):
    found = np.asarray(COMBINERS["dcgd"](jnp.asarray(G)))
    assert (G @ found > 0).all()
    c = (G / np.linalg.norm(G, axis=1, keepdims=True)).sum(0)
    np.testing.assert_allclose(found, c * (c @ G.sum(0)) / (c @ c), rtol=1e-12)


@pytest.mark.parametrize("G", EVERY)
def test_pcgrad_against_its_loop(G):
    expected = np.zeros(7)
    for i in range(len(G)):
        h = G[i].copy()
        for j in range(len(G)):
            if j != i and h @ G[j] < 0:
                h -= (h @ G[j]) / np.linalg.norm(G[j]) ** 2 * G[j]
        expected += h
    found = COMBINERS["pcgrad"](jnp.asarray(G))
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13 * np.abs(G).max())


@pytest.mark.parametrize("name", COMBINERS)
def test_gradients_that_vanish_have_no_say(name):
    g = jnp.asarray(GENERATOR.standard_normal(7))
    np.testing.assert_allclose(COMBINERS[name](jnp.stack([g, 0 * g])), g, rtol=1e-12)
    np.testing.assert_array_equal(COMBINERS[name](jnp.zeros((2, 7))), 0)


@pytest.mark.parametrize("name", COMBINERS)
def test_where_gradients_cancel_there_is_no_step(name):
    g = jnp.asarray([1.0, 2.0, -2.0])
    np.testing.assert_array_equal(COMBINERS[name](jnp.stack([g, -g])), 0)


def two_terms(shards=ONE_DEVICE):
    """The objective of two quadratics with weights, and a batch with weights of points too."""
    generator = np.random.default_rng(2)

    def at_point(center):
        return lambda params, row: row @ (params["x"] - center)

    def prepare(points, condition):
        return points

    terms = {
        "residual": Term(prepare, at_point(jnp.asarray([1.0, 0.0]))),
        "initial": Term(prepare, at_point(jnp.asarray([0.0, -1.0]))),
    }
    objective = Objective(terms, {"initial": 7.0}, "mse", JaxGradient(), shards)
    drawn = {name: generator.standard_normal((count, 2)) for name, count in (("residual", 8), ("initial", 4))}
    weights = {name: generator.uniform(size=len(rows)) for name, rows in drawn.items()}
    batch = objective.prepare(shards.divided(drawn)).weighted(shards.divided(weights))
    return objective, {"x": jnp.asarray([3.0, 2.0])}, batch


def test_terms_add_up_to_the_loss_and_its_gradient():
    objective, params, batch = two_terms()
    found = objective.terms_and_grads(params, batch)
    assert list(found) == ["residual", "initial"]
    loss, gradient = objective.value_and_grad(params, batch)
    np.testing.assert_allclose(sum(value for value, _ in found.values()), loss, rtol=1e-14)
    np.testing.assert_allclose(sum(g["x"] for _, g in found.values()), gradient["x"], rtol=1e-14)
    for name, (_, g) in found.items():
        alone = jax.grad(lambda p, name=name: objective.weight(name) * objective.means(p, batch)[name])(params)
        np.testing.assert_allclose(g["x"], alone["x"], rtol=1e-13)


@pytest.mark.parametrize("name", COMBINERS)
def test_the_optimizer_steps_along_the_combined_direction(name):
    """With b1 = 0 and b2 = 0 Adam follows the signs of what it is given."""
    objective, params, batch = two_terms()
    optimizer = Adam(1e-2, "constant", b1=0.0, b2=0.0, combine=name).build(objective)
    state, info = optimizer.step(optimizer.init(params), batch)
    G = jnp.stack([g["x"] for _, g in objective.terms_and_grads(params, batch).values()])
    np.testing.assert_allclose(state.params["x"] - params["x"], -1e-2 * jnp.sign(COMBINERS[name](G)), rtol=1e-5)
    np.testing.assert_allclose(info.loss, objective.loss(params, batch), rtol=1e-14)


def test_several_devices_combine_the_gradients_of_all_points():
    """The combination of means over all points, which is not the mean of the devices' combinations."""
    ends = []
    for shards in (ONE_DEVICE, share_out(4)):
        objective, params, batch = two_terms(shards)
        optimizer = Adam(1e-1, "constant", combine="config").build(objective)
        state = optimizer.init(shards.replicated(params))
        for _ in range(5):
            state, _ = optimizer.step(state, batch)
        ends.append(np.asarray(optimizer.params(state)["x"]))
    np.testing.assert_allclose(*ends, rtol=1e-12)  # sums in another order


@pytest.mark.parametrize("name", COMBINERS)
def test_one_term_is_refused(name):
    with pytest.raises(InputError, match=rf"optimizer.combine={name} mediates .* choose ansatz=soft"):
        assemble(composed("optimizer=adam", f"optimizer.combine={name}"))


def test_dcgd_is_for_two_terms():
    objective, *_ = two_terms()
    terms = {**objective.terms, "third": objective.terms["initial"]}
    with pytest.raises(InputError, match=r"combine=dcgd is defined for two terms, and this loss has 3"):
        Adam(combine="dcgd").build(Objective(terms, {}, "mse", JaxGradient()))
