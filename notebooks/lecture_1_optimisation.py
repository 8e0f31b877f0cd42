# %% [markdown]
# # The lecture 1: optimisation
#
# *A tutorial; ten minutes to read. First of five notebooks that follow a lecture on the two things under a
# physics-informed network: optimisation, and differentiation.*
#
# We have some data and a model with unknown numbers in it. We say how wrong the model is by one number, and
# change the unknown numbers so that it falls. Nothing else happens when a network solves an equation.

# %% [markdown]
# ## Data, model, error
#
# The data are $x_n = 0, 1, \dots, 9$ and $y_n = 2 x_n$; the model is $\hat y = w x + b$; the error is
#
# $$E(w, b) = \frac{1}{N} \sum_n (w x_n + b - y_n)^2 .$$

# %%
import numpy as np

x_data = np.arange(10.0)
y_data = 2 * x_data


def error(w, b):
    return np.mean((w * x_data + b - y_data) ** 2)


print("at (0, 0):", error(0, 0), "   at (2, 0):", error(2, 0))

# %% [markdown]
# ## Which way is down?
#
# With one parameter and $L = \frac{1}{2} \sum_n (w x_n - y_n)^2$ the derivative can be written down:
#
# $$\frac{\partial L}{\partial w} = \frac{1}{2} \sum_n 2 (w x_n - y_n) x_n = \sum_n (w x_n - y_n) x_n .$$
#
# The package has its own differentiation. Below it is given the function alone, and has to find the same.

# %%
import pinn_ac.autodiff.numpy as anp
from pinn_ac.autodiff import grad


def loss(w):
    return 0.5 * anp.sum((w * x_data - y_data) ** 2)


for w in (0.0, 1.0, 1.5, 2.0, 3.0):
    by_hand = np.sum((w * x_data - y_data) * x_data)
    print(f"w = {w}:   by hand {by_hand:7.1f}   by the package {float(grad(loss)(w)):7.1f}")

# %% [markdown]
# ## Gradient descent
#
# Each step goes a little way downhill: $(w, b) \leftarrow (w, b) - \eta\, \nabla E$, with the learning rate
# $\eta$.


# %%
def gradient(w, b):
    wrong = w * x_data + b - y_data
    return np.array([np.mean(2 * wrong * x_data), np.mean(2 * wrong)])


def descend(rate, steps):
    path = [np.zeros(2)]
    for _ in range(steps):
        path.append(path[-1] - rate * gradient(*path[-1]))
    return np.array(path)


path = descend(rate=0.02, steps=1500)
for k in (0, 1, 2, 5, 10, 50, 200, 1500):
    w, b = path[k]
    print(f"step {k:4d}:  w = {w:8.6f}  b = {b:9.6f}  E = {error(w, b):.1e}")

# %% [markdown]
# $w \to 2$ and $b \to 0$: quickly down the steep direction of $E$, then slowly along the flat one. The picture
# shows both, with the line after a few steps beside it.

# %%
from pinn_ac.reporting.lessons import draw_descent

draw_descent(x_data, y_data, path, np.array([error(*one) for one in path]))

# %% [markdown]
# ## How large may a step be?
#
# $E$ is a quadratic, so its second derivatives $H$ are constant. Along an eigenvector of $H$ with eigenvalue
# $\lambda$ the distance to the minimum is multiplied by $1 - \eta \lambda$ in each step: it shrinks if
# $\eta < 2 / \lambda$. The largest eigenvalue limits the step, and the smallest one says how long it takes.

# %%
from pinn_ac.autodiff import hessian

H = np.array(hessian(lambda p: anp.mean((p[0] * x_data + p[1] - y_data) ** 2))(np.zeros(2)))
smallest, largest = np.linalg.eigvalsh(H)
print(f"eigenvalues {smallest:.3f} and {largest:.1f}: the rate must stay below {2 / largest:.4f}")
for rate in (0.02, 0.99 * 2 / largest, 1.01 * 2 / largest):
    print(f"rate {rate:.4f}:  E after 1500 steps = {error(*descend(rate, 1500)[-1]):.1e}")

# %% [markdown]
# The ratio of the two eigenvalues, the condition number, is what first-order methods suffer from. A method that
# knows $H$ does not: one Newton step, $-H^{-1} \nabla E$, is enough here.

# %%
step = -np.linalg.solve(H, gradient(0.0, 0.0))
print("condition number", round(largest / smallest, 1), "  one Newton step leads to", step.round(12) + 0.0)

# %% [markdown]
# The losses of physics-informed networks have condition numbers of 10⁶ and far more. This is why the package's
# best methods are Gauss–Newton and Levenberg–Marquardt, which know the second derivatives approximately, and why
# Adam needs so many steps.
#
# **Next**: [the three ways to differentiate](lecture_2_three_ways.ipynb). The same lesson as a command:
# `python scripts/lesson.py linear_regression`.
