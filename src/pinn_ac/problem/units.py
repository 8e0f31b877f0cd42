"""A check of the units that a problem's class gives: the natural problem must be the same equation."""

from typing import Any

import jax
import numpy as np

from pinn_ac.errors import require

DRAWS = 3
"""How many points are looked at, each with random values of u and its derivatives."""


def require_units(problem: Any, natural: Any) -> None:
    """Refuse `dimensions` by which the problem in natural units is another equation.

    At any values of u and its derivatives, f in natural units must be f times the unit of time.

    Raises:
        InputError: it is not.
    """
    generator, names = np.random.default_rng(0), ("u", *problem.orders)
    with jax.ensure_compile_time_eval():  # it may be asked for while something is traced
        for _ in range(DRAWS):
            values = dict(zip(names, generator.uniform(0.5, 1.5, len(names)), strict=True))
            t, xi = generator.uniform(0.2, 0.8, 2) * (natural.horizon, 1.0)
            there = float(natural.residual(values, {"t": t, "x": xi}))
            place = dict(zip(("t", "x"), problem.from_natural(t, xi), strict=True))
            scaled = {name: value / problem.unit_of("" if name == "u" else name) for name, value in values.items()}
            here = float(problem.residual(scaled, place)) * problem.time_unit
            require(
                abs(here - there) <= 1e-4 * (1 + abs(there)),
                f"{type(problem).__name__} has another residual in natural units, so its dimensions are not those of "
                "its coefficients: correct them, or leave them out to train in the units of the problem.",
            )
