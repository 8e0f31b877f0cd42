# %% [markdown]
# # The lecture 3: two directions
#
# *A tutorial; fifteen minutes to read.*
#
# The chain rule is a product, and a product can be multiplied from either end. One end is forward mode, the other
# is reverse mode, and which is cheaper depends on how many inputs and outputs there are.

# %% [markdown]
# ## Inside out, outside in
#
# $y = e^{\sin x^2}$ is $w_0 = x$, $w_1 = w_0^2$, $w_2 = \sin w_1$, $w_3 = e^{w_2}$, and
#
# $$\frac{dy}{dx} = \frac{dy}{dw_2} \cdot \frac{dw_2}{dw_1} \cdot \frac{dw_1}{dx}
# = e^{w_2} \cdot \cos w_1 \cdot 2 w_0 .$$

# %%
from pinn_ac.lessons import chain_rule

for factor in chain_rule.factors():
    print(f"{factor.name} = {factor.formula} = {factor.value:.6f}")
forward, reverse = chain_rule.products()
print("\nforward, from the inside out:", [f"{value:.6f}" for value in forward])
print("reverse, from the outside in:", [f"{value:.6f}" for value in reverse])

# %% [markdown]
# Both rows end with the same number. The numbers before it differ: on its way forward mode finds $dw_k/dx$, reverse
# mode $dy/dw_k$.

# %% [markdown]
# ## With two inputs: tangents and adjoints
#
# $y = x_1 x_2 + \sin x_1$ has a graph instead of a chain. A **tangent** sums over what a node is made of, an
# **adjoint** over what a node is used for:
#
# $$\dot w_i = \sum_j \frac{\partial w_i}{\partial w_j} \dot w_j , \qquad
# \bar w_j = \sum_i \bar w_i \frac{\partial w_i}{\partial w_j} .$$

# %%
import pinn_ac.autodiff.numpy as np
from pinn_ac.autodiff import trace
from pinn_ac.lessons.tables import tables


def product_plus_sine(x1, x2):
    return x1 * x2 + np.sin(x1)


print(tables(trace(product_plus_sine, 2.0, 5.0), letter="w", first=1))

# %% [markdown]
# ## Try it
#
# $$f(x_1, x_2) = \ln x_1 + x_1 x_2 - \sin x_2 \quad \text{at} \quad (2, 5).$$
#
# Take a pencil: draw the compute graph, write forward accumulation with $\dot x_1 = 1$, and write reverse
# accumulation. Then go on.


# %%
from pinn_ac.lessons.drawing import draw
from pinn_ac.reporting.graphs import draw_graph


def f(x1, x2):
    v1 = np.log(x1)
    v2 = x1 * x2
    v3 = np.sin(x2)
    v4 = v1 + v2
    return v4 - v3


graph = trace(f, 2.0, 5.0)
draw_graph(draw(graph), r"$y = \ln x_1 + x_1 x_2 - \sin x_2$")

# %%
print(tables(graph))

# %% [markdown]
# One forward sweep gave $\partial y / \partial x_1 = 5.5$, and $\partial y / \partial x_2$ would need another.
# One reverse sweep gave both, and the derivative with respect to *every* node besides.

# %% [markdown]
# ## A million inputs
#
# So forward mode costs one sweep for each input, reverse mode one for each output. Measured here for
# $y = \sum_i \ln x_i + x_i x_{i+1} - \sin x_{i+1}$, everything compiled:

# %%
from pinn_ac.lessons.every_node import measure

print("      n     y itself   y and gradient   gradient by")
print("                       by reverse mode  forward mode")
for n in (10, 1_000, 100_000):
    cost = measure(n)
    kind = "" if cost.forward_is_measured else "  (one direction, times n)"
    print(f"{n:7,d}  {cost.evaluation:.1e} s        {cost.reverse:.1e} s     {cost.forward:.1e} s{kind}")

# %% [markdown]
# A loss is one number, and a network has thousands of parameters: it is trained by reverse mode. A residual is
# differentiated in $t$ and $x$, two inputs: forward mode, or Taylor mode, which carries $u_t$, $u_x$ and $u_{xx}$
# along in one sweep.
#
# **Next**: [both modes from nothing](lecture_4_from_nothing.ipynb). The same lessons as commands, and one for a
# formula of your own: `python scripts/lesson.py try_it`,
# `python scripts/lesson.py trace "ln(x1) + x1*x2 - sin(x2)" x1=2 x2=5`.
