"""One table for all engines: known derivatives of any order, activations, every kind of field, prepared points."""

import itertools
from functools import cache

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from composed import built, options
from fields import a_field
from pinn_ac.ansatz import ReactionFlow
from pinn_ac.derivatives import JaxJvp, order_of
from pinn_ac.errors import InputError
from pinn_ac.models import MLP, ModifiedMLP, RandomFeatures
from pinn_ac.models.layers import ACTIVATIONS, activation
from pinn_ac.problem import AllenCahn, Fourier, Sine, XSquaredCosine
from pinn_ac.residual import differentiate, prepare

ENGINES = options("derivatives")
SECOND = ("t", "x", "xx")
HIGH = ("ttt", "xxx", "tx", "txx")
NETWORKS = {
    "mlp": MLP(5, 2, "tanh", 1.0),
    "modified_mlp": ModifiedMLP(4, 1, "sin", 1.0),
    "random_features": RandomFeatures(6),
}
EMBEDDINGS = ("periodic", "splitting")
"""Other options of the embedding are settings of these."""
KINDS = list(itertools.product(options("ansatz"), EMBEDDINGS, options("model")))
# Between them these have every ansatz, embedding and network, and both precisions; the others are slow tests.
QUICK = [
    (("reaction_flow", "splitting", "modified_mlp"), "float64"),
    (("lifted", "periodic", "mlp"), "float32"),
    (("soft", "splitting", "mlp"), "float32"),
]
HEAVY = (("reaction_flow", "splitting", "modified_mlp"), "float64")
"""It runs before a change lands: the longest of the three to compile, by every engine."""


def mark_of(kind, name):
    """None for what `make test` runs."""
    if (kind, name) == HEAVY:
        return pytest.mark.landing
    return () if (kind, name) in QUICK else pytest.mark.slow


FIELDS = [
    pytest.param(kind, name, id="-".join([*kind, name]), marks=mark_of(kind, name))
    for kind, name in itertools.product(KINDS, ("float64", "float32"))
]
CONDITION = {"even": XSquaredCosine(), "general": Fourier(0.1, (0.3,), (0.0, 0.5))}


@pytest.fixture(params=ENGINES)
def engine(request):
    return built("derivatives", request.param)


def at(engine, f, t, x, orders=SECOND):
    return jax.jit(jax.vmap(lambda t, x: engine(f, t, x, orders)))(t, x)


def points(count=40):
    """Random (t, x) that single precision holds exactly."""
    generator = np.random.default_rng(1)
    t, x = generator.uniform(0.02, 1, count), generator.uniform(-1, 1, count)
    return np.asarray(t, np.float32), np.asarray(x, np.float32)


def assert_close(found, expected, tolerance):
    """Each derivative within `tolerance` of the largest value that it takes."""
    assert set(found) == set(expected)
    for name, a in found.items():
        b = np.asarray(expected[name], float)
        largest = max(1.0, np.abs(b).max())
        np.testing.assert_allclose(np.asarray(a, float), b, rtol=0, atol=tolerance * largest, err_msg=name)


def known(t, x):
    """Polynomials, a decaying wave and a quotient, as a (2, 2) array."""
    wave = jnp.sin(3 * x + 1) * jnp.exp(-2 * t)
    return jnp.stack([x**3 * t**2 - 2 * x * t + 1, wave, t / (2 + x), jnp.cos(x * t) ** 2]).reshape(2, 2)


def known_derivatives(t, x):
    s, c, decay = np.sin(3 * x + 1), np.cos(3 * x + 1), np.exp(-2 * t)
    rows = {
        "u": (x**3 * t**2 - 2 * x * t + 1, s * decay, t / (2 + x), np.cos(x * t) ** 2),
        "t": (2 * x**3 * t - 2 * x, -2 * s * decay, 1 / (2 + x), -x * np.sin(2 * x * t)),
        "x": (3 * x**2 * t**2 - 2 * t, 3 * c * decay, -t / (2 + x) ** 2, -t * np.sin(2 * x * t)),
        "xx": (6 * x * t**2, -9 * s * decay, 2 * t / (2 + x) ** 3, -2 * t**2 * np.cos(2 * x * t)),
    }
    return {name: np.stack(row, -1).reshape(-1, 2, 2) for name, row in rows.items()}


