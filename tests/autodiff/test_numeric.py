"""Central differences, and the check made of them."""

import jax.numpy as jnp
import numpy as onp
import pytest

import pinn_ac.autodiff.numpy as np
from pinn_ac import autodiff as ad


def test_the_error_of_a_central_difference_is_of_second_order():
    steps = [0.2, 0.1, 0.05, 0.025]
    errors = [abs(float(ad.central_difference(jnp.sin, 0.7, h)) - onp.cos(0.7)) for h in steps]
    orders = onp.log2(onp.array(errors[:-1]) / onp.array(errors[1:]))
    # The next term is h⁴: at h = 0.2 it moves the observed order by about h²/20·3/ln 2 < 0.01.
    assert onp.all(abs(orders - 2.0) < 0.01)


def test_a_direction_of_containers():
    f = lambda d: {"y": d["a"] * d["b"]}  # noqa: E731
    point = {"a": 2.0, "b": 3.0}
    assert float(ad.central_difference(f, point, 1e-3, {"a": 1.0, "b": 0.0})["y"]) == pytest.approx(3.0, rel=1e-10)


@pytest.mark.parametrize("modes", [("fwd",), ("rev",), ("fwd", "rev")])
def test_right_rules_pass(modes):
    f = lambda x, y: {"a": np.tanh(x @ y), "b": np.sum(np.exp(x)) * y}  # noqa: E731
    ad.check_grads(f, (jnp.linspace(-1, 1, 6).reshape(2, 3), jnp.array([0.3, 0.5, -0.2])), order=2, modes=modes)


def test_modes_are_two_words():
    wrong = lambda x: np.sin(x) + 1e-3 * (x - ad.stop_gradient(x))  # noqa: E731
    with pytest.raises(AssertionError, match="fwd derivative"):
        ad.check_grads(wrong, (0.4,), order=1, modes="fwd")
    for modes in ("forward", ("fwd", "reverse"), ()):
        with pytest.raises(ValueError, match="give 'fwd', 'rev' or both"):
            ad.check_grads(np.sin, (0.4,), order=1, modes=modes)


def test_float32_has_its_own_tolerance():
    ad.check_grads(lambda x: np.sin(x) * x, (jnp.linspace(0.1, 1, 5, dtype=jnp.float32),), order=1)


def test_a_wrong_function_does_not_pass():
    wrong = lambda x: np.sin(x) + 1e-3 * (x - ad.stop_gradient(x))  # noqa: E731
    with pytest.raises(AssertionError, match="fwd derivative"):
        ad.check_grads(wrong, (0.4,), order=1)
    with pytest.raises(TypeError, match="real floating-point"):
        ad.check_grads(np.sin, (1,), order=1)
