"""What the ends of the domain are: one period, walls without flux (Neumann), or walls where u is held (Dirichlet).

Walls at a and b are reflected: the interval is one half of a circle of length 2(b − a), whose other half is its
mirror image. Where the equation keeps the symmetry of the reflection, the problem on that circle is a periodic one,
and is solved as such. Else it has the boundary `MIRRORED`: only its half 0 ≤ ξ ≤ 1 counts, and u is held at its ends.
"""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pinn_ac.errors import is_number, numbers, require
from pinn_ac.problem.reflected import Base, reflected

BOUNDARIES = ("periodic", "neumann", "dirichlet")
"""What `problem.boundary` may be."""


class _OfACircle(str):
    """A boundary that a problem has on a circle alone; the same word of a user's is none."""


MIRRORED = _OfACircle("mirrored")
"""The boundary of a problem on a circle, of which the half 0 ≤ ξ ≤ 1 lies between walls where u is held."""
SAME = 1e-6
"""By how much u₀ may miss a value that it is held at, as a share of the larger value where that is above 1; that much
is taken away from it."""


class Found(tuple[float, ...]):
    """Values at the walls that were taken from u₀, since none were given; they are found anew for another u₀."""


def checked(problem: Any) -> tuple[float, float] | None:
    """The values that u is held at, None where it is not held; for a problem's `__post_init__`.

    Raises:
        InputError: the boundary is none, the equation does not allow it, or u₀ does not fit it.
    """
    boundary, values, condition = problem.boundary, problem.boundary_values, problem.initial_condition
    if isinstance(boundary, _OfACircle):
        return numbers("problem.boundary_values", values)  # type: ignore[return-value]
    values = None if isinstance(values, Found) else values
    require(
        boundary in BOUNDARIES,
        f"problem.boundary is {boundary!r}: choose {', '.join(BOUNDARIES[:-1])} or {BOUNDARIES[-1]}.",
    )
    require_same_boundary(problem)
    require(
        values is None or boundary == "dirichlet",
        f"problem.boundary_values are for problem.boundary=dirichlet, and problem.boundary is {boundary}: leave them "
        "out, or choose that.",
    )
    if boundary == "periodic":
        require(
            getattr(condition, "periodic", True),
            f"The initial condition {type(condition).__name__} is not periodic: choose problem.boundary=neumann, or "
            "dirichlet, which holds u at its values at the ends.",
        )
        return None
    if boundary == "neumann":
        _require_walls(problem)
        return None
    ends = end_values(condition)
    if values is None:
        _require_walls(problem, ends)
        return Found(ends)  # type: ignore[return-value]
    given = _two_numbers(values)
    _require_walls(problem, given)
    slack = max(SAME * max(1.0, *map(abs, given)), _rounding(condition))
    require(
        all(abs(b - u) <= slack for b, u in zip(given, ends, strict=True)),
        f"The initial condition is {said(*ends)} at the ends of the domain, and problem.boundary_values is "
        f"{said(*given)}: leave it out or set problem.boundary_values={said(*ends)}, choose "
        "problem.boundary=neumann, or give another initial condition.",
    )
    return given


def _two_numbers(values: Any) -> tuple[float, float]:
    """What a user gave as the values at the ends."""
    given = numbers("problem.boundary_values", values)
    require(
        len(given) == 2 and all(map(is_number, given)),
        f"problem.boundary_values is {list(given)}: give two finite numbers, u at the left and at the right end.",
    )
    return given[0], given[1]


def said(left: float, right: float) -> str:
    """Values at both ends as a setting, with digits enough to be given back."""
    return f"[{left:.9g},{right:.9g}]"


def end_values(condition: Any) -> tuple[float, float]:
    """u₀ at both ends, without the rounding of a zero."""
    with jax.enable_x64(True), jax.ensure_compile_time_eval():
        left, right = (float(np.asarray(condition(jnp.asarray(xi)))) for xi in (-1.0, 1.0))
    zero = max(1e-14 * max(abs(left), abs(right), 1.0), _rounding(condition))
    return tuple(0.0 if abs(u) <= zero else float(f"{u:.15g}") for u in (left, right))  # type: ignore[return-value]


def _rounding(condition: Any) -> float:
    """Of a condition's own values, where they are samples."""
    return float(getattr(condition, "rounding", 0.0))


def require_same_boundary(problem: Any) -> None:
    """Refuse samples that were read for another boundary, whose ends may not fit."""
    made_for = getattr(problem.initial_condition, "boundary", problem.boundary)
    require(
        made_for == problem.boundary,
        f"The samples of the initial condition were read for boundary={made_for}, and problem.boundary is "
        f"{problem.boundary}: give both the same.",
    )


def _require_walls(problem: Any, values: tuple[float, float] | None = None) -> None:
    """Refuse walls, at which u is held at these values, where the equation does not allow them."""
    kind, boundary = type(problem).__name__, problem.boundary
    require(
        problem.dimensions is not None and problem.diffusion is not None,
        f"problem.boundary is {boundary}, and {kind} does not say what its diffusion and the units of its "
        f"coefficients "
        "are: define diffusion and dimensions, or choose problem.boundary=periodic.",
    )
    if boundary == "neumann":
        require(
            "even" in problem.symmetries,
            f"problem.boundary is neumann, and a reflection does not take solutions of {kind} to solutions: choose "
            'periodic or dirichlet, or name "even" among its symmetries if it does.',
        )
    elif not is_odd(problem, values):
        assert values is not None
        rest = "choose an initial condition that is zero at both ends, or problem.boundary=periodic."
        if "odd" in problem.symmetries and max(map(abs, values)) <= SAME:
            rest = "set problem.boundary_values=[0,0], which these are but for rounding."
        require(
            problem.flux(0.0) is None and not problem._defines("symbol"),
            f"problem.boundary is dirichlet, with which {kind} can be held at zero alone, and the values at the ends "
            f"are {said(*values)}: {rest}",
        )


def is_odd(problem: Any, values: Any) -> bool:
    """Whether walls at which u is held at these values are those of an odd reflection."""
    return "odd" in problem.symmetries and not any(values)


def on_circle(problem: Any) -> Any:
    """The problem on the circle that it is reflected to, in the same units; itself where it has no walls."""
    if problem.boundary in ("periodic", MIRRORED):
        return problem
    plain = problem.nominal
    if plain is not problem:
        return plain.circle.with_coefficients(problem.coefficients)
    left, right = problem.domain
    domain = 2 * left - right, right
    values = problem.boundary_values
    if values is None or is_odd(problem, values):
        condition = reflected(problem.initial_condition, odd=values is not None)
        return replace(problem, domain=domain, boundary="periodic", boundary_values=None, initial_condition=condition)
    base = base_of(problem, values, problem.diffusion / (right - left) ** 2)
    condition = reflected(problem.initial_condition, True, base)
    return replace(problem, domain=domain, boundary=MIRRORED, boundary_values=values, initial_condition=condition)


def base_of(problem: Any, values: tuple[float, float], unit_diffusivity: float) -> Base:
    """The base function of a problem whose u is held at these values, for its diffusivity in ξ."""
    with jax.enable_x64(True), jax.ensure_compile_time_eval():
        first, last = (float(np.asarray(problem.reaction(b))) for b in values)
    return Base.of(values, (first, last), float(unit_diffusivity))
