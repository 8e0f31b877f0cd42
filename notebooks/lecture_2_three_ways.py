# %% [markdown]
# # The lecture 2: three ways to differentiate
#
# *A tutorial; ten minutes to read.*
#
# 1. **symbolic**: a formula from a formula, $x^2 \to 2x$;
# 2. **numerical**: two evaluations, $\frac{u(x+h) - u(x-h)}{2h}$;
# 3. **automatic**: the chain rule with numbers, operation by operation.
#
# One function shows what each is good for: $u(x) = e^{\sin x^2}$ at $x = 1.2$.

# %%
import jax

import pinn_ac.autodiff.numpy as np

jax.config.update("jax_enable_x64", True)  # JAX's numbers have seven digits, unless it is told otherwise
X = 1.2


def u(x):
    return np.exp(np.sin(x**2))


# %% [markdown]
# ## Symbolic
#
# Sympy knows the rules. The formula is exact, and it grows: a network's derivative would fill pages.

# %%
import sympy

x = sympy.Symbol("x")
formula = sympy.exp(sympy.sin(x**2))
for order in (1, 2, 3):
    print(f"u^({order}) =", sympy.diff(formula, x, order))
exact = sympy.diff(formula, x).evalf(30, subs={x: sympy.Float(X, 40)})
print("\nu'(1.2) =", exact)

# %% [markdown]
# ## Numerical
#
# The central difference needs nothing but values. Its error has two sources:
#
# $$\frac{u(x+h) - u(x-h)}{2h} = u'(x) + \frac{h^2}{6} u'''(x) + \dots \quad \text{and rounding, about} \quad
# \frac{\varepsilon |u|}{h} .$$
#
# A large $h$ suffers from the first, a small one from the second.

# %%
for h in (1e-1, 1e-3, 1e-5, 1e-8, 1e-13):
    difference = (float(u(X + h)) - float(u(X - h))) / (2 * h)
    print(f"h = {h:.0e}:  {difference:.15f}   error {abs(difference - float(exact)):.0e}")

# %% [markdown]
# ## Automatic
#
# No $h$, and no formula: each operation passes on its value together with its derivative.

# %%
from pinn_ac.autodiff import derivative, grad

for way, found in (("forward", derivative(u)(X)), ("reverse", grad(u)(X))):
    print(f"{way}:  {float(found):.15f}   error {abs(float(found) - float(exact)):.0e}")

# %% [markdown]
# ## All three in one picture

# %%
from pinn_ac.lessons.three_ways import differentiate
from pinn_ac.reporting.lessons import draw_error_against_step

ways = differentiate()
automatic = max(abs(ways.forward - ways.exact), abs(ways.reverse - ways.exact))
draw_error_against_step(ways.steps, ways.errors, ways.third, float(u(X)), automatic)

# %% [markdown]
# The best difference has lost five of sixteen digits, and the error of a *second* difference is worse still:
# rounding is divided by $h^2$ there. A residual contains $u_{xx}$, so an error of 1e-12 would be out of reach.
# Automatic differentiation is at rounding for every order.
#
# **Next**: [the two directions of the chain rule](lecture_3_two_directions.ipynb). The same lesson as a command:
# `python scripts/lesson.py three_ways`.
