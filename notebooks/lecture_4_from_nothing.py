# %% [markdown]
# # The lecture 4: both modes from nothing
#
# *A tutorial; twenty-five minutes to read.*
#
# Here is automatic differentiation in about 150 lines, without any library but Python's `math`: a graph, a table
# of rules, and two sweeps. It differentiates the lecture's examples and trains the lecture's regression. At the
# end it meets the package's engine, which is built in the same way, and we see where the two differ and why.

# %% [markdown]
# ## 1. The graph
#
# A computation is a list of **nodes** in the order in which they were computed, a Wengert list. A node knows its
# value, the operation that made it, and the nodes that it was made of. Python's operators make nodes, so that
# running a function once writes its list.

# %%
import math


class Node:
    """One line of the list: value = operation(values of the parents)."""

    def __init__(self, value, operation="input", parents=()):
        self.value, self.operation, self.parents = value, operation, parents

    def __add__(self, other):
        return apply("add", self, other)

    def __sub__(self, other):
        return apply("sub", self, other)

    def __mul__(self, other):
        return apply("mul", self, other)

    def __truediv__(self, other):
        return apply("div", self, other)

    def __neg__(self):
        return apply("neg", self)

    def __radd__(self, other):
        return apply("add", other, self)

    def __rsub__(self, other):
        return apply("sub", other, self)

    def __rmul__(self, other):
        return apply("mul", other, self)

    def __rtruediv__(self, other):
        return apply("div", other, self)


def apply(operation, *arguments):
    """A new node; numbers among the arguments become nodes too."""
    parents = tuple(one if isinstance(one, Node) else Node(float(one), "constant") for one in arguments)
    evaluate, _ = RULES[operation]
    return Node(evaluate(*(parent.value for parent in parents)), operation, parents)


def exp(a):
    return apply("exp", a)


def log(a):
    return apply("log", a)


def sin(a):
    return apply("sin", a)


def tanh(a):
    return apply("tanh", a)


# %% [markdown]
# ## 2. The table of rules
#
# Everything that is known about calculus stands in one table: for each operation its value, and the derivatives
# of the value with respect to its arguments. Both sweeps read the same table.

# %%
RULES = {
    "add": (lambda a, b: a + b, lambda v, a, b: (1.0, 1.0)),
    "sub": (lambda a, b: a - b, lambda v, a, b: (1.0, -1.0)),
    "mul": (lambda a, b: a * b, lambda v, a, b: (b, a)),
    "div": (lambda a, b: a / b, lambda v, a, b: (1 / b, -v / b)),
    "neg": (lambda a: -a, lambda v, a: (-1.0,)),
    "exp": (math.exp, lambda v, a: (v,)),
    "log": (math.log, lambda v, a: (1 / a,)),
    "sin": (math.sin, lambda v, a: (math.cos(a),)),
    "tanh": (math.tanh, lambda v, a: (1 - v * v,)),
}


def local_derivatives(node):
    """∂node/∂parent for each parent."""
    _, slopes = RULES[node.operation]
    return slopes(node.value, *(parent.value for parent in node.parents))


def ordered(output):
    """The nodes that the output is made of, each after its parents."""
    found, seen, stack = [], set(), [(output, False)]
    while stack:
        node, parents_are_done = stack.pop()
        if parents_are_done:
            found.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((parent, False) for parent in node.parents)
    return found


# %% [markdown]
# ## 3. Forward mode
#
# From the inputs to the output: $\dot w_i = \sum_j \frac{\partial w_i}{\partial w_j} \dot w_j$.


# %%
def jvp(function, point, direction):
    """The value, and the derivative along a direction: one sweep."""
    inputs = [Node(float(one)) for one in point]
    output = function(*inputs)
    tangents = {id(node): float(dot) for node, dot in zip(inputs, direction, strict=True)}
    for node in ordered(output):
        if node.parents:
            slopes = local_derivatives(node)
            tangents[id(node)] = sum(s * tangents[id(p)] for s, p in zip(slopes, node.parents, strict=True))
        else:
            tangents.setdefault(id(node), 0.0)
    return output.value, tangents[id(output)]


# %% [markdown]
# ## 4. Reverse mode
#
# From the output to the inputs: $\bar w_j = \sum_i \bar w_i \frac{\partial w_i}{\partial w_j}$. A node that is
# used twice gets two contributions, so they are added up.