def test_known_derivatives_of_an_array(engine, precision):
    t, x = points()
    found = at(engine, known, jnp.asarray(t, float), jnp.asarray(x, float))
    assert all(values.dtype == precision for values in found.values())
    # A dozen operations on numbers of size one, each off by half an eps, and at most doubled by differentiating.
    assert_close(found, known_derivatives(t.astype(float), x.astype(float)), 32 * np.finfo(precision).eps)


EXACT = {"wave": lambda m, t, x: m.sin(3 * x + 1) * m.exp(-2 * t), "quotient": lambda m, t, x: t**3 * x / (2 + x + t)}
"""Each as a function of the module that knows sine and exponential: JAX's, or mpmath of 50 digits."""


@cache
def fifty_digits(name):
    """Order → derivative at each of five points, by central differences in 50 digits."""
    f, found = EXACT[name], {}
    with mpmath.workdps(50):
        for order in ("u", *HIGH):
            times = order_of(order) if order != "u" else (0, 0)
            values = [mpmath.diff(lambda t, x: f(mpmath, t, x), (a, b), times) for a, b in five_points().tolist()]
            found[order] = np.array([float(value) for value in values])
    return found


def five_points():
    return np.array([[0.0, 0.3], [0.25, -0.5], [1.0, 0.0], [0.6, 1.0], [0.1, -0.9]])


def test_derivatives_of_any_order_are_those_of_fifty_digits(engine):
    """Of an array too, whose values are the functions of the table."""
    found = at(engine, lambda t, x: jnp.stack([f(jnp, t, x) for f in EXACT.values()]), *five_points().T, orders=HIGH)
    assert list(engine(lambda t, x: t * x, jnp.ones(()), jnp.ones(()), HIGH)) == ["u", *HIGH]
    for index, name in enumerate(EXACT):
        # A third derivative doubles the roundings of the quotient three times.
        assert_close({order: values[:, index] for order, values in found.items()}, fifty_digits(name), 1e-13)


@pytest.mark.parametrize("orders", [("xx",), ("t",), ("tx",), ("xt",), ()])
def test_what_is_not_asked_for_is_not_given(engine, orders):
    d = engine(lambda t, x: t**2 * x**3, jnp.float64(3.0), jnp.float64(5.0), orders)
    exact = {"u": 1125.0, "xx": 270.0, "t": 750.0, "tx": 450.0, "xt": 450.0}
    assert list(d) == ["u", *orders]
    assert all(jnp.shape(value) == () for value in d.values())
    for name, value in d.items():
        assert float(value) == pytest.approx(exact[name], rel=64 * np.finfo(float).eps)


@pytest.mark.parametrize("name", ["q", "", "tq", "u", "X", None, 2])
def test_a_name_of_no_derivative_is_refused(engine, name):
    with pytest.raises(InputError, match=r"is no derivative: write the axes that it is taken along, such as .*\.$"):
        engine(lambda t, x: t * x, jnp.ones(()), jnp.ones(()), ("t", name))


def test_a_function_of_one_variable_only(engine):
    """Its other derivatives are zeros, not missing."""
    t, x = jnp.float64(0.5), jnp.float64(2.0)
    # Taylor mode makes a power from a logarithm's recurrence, which rounds some twenty times.
    for f, expected in ((lambda t, x: x**2, [4.0, 0.0, 4.0, 2.0]), (lambda t, x: t**2, [0.25, 1.0, 0.0, 0.0])):
        found = list(engine(f, t, x, SECOND).values())
        np.testing.assert_allclose(np.asarray(found), expected, rtol=0, atol=128 * np.finfo(float).eps)
        mixed = engine(f, t, x, ("tx", "ttx"))
        assert mixed["tx"] == mixed["ttx"] == 0


