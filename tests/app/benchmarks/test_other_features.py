"""The ablation's other features: their formulas, and their derivatives by JAX."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pinn_ac.app.benchmarks.other_features import InPatches, InPatchesDrawn, TwoLayers, TwoLayersDrawn
from pinn_ac.fitting import best_method, choose
from pinn_ac.problem import AllenCahn, Cosine, Fourier
from pinn_ac.setup import assemble

EVEN = AllenCahn(diffusivity=0.02, initial_condition=Cosine(), domain=(0.0, 3.0))
OTHER = AllenCahn(diffusivity=0.02, initial_condition=Fourier(0.1, (0.3,), (0.0, 0.2)))


def windows_of(problem, kernel, window):
    """The first window of a march on the problem, with features of this kernel."""
    own = assemble(choose(problem, None, None, 0, best_method(problem), tolerance=1e-3)).kernel
    return window(kernel(own.field, own.engine, own.gradient), own.field.problem.initial_condition, 0, 0, 256)


@pytest.mark.parametrize("problem", [EVEN, OTHER], ids=["even", "not even"])
def test_local_features_are_their_formula(problem):
    window = windows_of(problem, InPatches, InPatchesDrawn)
    field, partition = window.kernel.field, window.kernel.partition
    d = field.features

    def phi(A, b, z, xi):
        return partition(xi)[jnp.arange(len(b)) % 3] * jnp.tanh(A[:, :d] @ z + b)

    assert_derivatives(window, phi)
    xi = np.linspace(-1, 1, 7)
    w = jax.vmap(partition)(xi)
    np.testing.assert_allclose(w.sum(1), 1, rtol=1e-14)
    np.testing.assert_allclose(w[0], w[-1], rtol=1e-12)  # periodic
    assert (np.abs(w - w[::-1]).max() < 1e-12) == (problem is EVEN)
    at_centre = jax.vmap(partition)(jnp.asarray([0.0, 0.5, 1.0] if problem is EVEN else [-1.0, -1 / 3, 1 / 3]))
    np.testing.assert_array_equal(at_centre.argmax(1), range(3))


def test_two_layers_are_their_formula():
    def phi(A, b, z, xi):
        return jnp.tanh(A[:, :64] @ jnp.tanh(A[:64, 64:-1] @ z + A[:64, -1]) + b)

    assert_derivatives(windows_of(OTHER, TwoLayers, TwoLayersDrawn), phi)


def assert_derivatives(window, phi):
    """Those of the window's features are those of φ(A, b, z(t, x), ξ)."""
    points = window.prepared(0.1, 1.0, 512)
    A, b = window.drawn_features(np.asarray(points.z["u"]), 64, np.random.default_rng(1))
    assert A.shape == (64, window.kernel.inputs)
    found, field = window.kernel.features(SimpleNamespace(A=A, b=b), points), window.kernel.field

    def features(t, x):
        return phi(jnp.asarray(A), jnp.asarray(b), field.inputs(field.background(t, x)), field.problem.to_unit(x))

    chosen = np.array([0, 100, 511])
    exact = jax.jit(jax.vmap(lambda t, x: window.kernel.engine(features, t, x, window.kernel.orders)))(
        points.t[chosen], points.x[chosen]
    )
    assert set(found) == set(exact)
    for name, values in exact.items():
        np.testing.assert_allclose(found[name][chosen], values, rtol=1e-9, atol=1e-9 * np.abs(values).max())
