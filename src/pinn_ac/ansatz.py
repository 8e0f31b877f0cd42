"""Ansätze: how a network N becomes a field u(t, x).

The field that is trained is that of the problem in natural units (`Problem.natural`), so that a factor t means the
same whatever the user's units are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from pinn_ac.errors import is_number, require
from pinn_ac.problem import InitialCondition, Problem

__all__ = [
    "Ansatz",
    "Change",
    "Decaying",
    "Embedding",
    "Field",
    "Lifted",
    "Network",
    "Parameters",
    "ReactionFlow",
    "Soft",
]

Parameters = Any
Network = Callable[[Parameters, jax.Array], jax.Array]


class Change(NamedTuple):
    """What a training problem has of its own while its time window stays the same; a pytree. See `pinn_ac.regimes`.

    coefficients: name → coefficient in natural units, in place of the problem's own; a number or a traced value.
    earlier: parameters that the network had before.
    rate: 1/Δτ, where the residual is damped.
    """

    coefficients: Mapping[str, Any] = {}
    earlier: Parameters = None
    rate: Any = None


class Embedding(Protocol):
    """The features of a point that the network takes as its input."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The capabilities that it needs a problem to have: names in `problem.CAPABILITIES`."""
        ...

    def __call__(self, problem: Problem, t: jax.Array, x: jax.Array) -> jax.Array:
        """The features z, of shape (d,), of one point."""
        ...

    def even(self, problem: Problem) -> bool:
        """Whether z(t, −ξ) = z(t, ξ). Then u is even in ξ too, and collocation points cover half of the domain."""
        ...


class Ansatz(Protocol):
    """A formula for u from the lift g and the network's value N."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The capabilities that it needs a problem to have: names in `problem.CAPABILITIES`."""
        ...

    @property
    def exact_at_start(self) -> bool:
        """Whether u(0, x) = u₀(x) whatever N is; otherwise the loss has a term for the initial condition."""
        ...

    def combine(self, problem: Problem, t: jax.Array, g: jax.Array, n: jax.Array) -> jax.Array:
        """u(t, x) from N there and the lift g(t, x), which is u₀ if the class has `diffuses` False."""
        ...


@dataclass(frozen=True)
class Soft:
    """u = N: the initial condition is learned through a term of the loss. The embedding makes u periodic.

    >>> Soft().combine(None, 0.5, 1.0, 2.0)
    2.0
    """

    needs: ClassVar[tuple[str, ...]] = ()
    exact_at_start: ClassVar[bool] = False

    def combine(self, problem: Problem, t: jax.Array, g: jax.Array, n: jax.Array) -> jax.Array:
        return n


@dataclass(frozen=True)
class Lifted:
    """u = g + t N, with g = exp(tD∂²)u₀, the heat flow of the initial condition.

    With u₀ itself in place of g, a kink of u₀ would stay in u for all time.

    >>> Lifted().combine(None, 0.5, 1.0, 2.0)
    2.0
    """

    needs: ClassVar[tuple[str, ...]] = ("lift",)
    exact_at_start: ClassVar[bool] = True

    def combine(self, problem: Problem, t: jax.Array, g: jax.Array, n: jax.Array) -> jax.Array:
        return g + t * n


@dataclass(frozen=True)
class ReactionFlow:
    """u = Φ(t, g + t N), with Φ(t, w) the exact flow of the reaction and g the heat flow of the initial condition.

    This takes the stiff reaction out of the residual: with w = g + t N that of u_t = D u_xx + r(u) is
    Φ_w [w_t − D w_xx − D Φ_ww/Φ_w w_x²]. See docs/method.md.

    >>> ReactionFlow().needs
    ('lift', 'flow')
    """

    needs: ClassVar[tuple[str, ...]] = ("lift", "flow")
    exact_at_start: ClassVar[bool] = True

    def combine(self, problem: Problem, t: jax.Array, g: jax.Array, n: jax.Array) -> jax.Array:
        return problem.paced_flow(t, g + t * n)


@dataclass(frozen=True)
class Decaying:
    """u = e^{−κt} u₀ + t N: the initial condition itself, switched off at the rate κ.

    Source: Hao, Braga-Neto, Liu, Wang and Zhong 2024, arXiv:2404.16189, who have κ = 1 and κ = 0.1.

    A kink of u₀, as x² cos πx has one at x = ±1, stays in u with e^{−κt} of its size, where the equation allows none:
    no network takes it away. :class:`Lifted` has the heat flow of u₀ instead.

    Args:
        rate: κ > 0, in natural units of time.

    Raises:
        InputError: κ is not positive.

    >>> float(Decaying(rate=2.0).combine(None, jnp.asarray(0.0), 1.0, 7.0))
    1.0
    """

    rate: float = 1.0

    needs: ClassVar[tuple[str, ...]] = ()
    exact_at_start: ClassVar[bool] = True
    diffuses: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require(is_number(self.rate) and self.rate > 0, f"ansatz.rate is {self.rate}: give a positive number.")

    def combine(self, problem: Problem, t: jax.Array, g: jax.Array, n: jax.Array) -> jax.Array:
        return jnp.exp(-self.rate * t) * g + t * n


