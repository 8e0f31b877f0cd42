# %% [markdown]
# # An inverse problem
#
# *A tutorial; ten minutes to read, a minute to run.*
#
# So far the equation was known, and the solution sought. Now somebody has measured $u$ at some places and times,
# with noise, and we want the **coefficients**: the diffusivity $D$ and the reaction rate $R$ of an Allen–Cahn
# equation, and how sure they are.

# %% [markdown]
# ## The data
#
# We make them, so that we know the truth: the spectral reference for $D = 10^{-3}$ and $R = 4$, seen at 200
# random points with normal noise of 0.01.

# %%
import numpy as np

import pinn_ac
from pinn_ac.reference import solve

truth = pinn_ac.AllenCahn(diffusivity=1e-3, reaction_rate=4.0)
seen = solve(truth, np.linspace(0.0, 1.0, 21), 64)
generator = np.random.default_rng(0)
row, column = generator.integers(1, 21, 200), generator.integers(0, 64, 200)
noise = 0.01 * generator.normal(size=200)
data = pinn_ac.Observations(t=seen.t[row], x=seen.x[column], u=seen.u[row, column] + noise)
print(len(data), "observations, the first three:", data.u[:3].round(3))

# %% [markdown]
# ## The coefficients
#
# The problem that is given has what is known: domain, horizon and initial condition. `unknown` names what is
# sought, with a guess that may be off by a factor of ten.

# %%
solution = pinn_ac.fit(
    pinn_ac.AllenCahn(),
    data=data,
    unknown={"diffusivity": 1e-4, "reaction_rate": 8.0},
    tolerance=1e-6,
    progress=False,
)
found = solution.inferred
for name, value, error in zip(found.names, found.found, found.standard_errors, strict=True):
    true = getattr(truth, name)
    print(f"{name}: {value:.3e} ± {error:.1e}, true {true:.3e}, off by {abs(value - true) / error:.1f} errors")
print(f"the noise, which nobody told: {found.noise:.4f}")

# %% [markdown]
# The estimate minimises the sum of squares
#
# $$\sum_i \left( u(t_i, x_i; D, R) - u_i \right)^2$$
#
# over solutions of the equation, and a network makes these solutions: each is trained to a tolerance far below
# the noise. The standard errors come from the sensitivities $\partial u / \partial \log \theta$ at the data, and
# attain the Cramér–Rao bound to first order in the noise. The result is a solution like any other:

# %%
print(f"u(0.5, 0.1) = {float(solution(0.5, 0.1)):.4f}")
assert np.all(np.abs(found.found - [truth.diffusivity, truth.reaction_rate]) < 4 * found.standard_errors)

# %% [markdown]
# ## What data cannot say
#
# Observations near the start have seen nothing of the equation yet. A fit would give numbers all the same; the
# package says that they mean nothing.

# %%
x = np.linspace(-0.9, 0.9, 50)
early = pinn_ac.Observations(t=np.full(50, 1e-3), x=x, u=x**2 * np.cos(np.pi * x), sigma=0.01)
lost = pinn_ac.fit(
    pinn_ac.AllenCahn(horizon=0.01), data=early, unknown={"diffusivity": 1e-4}, tolerance=1e-4, progress=False
)
print(lost.inferred.sentence())

# %% [markdown]
# More about it, on the command line too, and with an unknown initial condition: [inverse
# problems](../docs/inverse.md).
