"""Features of other forms, for the ablation: local in x, and behind two drawn layers. A march does without both."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.marching import Kernel, Piece
from pinn_ac.marching.kernel import Prepared
from pinn_ac.marching.lift import Lift
from pinn_ac.marching.window import WindowProblem, draw_features

INSIDE = 0.3
"""The weight from which on a point counts as one of a patch, where its features are shifted and evened out."""
OVERLAP = 2.0
"""From its centre to the next one a patch's weight falls by e^−`OVERLAP`, before all are made to add up to one."""


class OtherFeatures(Kernel):
    """A kernel whose features have another form, given by `phi`."""

    def field_values(self, lift: Lift, piece: Piece, t: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """By way of the jets of N, which need no program of their own."""
        return self.values(lift, piece, t, columns)[0]


@dataclass(frozen=True, eq=False)
class InPatches(OtherFeatures):
    """φ_k = w_p(ξ) tanh(A_k·z + b_k), p = k modulo `patches`: local features, by a partition of unity Σ_p w_p = 1.

    w_p is proportional to exp(κ (cos π(ξ − ξ_p) − 1)), which is analytic and periodic, with centres ξ_p evenly spaced
    over the period. In an even field it is the sum of this and its mirror image, with centres in [0, 1].
    The weights are further features z of a point; A has a further column for each, with a 1 where k has this patch.

    Sources: locELM, S. Dong and Z. Li, Comput. Methods Appl. Mech. Eng. 387 (2021) 114129; the random feature method,
    J. Chen, X. Chi, W. E and Z. Yang, J. Mach. Learn. 1 (2022) 268–298.

    Args:
        patches: their number.
    """

    patches: int = 3

    @cached_property
    def inputs(self) -> int:
        """Those of the field, and the weights."""
        return self.field.features + self.patches

    @cached_property
    def _centres(self) -> np.ndarray:
        return np.linspace(0, 1, self.patches) if self.even else np.linspace(-1, 1, self.patches, endpoint=False)

    def partition(self, xi: jax.Array) -> jax.Array:
        """w(ξ), (patches,), at one ξ."""
        kappa = OVERLAP / (1 - np.cos(np.pi * (self._centres[1] - self._centres[0])))
        images = (self._centres, -self._centres) if self.even else (self._centres,)
        weights = sum(jnp.exp(kappa * (jnp.cos(jnp.pi * (xi - centres)) - 1)) for centres in images)
        return weights / jnp.sum(weights)

    @cached_property
    def _partitions(self) -> Any:
        def weights(t, x):
            return self.partition(self.field.problem.to_unit(x))

        return jax.jit(jax.vmap(lambda t, x: self.engine(weights, t, x, self.orders)))

    def prepared(self, lift: Lift, times: np.ndarray, x: np.ndarray, derivatives: np.ndarray) -> Prepared:
        """The points, whose features have the weights too."""
        points = super().prepared(lift, times, x, derivatives)
        weights: Mapping[str, jax.Array] = self._partitions(points.t, points.x)
        z = {name: jnp.concatenate([values, weights[name]], axis=1) for name, values in points.z.items()}
        return points._replace(z=z)

    def phi(self, A: jax.Array, b: jax.Array, z: jax.Array) -> jax.Array:
        """φ(z), (K,)."""
        d = self.field.features
        return (A[:, d:] @ z[d:]) * jnp.tanh(A[:, :d] @ z[:d] + b)


class InPatchesDrawn(WindowProblem):
    """A window of :class:`InPatches`, whose features are drawn for each patch from the points in it."""

    def drawn_features(self, z: np.ndarray, units: int, generator: np.random.Generator) -> tuple[Any, Any]:
        """A, with the patches of the features in its last columns, and b."""
        d = self.kernel.field.features
        A, b = np.zeros((units, z.shape[1])), np.zeros(units)
        for p, weights in enumerate(z[:, d:].T):
            here = slice(p, units, z.shape[1] - d)
            A[here, :d], b[here] = draw_features(z[weights > INSIDE, :d], len(b[here]), self.settings, generator)
            A[here, d + p] = 1
        return A, b


@dataclass(frozen=True, eq=False)
class TwoLayers(OtherFeatures):
    """φ_k = tanh(B_k·h + b_k) with h = tanh(A z + a): two drawn layers.

    A piece's A has the rows B_k in its first `width` columns; the first `width` rows of the others have A and a.

    Args:
        width: of h.
    """

    width: int = 64

    @cached_property
    def inputs(self) -> int:
        """Columns of a piece's A."""
        return self.width + self.field.features + 1

    def phi(self, A: jax.Array, b: jax.Array, z: jax.Array) -> jax.Array:
        """φ(z), (K,)."""
        first = A[: self.width, self.width :]
        return jnp.tanh(A[:, : self.width] @ jnp.tanh(first[:, :-1] @ z + first[:, -1]) + b)


class TwoLayersDrawn(WindowProblem):
    """A window of :class:`TwoLayers`; what comes into either layer is shifted and partly evened out."""

    def drawn_features(self, z: np.ndarray, units: int, generator: np.random.Generator) -> tuple[Any, Any]:
        """A of both layers, and b of the second one."""
        width = self.kernel.inputs - z.shape[1] - 1
        first, a = draw_features(z, width, self.settings, generator)
        second, b = draw_features(np.tanh(z @ first.T + a), units, self.settings, generator)
        A = np.zeros((units, self.kernel.inputs))
        A[:, :width], A[:width, width:-1], A[:width, -1] = second, first, a
        return A, b