def test_every_activation_by_every_engine(engine):
    x = jnp.asarray([-30.0, -3.0, -0.7, 0.0, 0.4, 2.0, 50.0])

    @jax.jit
    @jax.vmap
    def all_of_them(x):
        def known(a):
            return {"u": 2 * a(x), "t": a(x), "x": 2 * jax.grad(a)(x), "xx": 2 * jax.grad(jax.grad(a))(x)}

        two = jnp.asarray(2.0)
        functions = {name: activation(name) for name in ACTIVATIONS}
        return {name: (engine(lambda t, x, a=a: t * a(x), two, x, SECOND), known(a)) for name, a in functions.items()}

    for found, expected in all_of_them(x).values():
        assert_close(found, expected, 32 * np.finfo(float).eps)


def field_of(kind, condition):
    ansatz, embedding, model = kind
    # A kink in a thin layer takes few terms, hence little compiling.
    problem = AllenCahn(1e-6 if condition == "even" else 1e-3, initial_condition=CONDITION[condition])
    network = NETWORKS.get(model) or built("model", model, "model.width=4", "model.depth=1")
    return a_field(problem, built("embedding", embedding), network, built("ansatz", ansatz))


EDGES = [(t, x) for t in (0.0, 1e-9, 1e-5, 1e-2) for x in (1.0, -1.0, 1 - 1e-6, 1 - 1e-4, -0.99, 0.5, 0.0)]


@pytest.fixture
def restored():
    """Double precision again afterwards."""
    yield
    jax.config.update("jax_enable_x64", True)


@cache
def reference(kind):
    """The derivatives at random points and at the edges, by JAX's forward mode straight through the field."""
    field, params = field_of(kind, "general" if kind[2] == "mlp" else "even")
    everywhere = np.concatenate([np.column_stack(points()), EDGES])
    return {name: np.asarray(d) for name, d in at(JaxJvp(), lambda t, x: field(params, t, x), *everywhere.T).items()}


def on_prepared_points(field, engine, params, points):
    prepared = prepare(field, engine, points)
    return jax.vmap(lambda point: differentiate(field, engine, params, point))(prepared)


def directly(field, engine, params, points):
    orders = field.problem.orders
    return jax.vmap(lambda t, x: engine(lambda t, x: field(params, t, x), t, x, orders))(*points.T)


@pytest.mark.parametrize(("kind", "precision"), FIELDS)
def test_fields_directly_and_at_prepared_points(engine, kind, precision, restored):
    """All engines agree, and differentiating on the background's polynomial changes nothing.

    In double precision also on the kink, near it and at the start, where a second derivative is 10⁷ or the
    inverse of rounding itself; in single precision such numbers have no digit left.
    """
    field, params = field_of(kind, "general" if kind[2] == "mlp" else "even")
    exact, n = reference(kind), len(points()[0])
    jax.config.update("jax_enable_x64", precision == "float64")
    params = jax.tree.map(lambda leaf: leaf.astype(precision), params)
    everywhere = jnp.asarray(np.concatenate([np.column_stack(points()), EDGES]), precision)
    # The largest derivative is that of an interface of width e^{−5}: rounding x moves it by e^{10} eps at u_xx, of
    # which a share e^{−5} is seen beside u_xx itself; two dozen such roundings.
    tolerance = 24 * np.exp(5) * np.finfo(precision).eps
    # Straight through the field only where it is small, since compiling is what these tests cost.
    ways = [on_prepared_points, *([directly] if kind[1] == "periodic" else [])]
    for way in ways:
        found = jax.jit(lambda params, points, way=way: way(field, engine, params, points))(params, everywhere)
        assert set(found) == {"u", "t", "xx"}
        assert all(values.dtype == precision for values in found.values())
        inside, edges = (
            {name: values[part] for name, values in found.items()} for part in (slice(n), slice(n, None))
        )
        assert_close(inside, {name: exact[name][:n] for name in found}, tolerance)
        if precision == "float64":
            without_u_t = 2 if way is on_prepared_points else 0
            assert_close_at_edges(edges, {name: values[n:] for name, values in exact.items()}, without_u_t)