# %%
def value_and_grad(function, point):
    """The value, and the derivatives with respect to all inputs: one sweep."""
    inputs = [Node(float(one)) for one in point]
    output = function(*inputs)
    adjoints = {id(output): 1.0}
    for node in reversed(ordered(output)):
        slopes = local_derivatives(node) if node.parents else ()
        for slope, parent in zip(slopes, node.parents, strict=True):
            adjoints[id(parent)] = adjoints.get(id(parent), 0.0) + adjoints[id(node)] * slope
    return output.value, [adjoints.get(id(node), 0.0) for node in inputs]


# %% [markdown]
# That is all. The lecture's exercise, $\ln x_1 + x_1 x_2 - \sin x_2$ at $(2, 5)$, has the value 11.652 and the
# derivatives 5.5 and 1.716:


# %%
def f(x1, x2):
    return log(x1) + x1 * x2 - sin(x2)


value, slopes = value_and_grad(f, (2, 5))
print(f"reverse: {value:.3f}, {slopes[0]:.3f}, {slopes[1]:.3f}   in one sweep")
print(f"forward: {jvp(f, (2, 5), (1, 0))[1]:.3f}, {jvp(f, (2, 5), (0, 1))[1]:.3f}   in two")

# %% [markdown]
# A test that can fail: central differences, of several functions at random points. A wrong sign in the table
# would show.

# %%
import random

random.seed(0)
FUNCTIONS = (
    f,
    lambda a, b: exp(sin(a * a)) / b,
    lambda a, b: tanh(a - 3 * b) * -a + 1 / (1 + exp(-b)),
)
worst = 0.0
for function in FUNCTIONS:
    for _ in range(20):
        a, b = random.uniform(0.5, 1.5), random.uniform(0.5, 1.5)
        _, (by_a, by_b) = value_and_grad(function, (a, b))
        along = jvp(function, (a, b), (0.6, -0.8))[1]
        h = 1e-5
        up, down = (jvp(function, (a + s * 0.6 * h, b - s * 0.8 * h), (0, 0))[0] for s in (1, -1))
        difference = (up - down) / (2 * h)
        worst = max(worst, abs(along - difference), abs(0.6 * by_a - 0.8 * by_b - along))
print(f"largest disagreement of forward, reverse and differences: {worst:.0e}")
assert worst < 1e-8  # rounding of the difference, about 1e-16 / 1e-5, times values of size ten

# %% [markdown]
# ## 5. The lecture's regression
#
# Data $x = 0, \dots, 9$ and $y = 2x$, model $\hat y = wx + b$, error $E = \frac{1}{N} \sum (\hat y - y)^2$, and
# gradient descent with our gradient.


# %%
def error(w, b):
    total = 0.0
    for n in range(10):
        wrong = w * n + b - 2 * n
        total = total + wrong * wrong
    return total / 10


w, b = 0.0, 0.0
for step in range(1501):
    value, (slope_w, slope_b) = value_and_grad(error, (w, b))
    if step in (0, 1, 2, 10, 100, 500, 1500):
        print(f"step {step:4d}:  w = {w:.6f}  b = {b:9.6f}  E = {value:.1e}")
    w, b = w - 0.02 * slope_w, b - 0.02 * slope_b

# %% [markdown]
# The package's lesson takes the same steps with the package's reverse mode. Both paths end in the same numbers:

# %%
import jax

from pinn_ac.lessons.linear_regression import descend

jax.config.update("jax_enable_x64", True)  # JAX's numbers have seven digits, unless it is told otherwise
theirs = descend(rate=0.02, steps=1501).path[-1]
print("here:   ", w, b)
print("package:", *theirs)
assert abs(w - theirs[0]) + abs(b - theirs[1]) < 1e-12

# %% [markdown]
# ## 6. Where the package's engine differs
#
# `pinn_ac.autodiff` is built in the same way: `trace` writes a Wengert list, `TABLE` holds the rules, and the sweeps
# read both. What follows is what a physics-informed network needs besides.
#
# ### Derivatives of derivatives
#
# Our rules compute with numbers, so what comes out of a sweep is a number, and cannot be differentiated again.
# The package's rules are written **with the engine's own operations**: a sweep leaves a list as well, and any
# mode can be applied to any other. A residual needs $u_{xx}$, and training needs its gradient.

