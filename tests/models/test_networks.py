"""Networks: their formulas in plain numpy, their counts, their precision, their start."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from composed import built
from fields import random_params
from pinn_ac.errors import InputError
from pinn_ac.models import MLP, ModifiedMLP, RandomFeatures
from pinn_ac.models.layers import ACTIVATIONS, activation

FEATURES = 5
Z = np.linspace(-0.9, 1.1, FEATURES)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# The activations as their papers write them; gelu in its tanh form (Hendrycks and Gimpel 2016, section 2).
FORMULAS = {
    "tanh": np.tanh,
    "sin": np.sin,
    "swish": lambda z: z * sigmoid(z),
    "gelu": lambda z: 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))),
    "softplus": lambda z: np.log1p(np.exp(z)),
    "sigmoid": sigmoid,
}


def layers(params):
    """(W, b) of each layer, in the order in which they were made."""
    made = params["params"]
    return [tuple(np.asarray(made[f"Dense_{k}"][part]) for part in ("kernel", "bias")) for k in range(len(made))]


def mlp_formula(z, made, a):
    *hidden, (W, b) = made
    for V, c in hidden:
        z = a(z @ V + c)
    return (z @ W + b)[0]


def modified_mlp_formula(z, made, a):
    (WU, bU), (WV, bV), *hidden, (W, b) = made
    U, V = a(z @ WU + bU), a(z @ WV + bV)
    h = z
    for K, c in hidden:
        Z = a(h @ K + c)
        h = (1 - Z) * U + Z * V
    return (h @ W + b)[0]


def count(width, depth, encodings):
    """Weights and biases: `encodings` more maps of the input, `depth` hidden layers, one output."""
    return (1 + encodings) * (FEATURES + 1) * width + (depth - 1) * (width + 1) * width + width + 1


# option → class, formula, encodings
TABLE = {"mlp": (MLP, mlp_formula, 0), "modified_mlp": (ModifiedMLP, modified_mlp_formula, 2)}

DRAWN = "random_features"
LAYERED = list(TABLE)


@pytest.fixture(params=LAYERED)
def entry(request):
    return TABLE[request.param]


def key(seed=0):
    """A key whose generator compiles quickly."""
    return jax.random.key(seed, impl="unsafe_rbg")


def start(network, seed=0):
    return jax.jit(network.init)(key(seed), jnp.asarray(Z))


def size(network):
    shapes = jax.eval_shape(network.init, jax.random.key(0), jnp.asarray(Z))
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


@pytest.mark.parametrize("name", FORMULAS)
def test_network_is_its_formula(entry, name):
    make, formula, _ = entry
    network = make(7, 3, name, 1.0)
    params = random_params(network, FEATURES)
    # Sums of at most 8 products of size one, through four layers.
    expected = formula(Z, layers(params), FORMULAS[name])
    np.testing.assert_allclose(
        network.apply(params, jnp.asarray(Z)), expected, rtol=0, atol=200 * np.finfo(float).eps
    )


def test_formulas_name_every_activation():
    assert set(FORMULAS) == set(ACTIVATIONS)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_is_twice_differentiable(name):
    """Its first two derivatives are those of the formula, by central differences, and they jump nowhere."""
    a, z = activation(name), np.linspace(-4, 4, 161)  # 0 among them
    for derivative, below in ((jax.grad(a), FORMULAS[name]), (jax.grad(jax.grad(a)), jax.vmap(jax.grad(a)))):
        h = 1e-5
        differences = (below(z + h) - below(z - h)) / (2 * h)
        # h²/6 of a third derivative below 5, and eps/h.
        np.testing.assert_allclose(jax.vmap(derivative)(z), differences, atol=1e-9)


@pytest.mark.parametrize(("width", "depth"), [(1, 1), (4, 1), (6, 3)])
def test_parameters_are_as_many_as_the_formula_says(entry, width, depth):
    make, _, encodings = entry
    assert size(make(width, depth)) == count(width, depth, encodings)


@pytest.mark.parametrize("option", LAYERED)
def test_the_default_has_the_sizes_of_its_yaml(option):
    network = built("model", option, "model.width=9", "model.depth=2")
    assert size(network) == count(9, 2, TABLE[option][2])


def test_output_layer_is_linear(entry):
    """Scaling the last layer scales N, far beyond what any bounded activation would let through."""
    network = entry[0](6, 2, "tanh", 1.0)
    params = random_params(network, FEATURES)
    last = f"Dense_{len(params['params']) - 1}"
    layer = jax.tree.map(lambda leaf: 1e6 * leaf, params["params"][last])
    scaled = {"params": {**params["params"], last: layer}}
    value = network.apply(params, jnp.asarray(Z))
    assert abs(value) > 1e-3
    np.testing.assert_allclose(network.apply(scaled, jnp.asarray(Z)), 1e6 * value, rtol=1e-12)


def test_output_scale_is_a_factor_on_the_start(entry):
    small, large = entry[0](6, 2, "tanh", 0.01), entry[0](6, 2, "tanh", 1.0)
    expected = 0.01 * large.apply(start(large), jnp.asarray(Z))
    np.testing.assert_allclose(small.apply(start(small), jnp.asarray(Z)), expected, rtol=1e-13)


def test_parameters_and_values_have_the_precision(entry, precision):
    network = entry[0](4, 2)
    params = start(network)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(params)} == {precision}
    assert network.apply(params, jnp.asarray(Z, float)).dtype == precision


def test_start_follows_the_seed(entry):
    initialise = jax.jit(entry[0](4, 2).init)
    one, same, other = (jax.tree.leaves(initialise(key(seed), jnp.asarray(Z))) for seed in (1, 1, 2))
    for a, b, c in zip(one, same, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.any(np.asarray(a) == np.asarray(c)) or not np.any(a)  # biases of the output start at zero


def test_initial_weights_are_glorot_normal(entry):
    """Variance 2/(in + out) of 10,000 weights: its sampling error is √(2/10⁴) = 1.4 %, five of them 7 %."""
    network = entry[0](100, 2)
    params = jax.jit(network.init)(key(), jnp.zeros(100))
    made = layers(params)
    for W, b in made[:-1]:
        np.testing.assert_allclose(W.var(), 2 / 200, rtol=0.07)
        np.testing.assert_allclose(b.std(), 0.1, rtol=0.4)  # a hundred of them


@pytest.mark.parametrize(
    ("option", "value"), [("width", 0), ("width", -3), ("depth", 0), ("width", 2.5), ("depth", True)]
)
def test_sizes_that_are_none_are_refused(entry, option, value):
    with pytest.raises(InputError, match=rf"model\.{option} is {value}: give a whole number"):
        entry[0](**{option: value})


def test_unknown_activation_lists_the_known_ones(entry):
    with pytest.raises(InputError, match=r"model\.activation is 'tahn': choose one of .*tanh"):
        entry[0](activation="tahn")


@pytest.mark.parametrize("name", FORMULAS)
def test_drawn_features_are_their_formula(name):
    """With one output weight at a time a network shows its features; A and b follow from these at 1 + d points."""
    network = RandomFeatures(width=3, activation=name, seed=5)

    def features(z):
        return np.array([network.apply({"params": {"output": one}}, jnp.asarray(z)) for one in np.eye(3)])

    generator = np.random.default_rng(5)
    A, b = generator.uniform(-0.5, 0.5, (3, FEATURES)), generator.uniform(-0.5, 0.5, 3)
    np.testing.assert_allclose(features(Z), FORMULAS[name](A @ Z + b), rtol=0, atol=1e-14)


def test_drawn_features_start_at_zero_and_train_their_output_alone(precision):
    params = start(RandomFeatures(width=6))
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype.name), params) == {
        "params": {"output": ((6,), precision)}
    }
    assert not params["params"]["output"].any()


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
def test_drawn_weights_have_the_scale_and_follow_the_seed(distribution):
    """The features are nearly linear where A and b are tiny: their mean square over draws is that of A·z + b."""

    def slopes(seed, scale):
        network = RandomFeatures(width=2000, scale=scale, distribution=distribution, seed=seed)
        one = {"params": {"output": jnp.eye(2000)[0]}}
        rows = jax.vmap(lambda c: network.apply({"params": {"output": c}}, jnp.asarray(Z)))(jnp.eye(2000))
        assert network.apply(one, jnp.asarray(Z)) == rows[0]
        return np.asarray(rows)

    drawn = slopes(0, 1e-4)
    deviation = 1e-4 / np.sqrt(3) * np.sqrt(Z @ Z + 1)
    assert np.std(drawn) == pytest.approx(deviation, rel=0.06)  # four deviations of an estimate from 2000 draws
    np.testing.assert_allclose(slopes(0, 2e-4), 2 * drawn, rtol=1e-6)
    assert not np.array_equal(slopes(1, 1e-4), drawn)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("width", 0),
        ("width", 2.5),
        ("width", True),
        ("scale", 0),
        ("scale", "much"),
        ("seed", -1),
        ("distribution", "cauchy"),
        ("activation", "relu"),
    ],
)
def test_settings_of_drawn_features_that_are_none_are_refused(setting, value):
    with pytest.raises(InputError, match=f"model.{setting} is "):
        RandomFeatures(**{setting: value})


def test_the_yaml_of_drawn_features_has_their_defaults_and_the_seed_of_the_run():
    assert built("model", DRAWN) == RandomFeatures()
    assert built("model", DRAWN, "seed=3").seed == 3
