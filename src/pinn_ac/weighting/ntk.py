"""NTK weights: terms are weighed by the traces of their neural tangent kernels."""

from dataclasses import dataclass

import jax.numpy as jnp

from pinn_ac.weighting.balancing import Balancing, Numbers, shared_out
from pinn_ac.weighting.weighting import Measured


@dataclass(frozen=True)
class NTK(Balancing):
    """Weights by the neural tangent kernel (Wang, Yu and Perdikaris 2020, arXiv:2007.14527).

    Under gradient descent the residuals of term k decay at rates that are eigenvalues of its kernel JJᵀ, with J their
    Jacobian in the parameters. With the mean of its diagonal over the n_k points of the term,

        K_k = (1/n_k) Σ_i w_i ‖∂r_i/∂params‖²,
        λ̂_k = (1/K) Σ_j K_j / (K_k + 10⁻⁵ K̄),    λ_k ← m λ_k + (1 − m) λ̂_k,

    every 1000 steps from the first, with m = 0.9, λ_k = 1 at the start, K terms and K̄ the mean of the K_k: terms
    whose residuals decay slowly get large weights. w_i are the weights that the points have without this weighting,
    so after causal weights (`weighting=causal_ntk`) the diagonal is averaged in each chunk of time, multiplied by the
    chunk's weight and averaged over the chunks, as published. No gradient goes through λ. The loss is
    Σ_k weight_k λ_k L_k: the published settings have `loss.weights.initial=1`.

    The original paper has the sum Σ_j Tr K_j in place of the mean, which multiplies the whole loss, and traces, which
    for different numbers of points differ from these means. A renewal costs the gradient of every residual alone.

    Published for the problem of docs/methods.md with causal weights, float32: relative L2 error 5.37e-5 (modified
    MLP, jaxpi) and 2.24e-5 (PirateNet, arXiv:2402.00326).

    Args:
        momentum: m in [0, 1).
        every: steps from one renewal to the next.

    Raises:
        InputError: a number out of range.

    Example:
        >>> NTK(every=100).momentum
        0.9
    """

    def targets(self, measured: Measured) -> Numbers:
        """Name of a term → λ̂_k, from the diagonals of the kernels."""
        sizes = {name: jnp.mean(measured.weights(name) * measured.squared_row_norms(name)) for name in measured.terms}
        return shared_out(sizes, sum(sizes.values()) / len(sizes))
