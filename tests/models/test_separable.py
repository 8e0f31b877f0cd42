"""The separable network: its formula, its values on a grid, and what it refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from composed import composed
from fields import random_params
from pinn_ac.app.assembly import assemble
from pinn_ac.errors import InputError
from pinn_ac.models import ModifiedMLP, Separable

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
