# %% [markdown]
# # A method of your own
#
# *A tutorial; fifteen minutes to read, a minute to run.*
#
# A method is a small object with a fixed interface, and `fit` takes yours as it takes ours. Here are three, of 15
# lines each: a **weighting**, a **sampler** and an **optimizer**. They are compared with a plain network over
# three seeds, against the true solution.

# %% [markdown]
# ## The problem, and the plain network
#
# An Allen–Cahn equation that is kind enough for a thousand steps of Adam on a small network:

# %%
import pinn_ac
from pinn_ac.ansatz import Lifted
from pinn_ac.models import MLP, Periodic
from pinn_ac.optimizers import Adam
from pinn_ac.sampling import LatinHypercube

problem = pinn_ac.AllenCahn(diffusivity=1e-2, reaction_rate=3)
plain = {
    "network": MLP(width=16, depth=2),
    "embedding": Periodic(modes=3),
    "ansatz": Lifted(),
    "sampler": LatinHypercube(512),
    "optimizer": Adam(learning_rate=3e-3, steps=1000),
    "windows": 1,
    "progress": False,
}


def errors(**changes):
    """The true relative L2 errors of three seeds."""
    return sorted(pinn_ac.fit(problem, **plain | changes, seed=seed).error() for seed in (0, 1, 2))


found = {"plain": errors()}
print([f"{error:.3f}" for error in found["plain"]])

# %% [markdown]
# ## A weighting
#
# While $u$ is near 0 the reaction makes an error grow like $e^{Rt}$, so what goes wrong early matters most. A
# weighting gives each point a factor; this one gives it $e^{-\gamma t}$, scaled to the mean 1. (It needs no
# state. One that follows the training keeps a pytree of arrays, which checkpoints save; `measured` offers the
# residuals, the losses and the gradients of each term.)

# %%
from dataclasses import dataclass

import jax.numpy as jnp


@dataclass(frozen=True)
class EarlyFirst:
    """Weights ∝ exp(−rate · t): what is early counts more."""

    rate: float = 6.0

    def init(self, points, seed=0):
        return ()

    def renew(self, state, points):
        return state

    def update(self, state, measured, points):
        weights = jnp.exp(-self.rate * points["residual"][:, 0])  # columns t and x
        return state, {"residual": weights / jnp.mean(weights)}

    def figures(self, state):
        return {}


found["weighting"] = errors(weighting=EarlyFirst())
print([f"{error:.3f}" for error in found["weighting"]])

# %% [markdown]
# ## A sampler
#
# The same idea by other means: more points at early times. A sampler gives points of the unit square, and the
# package maps them to the problem, draws anew as training goes on, and keeps seeds and resuming in order.

# %%
from pinn_ac.sampling import Sampler


@dataclass(frozen=True)
class NearStart(Sampler):
    """Uniform in x; the density of t is greatest at the start."""

    power: float = 2.0

    def unit_points(self, count, dimension, generator):
        points = generator.random((count, dimension))
        points[:, 0] **= self.power
        return points


found["sampler"] = errors(sampler=NearStart(num_points=512))
print([f"{error:.3f}" for error in found["sampler"]])

# %% [markdown]
# ## An optimizer
#
# Every gradient transformation of optax's is a few lines: Lion (Chen et al. 2023, arXiv:2302.06675), for example.
# `rates()` is the schedule of the learning rate, with all its settings.

# %%
from typing import ClassVar

import optax

from pinn_ac.optimizers.first_order import FirstOrder


@dataclass(frozen=True)
class Lion(FirstOrder):
    """Lion: the sign of a mean of gradients."""

    b1: float = 0.9
    b2: float = 0.99
    name: ClassVar[str] = "lion"

    def transformation(self):
        return optax.lion(self.rates(), b1=self.b1, b2=self.b2)


found["optimizer"] = errors(optimizer=Lion(learning_rate=1e-3, steps=1000))
print([f"{error:.3f}" for error in found["optimizer"]])

# %% [markdown]
# ## What came of it
#
# They combine, since each acts in its own place:

# %%
found["all three"] = errors(
    weighting=EarlyFirst(), sampler=NearStart(num_points=512), optimizer=Lion(learning_rate=1e-3, steps=1000)
)
print(f"{'':12} {'best':>8} {'median':>8} {'worst':>8}")
for name, (best, median, worst) in found.items():
    print(f"{name:12} {best:8.4f} {median:8.4f} {worst:8.4f}")

# %% [markdown]
# Three seeds on one easy problem show that the objects work. They do not show that a method is better: for that
# there is [comparing methods](comparing_methods.ipynb), with published settings, more seeds, and one clock.
#
# A setting that cannot be used is refused before anything is computed, by one sentence:

# %%
try:
    pinn_ac.fit(problem, **plain | {"sampler": NearStart(num_points=0)})
except pinn_ac.InputError as refused:
    print(refused)

# %% [markdown]
# ## To the command line
#
# A config of yours can name the class ([how](../docs/own_code.md)). To make it part of the package:
#
# | file | what goes there |
# |---|---|
# | `src/pinn_ac/weighting/early_first.py` | the class, its docstring with the equation, the settings and the source |
# | `src/pinn_ac/weighting/__init__.py` | its name |
# | `configs/weighting/early_first.yaml` | `_target_` and the settings, each with a comment |
#
# The shared tests find it by its YAML file, and so does this documentation: its settings get a table in the
# reference. What each kind of object has to offer is said by `help(pinn_ac.weighting.Weighting)`,
# `help(pinn_ac.sampling.Sampler)` and `help(pinn_ac.optimizers.Optimizer)`.
