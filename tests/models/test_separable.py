"""The separable network: its formula, its values on a grid, and what it refuses."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from composed import composed
from fields import a_field, random_params
from pinn_ac.ansatz import Lifted, Soft
from pinn_ac.app.assembly import assemble
from pinn_ac.derivatives import JaxJvp, OwnTaylor
from pinn_ac.errors import InputError
from pinn_ac.gradients import JaxGradient, OwnGradient
from pinn_ac.loss import Objective, build_terms
from pinn_ac.models import ModifiedMLP, Periodic, Separable
from pinn_ac.problem import AllenCahn, Fourier
from pinn_ac.sampling import Grid
from pinn_ac.sampling.sampler import draw_points

OPTIONS = {"fourier_features": {"stddev": 1.0}, "adaptive_slopes": {"per": "neuron"}}


def draw(network, features=3):
    params = random_params(network, features)
    generator = np.random.default_rng(3)
    return (
        params,
        jnp.asarray(generator.uniform(-1, 1, (4, 1))),
        jnp.asarray(generator.uniform(-1, 1, (5, features - 1))),
    )


@pytest.mark.parametrize("options", [{}, OPTIONS], ids=["plain", "options"])
def test_a_grid_has_the_values_of_its_points(options):
    network = Separable(6, 2, "tanh", 1.0, rank=4, **options)
    params, times, places = draw(network)
    pairs = jnp.stack([jnp.concatenate([time, place]) for time in times for place in places])
    one_by_one = jax.jit(jax.vmap(network.apply, in_axes=(None, 0)))(params, pairs).reshape(4, 5)
    # Sums of four products, each of some ten operations a layer.
    rounding = 400 * np.finfo(float).eps
    np.testing.assert_allclose(network.on_grid(params, times, places), one_by_one, rtol=0, atol=rounding)


def test_it_is_the_sum_of_products_of_two_modified_perceptrons():
    """Each with the outputs of its last layer one at a time."""
    network, rank = Separable(6, 2, "sin", 1.0, rank=4), 4
    params, times, places = draw(network)
    total = 0.0
    for j in range(rank):
        factors = []
        for name, z in (("time", times[0]), ("place", places[0])):
            own = params["params"][name]
            last = {part: values[..., j : j + 1] for part, values in own["Dense_4"].items()}
            factors.append(ModifiedMLP(6, 2, "sin", 1.0).apply({"params": {**own, "Dense_4": last}}, z))
        total += factors[0] * factors[1]
    assert network.apply(params, jnp.concatenate([times[0], places[0]])) == pytest.approx(float(total), abs=1e-13)


def test_its_values_on_a_grid_have_its_rank():
    network = Separable(6, 1, "tanh", 1.0, rank=2)
    params, _, _ = draw(network)
    values = network.on_grid(params, jnp.linspace(-1, 1, 9)[:, None], jnp.linspace(-1, 1, 14).reshape(7, 2))
    sizes = np.linalg.svd(np.asarray(values), compute_uv=False)
    assert sizes[1] > 1e-4
    assert sizes[2] < 1e-14 * sizes[0] * 10


def test_output_scale_is_a_factor_on_the_start():
    z, key = jnp.asarray([0.3, 0.2, -0.4]), jax.random.key(0, impl="unsafe_rbg")
    small, large = (
        network.apply(network.init(key, z), z) for network in (Separable(4, 1), Separable(4, 1, output_scale=1.0))
    )
    assert small == pytest.approx(0.01 * float(large), rel=1e-12)


def test_features_that_mix_t_and_x_are_refused():
    words = ("model=separable", "model.rank=3", "model.width=4")
    with pytest.raises(
        InputError, match=r"Separable needs features of t alone and of x alone.*: choose embedding=perio"
    ):
        assemble(composed(*words))
    assert assemble(composed(*words, "embedding=periodic")).field.features > 1
    assert assemble(composed(*words, "embedding.known=[]")).field.features > 1


def test_at_a_small_size_its_points_can_be_a_square_grid():
    count = composed("model=separable", "size=small", "sampler=grid").sampler.num_points
    assert math.isqrt(count) ** 2 == count


T, X = np.array([0.0, 0.2, 0.9]), np.array([-1.0, 0.1, 0.7])
GRID = np.stack(np.meshgrid(T, X, indexing="ij"), axis=-1).reshape(-1, 2)
SCATTERED = np.where(np.arange(9)[:, None] == 4, GRID + 0.01, GRID)
"""All but one of the points of the grid."""


@pytest.mark.parametrize(
    ("ansatz", "engine", "gradient"),
    [
        (Soft(), OwnTaylor(), None),
        pytest.param(Soft(), OwnTaylor(), OwnGradient(), marks=pytest.mark.landing),
        pytest.param(Lifted(), JaxJvp(), JaxGradient(), marks=pytest.mark.landing),
    ],
)
def test_the_residual_on_a_grid_is_that_of_its_points(ansatz, engine, gradient):
    """And so is its gradient. Factors that are not the network's own show on a grid alone: there they are used."""
    network = Separable(4, 1, "tanh", 1.0, rank=3)
    problem = AllenCahn(1e-2, initial_condition=Fourier(0.1, (0.3,), (0.2,)))
    plain, params = a_field(problem, Periodic(), network, ansatz)

    def wrong(params):
        f, g = network.factors(params)
        return f, lambda z: 2 * g(z)

    def losses(points):
        found = []
        for factors in (None, network.factors, wrong):
            objective = Objective(build_terms(plain._replace(factors=factors), engine), {}, "mse", gradient)
            batch = objective.prepare({"residual": points, "initial": points[:3]})
            values = objective._residuals("residual", params, batch.terms["residual"].prepared, None)
            slopes = [] if gradient is None else objective.value_and_grad(params, batch)
            found.append(jnp.concatenate([values, ravel_pytree(slopes)[0]]))
        return found

    compiled = jax.jit(losses)
    for points, is_grid in ((GRID, True), (SCATTERED, False)):
        one_by_one, own, other = compiled(jnp.asarray(points))
        # A few hundred operations in another order.
        np.testing.assert_allclose(own, one_by_one, rtol=0, atol=1e3 * np.finfo(float).eps * np.abs(one_by_one).max())
        assert (np.abs(other - one_by_one).max() > 1e-3) == is_grid


def test_the_grid_sampler_draws_such_grids(precision):
    """The shift of a draw moves whole rows and columns, and no rounding parts them."""
    points = draw_points(Grid(49), ((0.0, 0.7), (-1.0, 1.0)), 0, "training", 3)["residual"].astype(precision)
    t, x = points.T.reshape(2, 7, 7)
    assert len(np.unique(t)) == len(np.unique(x)) == 7
    np.testing.assert_array_equal(t, np.broadcast_to(t[:, :1], (7, 7)))
    np.testing.assert_array_equal(x, np.broadcast_to(x[:1], (7, 7)))
