# %% [markdown]
# # The lecture 5: the Allen–Cahn equation
#
# *A tutorial; fifteen minutes to read, and half a minute to run.*
#
# $$u_t - 0.0001\, u_{xx} + 5 u^3 - 5 u = 0, \qquad u(0, x) = x^2 \cos \pi x, \qquad u \text{ and } u_x
# \text{ periodic on } [-1, 1] .$$
#
# Everything is ready: a network is the model, the **residual** $f(t, x) = u_t - 0.0001\, u_{xx} + 5u^3 - 5u$ is
# what is wrong with it, and the loss is its mean over many points,
#
# $$L = \frac{1}{N} \sum_{i=1}^{N} |f(t^i, x^i)| .$$
#
# There are no data. A network whose residual is zero everywhere, with the right start and the right ends, is the
# solution.

# %% [markdown]
# ## By hand
#
# The field below has the initial condition and the period built in:
# $u = x^2 \cos \pi x + t N(t, \cos \pi x, \sin \pi x)$ with a network $N$ of twelve hidden units. Its derivatives
# come from the package's forward mode, nested for $u_{xx}$; the gradient of $L$ from its reverse mode over them.

# %%
import inspect

from pinn_ac.lessons import allen_cahn

for part in (allen_cahn.field, allen_cahn.differentiate, allen_cahn.residual, allen_cahn.loss):
    print(inspect.getsource(part))

# %%
training = allen_cahn.train()
print(f"L before {training.losses[0]:.3f}, after {len(training.losses) - 1} steps {training.losses[-1]:.3f}")

# %%
import jax
import numpy as np

from pinn_ac.reporting.lessons import draw_residuals

t, x = allen_cahn.points(64)
f = jax.jit(allen_cahn.residual)
before, after = (np.abs(f(p, t, x)).reshape(64, 64) for p in (training.before, training.after))
draw_residuals(before, after, training.losses)

# %% [markdown]
# The loss falls, and the field is nowhere near a solution. Three things stand in the way, and each has its cure.
#
# | what is hard | what helps |
# |---|---|
# | the condition number (lecture 1) | methods that know second derivatives: Gauss–Newton, Levenberg–Marquardt |
# | the kink of $u_0$ at $x = \pm 1$, which no smooth network has | an ansatz that begins with its heat flow |
# | the reaction: an early error grows by up to $e^5$ | an ansatz with the reaction's exact flow; windows of time |
#
# ## To a tolerance
#
# `fit` has all of it. One gives the error that one can accept; the run ends when its own estimate, which needs no
# reference, is below it.

# %%
import pinn_ac

solution = pinn_ac.fit(pinn_ac.AllenCahn(), tolerance=1e-6, progress=False)
print(solution)

# %% [markdown]
# Is it true? The package has a spectral solver that shares nothing with the network, and checks itself by
# refinement.

# %%
print(f"estimated without a reference: {float(solution.estimate()):.1e}")
print(f"measured against the reference: {solution.error():.1e}")

# %%
solution.plot()

# %% [markdown]
# A solution is a function, exactly differentiable. It satisfies the equation where no training point was:

# %%
found = solution.derivatives(0.37, 0.123, orders=("u", "t", "xx", "residual"))
by_hand = found["t"] - 1e-4 * found["xx"] + 5 * found["u"] ** 3 - 5 * found["u"]
print({name: float(f"{value:.3g}") for name, value in found.items()})
print(f"the residual, put together by hand: {by_hand:.3g}")

# %% [markdown]
# **How it works**: [the ansatz](../docs/method.md), [the march](../docs/march.md), [errors and
# estimates](../docs/errors.md). **The lecture's own objective** on a larger network:
# `python scripts/train.py experiment=lecture`.
