"""What every network must do: have the run's precision, follow the seed, and be differentiated by every engine."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from omegaconf import OmegaConf

from composed import built, options
from fields import a_field
from pinn_ac.ansatz import Soft
from pinn_ac.app.objects import build
from pinn_ac.derivatives import JaxJet, JaxJvp, OwnTaylor
from pinn_ac.description import node
from pinn_ac.errors import InputError
from pinn_ac.gradients import OwnGradient
from pinn_ac.models import (
    MLP,
    ChebyshevKAN,
    ModifiedMLP,
    Periodic,
    PirateNet,
    RandomFeatures,
    Separable,
    Siren,
)
from pinn_ac.problem import AllenCahn, Sine

EVERYTHING = {
    "weight_factorization": {"mean": 0.5},
    "fourier_features": {"stddev": 1.0},
    "adaptive_slopes": {"per": "neuron"},
}
SMALL = {
    "mlp": MLP(4, 2, "tanh", 1.0, **EVERYTHING),
    "modified_mlp": ModifiedMLP(4, 1, "sin", 1.0, **EVERYTHING),
    "random_features": RandomFeatures(8),
    "piratenet": PirateNet(4, 1, start="drawn"),
    "siren": Siren(4, 2, 3.0, 3.0),
    "chebyshev_kan": ChebyshevKAN(3, 1, 3, 1.0),
    "separable": Separable(4, 1, "tanh", 1.0, rank=3),
}
"""Option → a small network of its class, some with all options of layers."""
SECOND = ("t", "x", "xx")


HEAVY = ("piratenet", "modified_mlp", "separable")
"""Those whose derivatives take long to compile."""


def key(seed):
    """A key whose generator compiles quickly."""
    return jax.random.key(seed, impl="unsafe_rbg")


def marked(names):
    """The heavy ones run before a change lands."""
    return [pytest.param(name, marks=pytest.mark.landing if name in HEAVY else ()) for name in names]


@pytest.fixture(params=options("model"))
def network(request):
    assert request.param in SMALL, f"give model={request.param} a line in this table"
    return SMALL[request.param]


@pytest.mark.parametrize("option", options("model"))
def test_the_yaml_has_the_defaults_of_the_class(option):
    assert built("model", option) == type(SMALL[option])()


def test_values_and_parameters_have_the_precision(network, precision):
    z = jax.ShapeDtypeStruct((3,), float)
    params = jax.eval_shape(network.init, jax.random.key(0), z)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(params)} == {precision}
    value = jax.eval_shape(network.apply, params, z)
    assert (value.shape, value.dtype) == ((), precision)


@pytest.mark.parametrize("option", marked(options("model")))
def test_the_start_follows_the_seed(option):
    network = SMALL[option]
    initialise = jax.jit(network.init)
    one, same, other = (ravel_pytree(initialise(key(seed), jnp.ones(3)))[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    # What is not drawn is zero, such as some biases, or a constant, such as slopes.
    assert isinstance(network, RandomFeatures) or np.mean(np.asarray(one) != np.asarray(other)) > 0.4


@pytest.mark.landing
@pytest.mark.parametrize("option", marked(options("model")))
def test_the_engines_and_our_own_gradient_agree_with_jax(option):
    """At one point, of Fourier features of both signs; and both its sides are one place for every network."""
    problem = AllenCahn(1e-2, initial_condition=Sine(0.5))
    field, params = a_field(problem, Periodic(), SMALL[option], Soft())
    flat, unravel = ravel_pytree(params)

    @jax.jit
    def all_of_them(flat, t, x):
        def derivatives(engine, flat):
            return engine(lambda t, x: field(unravel(flat), t, x), t, x, SECOND)

        def residual(engine):
            def f(flat):
                u = derivatives(engine, flat)
                return u["t"] + u["x"] * u["u"] - 0.1 * u["xx"]

            return f

        own = OwnGradient().value_and_grad(residual(OwnTaylor()), flat)
        by_jax = jax.value_and_grad(residual(JaxJvp()))(flat)
        sides = [field(unravel(flat), t, jnp.asarray(side)) for side in (-1.0, 1.0)]
        return [derivatives(engine, flat) for engine in (JaxJvp(), OwnTaylor(), JaxJet())], own, by_jax, sides

    (exact, *others), own, by_jax, (left, right) = all_of_them(flat, jnp.asarray(0.3), jnp.asarray(0.4))
    assert all(abs(exact[name]) > 1e-4 for name in exact)
    # A few hundred operations in another order, each with a rounding of its own.
    rounding = 1e3 * np.finfo(float).eps
    for found in others:
        for name, value in exact.items():
            np.testing.assert_allclose(found[name], value, rtol=0, atol=rounding * max(1, abs(value)), err_msg=name)
    for found, value in zip(own, by_jax, strict=True):
        np.testing.assert_allclose(found, value, rtol=0, atol=rounding * np.abs(value).max())
    assert np.abs(by_jax[1]).max() > 0
    np.testing.assert_allclose(left, right, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("make", "setting", "value", "sentence"),
    [
        (Siren, "width", 0, "give a whole number from 1"),
        (Siren, "omega", 0, "give a positive number"),
        (Siren, "first_omega", "high", "give a positive number"),
        (Siren, "output_scale", None, "give a number"),
        (ChebyshevKAN, "degree", 0, "give a whole number from 1"),
        (ChebyshevKAN, "depth", 1.5, "give a whole number from 1"),
        (ChebyshevKAN, "output_scale", "no", "give a number"),
        (Separable, "rank", 0, "give a whole number from 1"),
        (Separable, "output_scale", None, "give a number"),
        (MLP, "output_scale", None, "give a number"),
        (PirateNet, "output_scale", "fit", "give a number"),
        (PirateNet, "bias_scale", -1, "give zero or a positive number"),
    ],
)
def test_settings_that_are_none_are_refused(make, setting, value, sentence):
    with pytest.raises(InputError, match=rf"model\.{setting} is {value}: {sentence}"):
        make(**{setting: value})


def test_it_is_written_to_a_config_and_built_from_it(network):
    """Its options that are settings of their own too."""
    config = OmegaConf.create({"model": node(network, "network")})
    assert build(config.model) == network
