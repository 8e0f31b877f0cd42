"""Gradient norms: terms are weighed so that their gradients have one length."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax

from pinn_ac.errors import require
from pinn_ac.weighting.balancing import Balancing, Numbers, shared_out
from pinn_ac.weighting.weighting import Measured

RULES = ("mean", "sum", "residual", "largest")
TERM = "residual"


@dataclass(frozen=True)
class GradientNorm(Balancing):
    """Weights by the norms of the terms' gradients (Wang, Sankaran, Wang and Perdikaris 2023, arXiv:2308.08469).

    With G_k = ‖∂L_k/∂params‖₂, L_k the mean of term k without `loss.weights`, and K terms,

        λ̂_k = (1/K) Σ_j G_j / (G_k + 10⁻⁵ Ḡ),    λ_k ← m λ_k + (1 − m) λ̂_k,

    every 1000 steps from the first, with m = 0.9 and λ_k = 1 at the start; Ḡ is the mean of the G_k, whose 10⁻⁵ keeps
    the weight of a vanishing term finite. No gradient goes through λ. The loss is Σ_k weight_k λ_k L_k: the published
    settings have `loss.weights.initial=1`. After causal weights (`weighting=causal_gradient_norm`) the G of the
    residual is that of its causally weighted mean, as published.

    `rule` says how λ̂_k follows from the gradients:

    - "mean": as above, the code published with the paper (jaxpi);
    - "sum": Σ_j G_j in place of the mean, the paper's formula, which multiplies the whole loss by K;
    - "residual": λ̂_k = G_residual/(G_k + 10⁻⁵ Ḡ), so the residual keeps weight 1, as the weight of the initial
      condition beside vRBA (arXiv:2509.14198);
    - "largest": λ̂_k = max|∂L_residual/∂params| / mean|∂L_k/∂params|, and 1 for the residual: the learning-rate
      annealing of Wang, Teng and Perdikaris 2020, arXiv:2001.04536, with `every=10`. Its published code divides by
      the gradient of the weighted term and leaves biases out, so its fixed point is another.

    jaxpi renews after a step of the optimizer, here it is before. Published for the problem of docs/methods.md, with
    causal weights, Fourier features and weight factorisation: relative L2 error 5.84e-4, and 7.51e-3 without these
    weights.

    Args:
        momentum: m in [0, 1).
        every: steps from one renewal to the next.
        rule: "mean", "sum", "residual" or "largest".

    Raises:
        InputError: a number out of range, or an unknown rule.

    Example:
        >>> annealed = GradientNorm(every=10, rule="largest")
    """

    rule: str = "mean"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.rule in RULES, f"weighting.rule is {self.rule!r}: choose one of {', '.join(RULES)}.")

    def targets(self, measured: Measured) -> Numbers:
        """Name of a term → λ̂_k, from the gradients of all terms."""
        gradients = {name: measured.gradient(name) for name in measured.terms}
        if self.rule == "largest":
            sizes = {name: _mean_size(gradient) for name, gradient in gradients.items()}
            found = shared_out(sizes, _largest_size(gradients[TERM]))
        else:
            sizes = {name: optax.tree.norm(gradient) for name, gradient in gradients.items()}
            total = sum(sizes.values())
            found = shared_out(sizes, {"mean": total / len(sizes), "sum": total, "residual": sizes[TERM]}[self.rule])
        if self.rule in ("residual", "largest"):
            found[TERM] = jnp.ones_like(found[TERM])
        return found


def _largest_size(gradient: object) -> jax.Array:
    return jnp.max(jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(gradient)]))


def _mean_size(gradient: object) -> jax.Array:
    leaves = jax.tree.leaves(gradient)
    return sum(jnp.sum(jnp.abs(leaf)) for leaf in leaves) / sum(leaf.size for leaf in leaves)