class Field(NamedTuple):
    """A function (params, t, x) → u of one point, without a batch axis.

    What depends on the point alone, the lift and the network's features, is called the *background*. It can be
    computed once for a set of points and be given to :meth:`on_background` whenever the parameters change.

    problem: in natural units; so are t and x.
    embedding: the features of a point.
    network: (params, features) → N.
    ansatz: makes u of the lift and N.
    pace: params → the pace of the problem's lift and flow (`Problem.at_pace`); None leaves it at 1.
    factors: of a network N = Σ_j f_j g_j, params → f and g, functions of the first feature, which is one of t, and of
        the others, which are of x; None for any other network.

    >>> import jax.numpy as jnp
    >>> from pinn_ac import Burgers
    >>> from pinn_ac.models import Periodic
    >>> field = Field(Burgers(), Periodic(), lambda params, z: params * z[1], Soft())  # N = p cos πx
    >>> round(float(field(3.0, jnp.asarray(0.5), jnp.asarray(0.0))), 6)
    3.0
    """

    problem: Problem
    embedding: Embedding
    network: Network
    ansatz: Ansatz
    pace: Callable[[Parameters], Any] | None = None
    factors: Callable[[Parameters], tuple[Callable[[jax.Array], jax.Array], ...]] | None = None

    def paced(self, params: Parameters) -> "Field":
        """The same field with the pace of its parameters in its problem."""
        if self.pace is None:
            return self
        return self._replace(problem=self.problem.at_pace(self.pace(params)), pace=None)

    def starting_from(self, condition: InitialCondition | Change | None) -> "Field":
        """The same field with another initial condition, or with a change of it; with None, the field itself."""
        if condition is None:
            return self
        if isinstance(condition, Change):
            return self.with_coefficients(condition.coefficients)
        return self._replace(problem=self.problem.with_initial_condition(condition))

    def with_coefficients(self, values: Mapping[str, Any] | None) -> "Field":
        """The same field with other coefficients, in natural units; of none, or with None, the field itself."""
        return self._replace(problem=self.problem.with_coefficients(values)) if values else self

    @property
    def half(self) -> bool:
        """Whether the field is known on all of the circle from its values at ξ ≥ 0: it is even, or between walls."""
        return self.problem.is_mirrored or self.embedding.even(self.problem)

    @property
    def is_held(self) -> bool:
        """Whether u is held at walls whatever the parameters are; see :meth:`formed`."""
        return self.problem.is_mirrored and self.ansatz.exact_at_start

    def background(self, t: jax.Array, x: jax.Array) -> jax.Array:
        """(g, z_1, …, z_d) at one point, and ξ last where u is held at walls.

        g is u₀ where there is no diffusion or the ansatz wants none of it.
        """
        if self.problem.diffusion is not None and getattr(self.ansatz, "diffuses", True):
            g = self.problem.lift(t, x)
        else:
            g = self.problem.initial(x)
        place = [jnp.reshape(self.problem.to_unit(x), (1,))] if self.is_held else []
        return jnp.concatenate([jnp.reshape(g, (1,)), self.embedding(self.problem, t, x), *place])

    @property
    def features(self) -> int:
        """The number of the network's inputs."""
        point = jax.ShapeDtypeStruct((), float)
        return jax.eval_shape(self.background, point, point).size - 1 - self.is_held

    def inputs(self, background: jax.Array) -> jax.Array:
        """(z_1, …, z_d) of a background, or of many along the first axes."""
        return background[..., 1 : background.shape[-1] - self.is_held]

    def formed(self, t: jax.Array, g: jax.Array, n: jax.Array, xi: jax.Array) -> jax.Array:
        """u from the lift g and the network's value N, by the ansatz A(t, g, N).

        Between walls at ξ = 0 and ξ = 1 where u is held at b₀ and b₁,

            u = A(t, g, sin(πξ) N) + (1 − ξ) (b₀ − A(t, b₀, 0)) + ξ (b₁ − A(t, b₁, 0)),

        which is b₀ and b₁ there, as g is, and u₀ at t = 0.
        """
        combine, problem = self.ansatz.combine, self.problem
        if not self.is_held:
            return combine(problem, t, g, n)
        u = combine(problem, t, g, jnp.sin(jnp.pi * xi) * n)
        for b, share in zip(problem.held_at, (1 - xi, xi), strict=True):
            moved = combine(problem, t, jnp.asarray(b, jnp.result_type(g)), jnp.zeros_like(n))
            u = u + share * (b - moved)
        return u

    def on_background(self, params: Parameters, t: jax.Array, background: jax.Array) -> jax.Array:
        """u at one point, from its background."""
        return self.formed(t, background[0], self.network(params, self.inputs(background)), background[-1])

    def __call__(self, params: Parameters, t: jax.Array, x: jax.Array) -> jax.Array:
        """u(t, x) at one point."""
        here = self.paced(params)
        return here.on_background(params, t, here.background(t, x))
