"""SOAP by its definition: Adam in rotated coordinates, whose second moment advances at every step."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from test_optimizers import flat, follow, linear

from pinn_ac.optimizers import SOAP
from pinn_ac.optimizers.soap import rotate, scale_by_soap
from pinn_ac.parallel import share_out

NEVER = 10**6
"""Steps between refreshes, more than there are."""


def gradients(shape, count):
    generator = np.random.default_rng(3)
    return [jnp.asarray(generator.standard_normal(shape)) for _ in range(count)]


def followed(transformation, state, given):
    """The state after these gradients, and every update."""
    update, updates = jax.jit(transformation.update), []
    for G in given:
        found, state = update(G, state)
        updates.append(found)
    return state, updates


@pytest.mark.parametrize("shape", [(), (4,), (3, 5), (2, 3, 4)])
def test_with_identity_bases_it_is_adam(shape):
    given = gradients(shape, 6)
    soap = scale_by_soap(0.9, 0.99, NEVER)
    state = soap.init(given[0])
    # After the first step, which sets the bases, the identity is put in their place.
    later = state._replace(steps=jnp.ones((), int))
    adam = optax.scale_by_adam(0.9, 0.99)
    _, expected = followed(adam, adam.init(given[0]), given)
    _, found = followed(soap, later, given)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)  # rounding; optax has b1ᵏ in double precision too


def test_in_its_bases_it_is_adam_on_rotated_gradients():
    """For parameters QX the method sees Q times the gradients, and must take Q times the steps."""
    given = gradients((3, 4), 5)
    soap, adam = scale_by_soap(0.9, 0.99, NEVER), optax.scale_by_adam(0.9, 0.99)
    state, first = followed(soap, soap.init(given[0]), given[:1])
    np.testing.assert_array_equal(first[0], 0)  # which prepares the bases alone
    U, _, Vt = np.linalg.svd(given[0])
    for Q, exact in zip(state.bases[0], (U, Vt.T), strict=True):
        common = np.abs(Q.T @ exact)[:3, :3]
        np.testing.assert_allclose(common, np.eye(3), atol=1e-7)  # eigenvectors of GGᵀ: as good as its gaps
    Q_L, Q_R = state.bases[0]
    turned = [Q_L.T @ G @ Q_R for G in given[1:]]
    _, expected = followed(adam, adam.init(turned[0]), turned)
    _, found = followed(soap, state, given[1:])
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, Q_L @ theirs @ Q_R.T, rtol=0, atol=1e-11)


@pytest.mark.parametrize("refresh_every", [1, 2, 3, NEVER])
def test_second_moment_of_constant_gradients(refresh_every):
    """(1 − b2ᵏ) G'² after k of them, whether or not the bases were refreshed in between."""
    (G,) = gradients((3, 5), 1)
    soap = scale_by_soap(0.9, 0.99, refresh_every)
    state = soap.init(G)
    update = jax.jit(soap.update)
    for k in range(8):
        _, state = update(G, state)
        # The bases are eigenvectors already, so that a refresh may only turn their signs. Where G' is zero it is
        # so up to rounding.
        expected = (1 - 0.99**k) * rotate(G, state.bases[0]) ** 2
        np.testing.assert_allclose(state.second[0], expected, rtol=1e-9, atol=1e-14)
    assert np.max(expected) > 0.1


def test_bases_become_eigenvectors():
    """Of constant factors, from any orthogonal matrices, and they stay orthogonal and in order."""
    generator = np.random.default_rng(0)
    G = jnp.asarray(np.linalg.qr(generator.standard_normal((3, 3)))[0] * np.array([4.0, 2.0, 1.0]))
    soap = scale_by_soap(0.9, 0.99, 1)
    start = soap.init(G)._replace(steps=jnp.ones((), int))  # from the identity
    state, _ = followed(soap, start, [G] * 40)
    for Q, product in zip(state.bases[0], (G @ G.T, G.T @ G), strict=True):
        np.testing.assert_allclose(Q.T @ Q, np.eye(3), atol=1e-14)
        # The iteration converges with the ratio of eigenvalues, 1/4: 4⁻⁴⁰ is below rounding.
        np.testing.assert_allclose(Q.T @ product @ Q, np.diag([16.0, 4.0, 1.0]), atol=1e-13)


def test_order_of_the_bases_is_that_of_the_second_moment():
    """Where the largest eigenvalue is in another place the columns of the bases and V are reordered alike."""
    soap = scale_by_soap(0.5, 0.5, 1)
    G = jnp.diag(jnp.asarray([1.0, 2.0, 3.0]))
    start = soap.init(G)._replace(steps=jnp.ones((), int))
    state, _ = followed(soap, start, [G])
    np.testing.assert_allclose(np.abs(state.bases[0][0]), np.eye(3)[:, ::-1], atol=1e-15)
    np.testing.assert_allclose(state.second[0], 0.5 * np.diag([9.0, 4.0, 1.0]), atol=1e-15)


def test_it_is_blind_to_rotations():
    """Parameters in rotated coordinates take the rotated path, which Adam's do not."""
    generator = np.random.default_rng(5)
    A, target = (jnp.asarray(generator.standard_normal((4, 4))) for _ in range(2))
    Q = jnp.asarray(np.linalg.qr(generator.standard_normal((4, 4)))[0])

    def path(transformation, start, gradient):
        state = transformation.init(start)
        update = jax.jit(lambda X, state: transformation.update(gradient(X), state))
        X = start
        for _ in range(8):
            step, state = update(X, state)
            X = X - 0.05 * step
        return X

    def gradient(X):
        return A.T @ (A @ X - target)

    for transformation, same in ((scale_by_soap(0.9, 0.99, 2), True), (optax.scale_by_adam(0.9, 0.99), False)):
        straight = path(transformation, jnp.eye(4), gradient)
        turned = path(transformation, Q, lambda X: Q @ gradient(Q.T @ X))
        # The second gradient is the first, and diagonal in its bases but for rounding, 1e-14, which Adam's 10⁻⁸ lets
        # through as 1e-6 of a step of 0.05.
        assert np.allclose(Q.T @ turned, straight, rtol=0, atol=1e-6) == same


def test_several_devices_take_the_steps_of_one():
    """Whose bases are those of the gradient over all points."""
    one, params, batch, _ = linear()
    shards = share_out(4)
    several = replace(one, shards=shards)
    divided = several.prepare(shards.divided({"residual": np.asarray(batch.terms["residual"].prepared)}))
    ends = []
    for objective, points in ((one, batch), (several, divided)):
        optimizer = SOAP(1e-2, "constant").build(objective)
        state, _ = follow(optimizer, objective.shards.replicated(params), points, 6)
        ends.append(flat(optimizer, state))
    np.testing.assert_allclose(*ends, rtol=1e-6)  # as in the test above, rounding over Adam's 10⁻⁸
    assert np.abs(ends[0] - 1).min() > 1e-3