def assert_close_at_edges(found, exact, without_u_t):
    """The same terms in another order. Those of u_xx are products of first derivatives, or the field's curvature.

    At the kink itself and at t = 0, the first two edges, u_t does not exist: straight through the field it is 0 by
    the clamped width, and at prepared points D u_xx, with which the heat equation holds.
    """
    for name, a in found.items():
        assert np.isfinite(a).all(), name
        a, b = (values[without_u_t:] if name == "t" else values for values in (a, exact[name]))
        terms = 1 + np.abs(b) + exact["x"][-len(b) :] ** 2
        np.testing.assert_array_less(np.abs(np.asarray(a) - b) / terms, 1e4 * np.finfo(float).eps, err_msg=name)


D, R, AMPLITUDE = 0.02, 2.0, 0.6


def reaction_flow(m, tanh, t, x):
    """Φ(t, g + t N) of a sine, with N = tanh(1 + 2t − sin πx), by the functions of the module m."""
    wave = m.sin(m.pi * x)
    w = AMPLITUDE * m.exp(-D * m.pi**2 * t) * wave + t * tanh(1 + 2 * t - wave)
    decay = m.exp(-2 * R * t)
    return w / m.sqrt(decay + w**2 * (1 - decay))


OTHERS = ("t", "xxx", "tx", "tt")


@cache
def reaction_flow_in_fifty_digits():
    found = {}
    with mpmath.workdps(50):
        for order in ("u", *OTHERS):
            times = order_of(order) if order != "u" else (0, 0)
            values = [
                mpmath.diff(lambda t, x: reaction_flow(mpmath, mpmath.tanh, t, x), (a, b), times)
                for a, b in five_points().tolist()
            ]
            found[order] = np.array([float(value) for value in values])
    return found


class Other(AllenCahn):
    """Allen–Cahn's field with other derivatives, whatever they are for."""

    orders = OTHERS


@pytest.mark.landing
@pytest.mark.parametrize("way", [directly, on_prepared_points], ids=lambda way: way.__name__)
def test_a_field_has_the_derivatives_of_any_order_of_fifty_digits(engine, way):
    """The reaction flow of a sine, at t = 0 too, straight through the field and at prepared points."""

    class Features:
        def __call__(self, problem, t, x):
            return jnp.stack([1 + 2 * t, jnp.sin(jnp.pi * x)])

    problem = Other(D, R, initial_condition=Sine(AMPLITUDE))
    field, _ = a_field(problem, Features(), ansatz=ReactionFlow())
    field = field._replace(network=lambda params, z: jnp.tanh(z[0] - params * z[1]))
    found = jax.jit(lambda params, points: way(field, engine, params, points))(1.0, jnp.asarray(five_points()))
    # Φ takes its floor under e^{−2Rt} into account; third derivatives of size π³ carry a few hundred roundings.
    assert_close(found, reaction_flow_in_fifty_digits(), 1e-12)


@pytest.mark.parametrize("option", ENGINES)
def test_a_long_horizon_is_differentiated_too(option):
    """There the reaction flow may have a form of its own."""
    problem = AllenCahn(1e-3, horizon=6.0, initial_condition=CONDITION["general"])
    t, x = jnp.asarray([0.0, 0.5, 5.0]), jnp.asarray([0.1, -0.4, 0.7])

    def u(t, x):  # the network apart, which the other tests differentiate
        return built("ansatz", "reaction_flow").combine(problem, t, problem.lift(t, x), jnp.sin(x))

    assert_close(at(built("derivatives", option), u, t, x), at(JaxJvp(), u, t, x), 1e4 * np.finfo(float).eps)