# %%
import pinn_ac.autodiff as ad
import pinn_ac.autodiff.numpy as np


def g(x):
    return np.exp(np.sin(x * x))


second = ad.jvp(lambda x: ad.jvp(g, (x,), (1.0,))[1], (1.2,), (1.0,))[1]
print("forward over forward:", float(second))
print("forward over reverse:", float(ad.hessian(g)(1.2)))

# %% [markdown]
# ### One sweep for all orders
#
# Nested sweeps do the same work again and again. **Taylor mode** carries a truncated power series instead of a
# tangent: the rules are for series, and one sweep gives every order. A network's $u$, $u_t$, $u_x$ and $u_{xx}$
# come from one.

# %%
value, series = ad.taylor(g, (1.2,), ([1.0, 0.0, 0.0],))
print("g, g', g'', g''':", *(f"{float(one):.6f}" for one in (value, *series)))

# %% [markdown]
# ### Arrays, and functions written by others
#
# Our nodes are numbers: a layer of a network would be thousands of them. The package's nodes are arrays, its
# adjoints know about broadcasting, sums and matrix products, and `from_jax` replays a function that was written
# with `jax.numpy`, a Flax network for instance.

# %%
import jax.numpy as jnp

weights = jnp.linspace(-1.0, 1.0, 50).reshape(5, 10)


def layer(weights):
    return jnp.sum(jax.nn.softplus(weights @ jnp.arange(10.0)))


ours, theirs = ad.grad(ad.from_jax(layer))(weights), jax.grad(layer)(weights)
print("largest difference from JAX:", float(jnp.max(jnp.abs(ours - theirs))))
print("lines of the list:", [node.name for node in ad.trace(ad.from_jax(layer), weights)])

# %% [markdown]
# ### Speed
#
# Our sweep runs in Python for every point and every step. The package's sweeps are functions of arrays, so JAX's
# compiler takes them as it takes any other function: the list is written once, and what runs afterwards is
# machine code. (JAX compiles and evaluates; none of its derivatives is called.)

# %%
import timeit

compiled = jax.jit(ad.value_and_grad(lambda p: np.mean((p[0] * jnp.arange(10.0) + p[1] - 2 * jnp.arange(10.0)) ** 2)))
p = jnp.zeros(2)
compiled(p)
per_call = {
    "from nothing": min(timeit.repeat(lambda: value_and_grad(error, (0.0, 0.0)), number=50, repeat=5)) / 50,
    "package, compiled": min(timeit.repeat(lambda: jax.block_until_ready(compiled(p)), number=50, repeat=5)) / 50,
}
for name, seconds in per_call.items():
    print(f"{name}: {seconds:.0e} s a gradient, of 10 points")

# %% [markdown]
# ### Accuracy where numbers are extreme
#
# The slope of the sigmoid $\sigma$ is $\sigma (1 - \sigma)$ in every textbook. At $a = 40$ the difference is 0 in
# double precision, and with it the slope. The package's rules are written so that a derivative is accurate
# relative to its own size, and a test compares every row with exact arithmetic. (One exception is made for speed:
# $\tanh$, whose rule is $1 - v^2$ there too.)

# %%
for a in (5.0, 40.0):
    true = math.exp(-a) / (1 + math.exp(-a)) ** 2
    value = 1 / (1 + math.exp(-a))
    package, by_jax = float(ad.grad(np.sigmoid)(a)), float(jax.grad(jax.nn.sigmoid)(a))
    print(
        f"at {a:g}: true {true:.4e}   textbook {value * (1 - value):.4e}   package {package:.4e}   JAX {by_jax:.4e}"
    )

# %% [markdown]
# ### What it refuses
#
# Ours says nothing when a function leaves the list: a `float(node)` in the middle, and the derivative is lost.
# The package refuses what it has no rule for, and names the line.

# %%
try:
    ad.grad(ad.from_jax(lambda x: jax.lax.while_loop(lambda y: y < 3, lambda y: 2 * y, x)))(1.0)
except ad.MissingRuleError as refused:
    print(refused)

# %% [markdown]
# More about it: [our own differentiation](../docs/differentiation.md).
#
# **Next**: [the equation](lecture_5_allen_cahn.ipynb).
