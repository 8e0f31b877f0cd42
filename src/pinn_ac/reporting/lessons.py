"""Figures of the lessons: error against step, gradient descent, cost against inputs, the residual."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pinn_ac.reporting import style
from pinn_ac.reporting.style import Axes, Figure, LogNorm


def draw_error_against_step(
    steps: np.ndarray, errors: np.ndarray, third: float, value: float, automatic: float
) -> Figure:
    """The error of the central difference against the step h, its asymptotes, and that of the automatic derivative.

    Args:
        steps: h, of shape (n,).
        errors: the error of the central difference, of shape (n,).
        third: u‴, for the truncation error h²|u‴|/6.
        value: u, for the round-off error ε|u|/h.
        automatic: the error of the automatic derivative; 0 is drawn at half a unit in the last place.
    """
    figure = style.new_figure(7.4, 4.6)
    axes = style.dress(
        figure.subplots(), "The central difference has two sources of error", "step  $h$", "error of $u'$"
    )
    epsilon = float(np.finfo(float).eps)
    floor = max(automatic, epsilon / 2)
    truncation, round_off = steps**2 * abs(third) / 6, epsilon * abs(value) / steps
    axes.loglog(steps, truncation, color=style.WARM, linewidth=1.0, linestyle=(0, (5, 3)))
    axes.loglog(steps, round_off, color=style.CATEGORICAL[2], linewidth=1.0, linestyle=(0, (5, 3)))
    axes.loglog(steps, np.maximum(errors, epsilon / 2), color=style.NETWORK, linewidth=1.4, marker="o", markersize=3)
    axes.axhline(floor, color=style.INK, linewidth=1.4)
    axes.set(xlim=(steps.min(), steps.max()), ylim=(epsilon / 20, 30))
    _note(axes, (2e-4, 6e-10), r"truncation  $h^2 |u'''| / 6$", style.WARM, "left")
    _note(axes, (1e-12, 6e-6), r"round-off  $\varepsilon\, |u| / h$", style.CATEGORICAL[2], "right", below=True)
    _note(axes, (2.5e-15, floor * 1.6), "automatic: independent of $h$", style.INK, "left")
    _note(axes, (3e-10, 4e-3), r"$\dfrac{u(x+h) - u(x-h)}{2h}$", style.NETWORK, "left")
    return figure


def _note(axes: Axes, point: tuple[float, float], text: str, colour: str, side: Any, below: bool = False) -> None:
    axes.text(*point, text, color=colour, fontsize=10.5, ha=side, va="top" if below else "bottom")


def draw_descent(x: np.ndarray, y: np.ndarray, path: np.ndarray, errors: np.ndarray) -> Figure:
    """The data with the fitted line after several steps; beside it E(w, b) with the path of gradient descent.

    Args:
        x: of the data, of shape (n,).
        y: of the data, of shape (n,).
        path: (w, b) after every step, of shape (steps + 1, 2).
        errors: E after every step, of shape (steps + 1,).
    """
    figure = style.new_figure(10.2, 4.3)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.15))
    style.dress(left, "Data and line", "$x$", r"$\hat y = \hat w x + \hat b$")
    shown = [k for k in (0, 1, 2, 5, 20) if k < len(path)] + [len(path) - 1]
    for rank, k in enumerate(shown):
        colour = style.shade(rank / max(len(shown) - 1, 1))
        left.plot(x, path[k, 0] * x + path[k, 1], color=colour, linewidth=1.5, label=f"step {k}")
    left.plot(x, y, "o", color="white", markeredgecolor=style.INK, markersize=5.5, label="data", zorder=4)
    style.legend(left, loc="upper left")
    style.dress(right, "Error $E$ and the path of the descent", r"$\hat w$", r"$\hat b$", grid=False)
    w, b = np.meshgrid(np.linspace(-0.15, 2.75, 200), np.linspace(-1.1, 1.4, 200))
    surface = np.mean((w[..., None] * x + b[..., None] - y) ** 2, axis=-1)
    levels = np.geomspace(3e-3, 120, 15)
    filled = right.contourf(
        w, b, surface, levels, norm=LogNorm(3e-3, 120), cmap=style.sequential(), extend="both", alpha=0.6
    )
    style.colorbar(figure, filled, label="$E$", ticks=[1e-2, 1e-1, 1, 10, 100], ax=right)
    right.contour(w, b, surface, levels, colors="white", linewidths=0.5)
    right.plot(path[:, 0], path[:, 1], "-", color=style.NETWORK, linewidth=1.1)
    right.plot(path[:, 0], path[:, 1], "o", color=style.NETWORK, markersize=2.6)
    right.plot(2, 0, "*", color=style.WARM, markersize=13, markeredgecolor="white")
    right.annotate("start", path[0], (6, -12), textcoords="offset points", fontsize=9.5, color=style.INK)
    right.annotate("$w = 2,\\ b = 0$", (2, 0), (9, -14), textcoords="offset points", fontsize=10, color=style.INK)
    return figure


def draw_costs(costs: Sequence[Any]) -> Figure:
    """The cost of the whole gradient against the number of inputs, in evaluations of the function and in seconds.

    Args:
        costs: for each number of inputs an object with the attributes `inputs`, `evaluation`, `reverse`, `forward`
            (seconds) and `forward_is_measured`.
    """
    n = np.array([cost.inputs for cost in costs], float)
    evaluation, reverse, forward = (
        np.array([getattr(cost, name) for cost in costs]) for name in ("evaluation", "reverse", "forward")
    )
    measured = np.array([cost.forward_is_measured for cost in costs])
    figure = style.new_figure(10.2, 4.2)
    left, right = figure.subplots(1, 2)
    style.dress(left, "The whole gradient, in evaluations of $y$", "inputs  $n$", "time ÷ time of $y$")
    style.dress(right, "The whole gradient, in seconds", "inputs  $n$", "seconds")
    for axes, unit in ((left, evaluation), (right, np.ones_like(n))):
        axes.loglog(n, forward / unit, color=style.WARM, linewidth=1.2, linestyle=(0, (5, 3)))
        axes.loglog(
            n[measured], forward[measured] / unit[measured], "o-", color=style.WARM, label="forward, measured"
        )
        far = ~measured
        axes.loglog(
            n[far], forward[far] / unit[far], "o", color="white", markeredgecolor=style.WARM,
            label="forward, one direction × $n$",
        )  # fmt: skip
        axes.loglog(n, reverse / unit, "s-", color=style.NETWORK, label="reverse, measured")
    right.loglog(n, evaluation, "-", color=style.FAINT, linewidth=1.0, label="$y$ alone")
    left.annotate(
        f"× {reverse[-1] / evaluation[-1]:.1f}", (n[-1], reverse[-1] / evaluation[-1]), (0, 9),
        textcoords="offset points", ha="center", fontsize=10, color=style.NETWORK,
    )  # fmt: skip
    left.annotate(
        f"× {_round(forward[-1] / evaluation[-1])}", (n[-1], forward[-1] / evaluation[-1]), (-10, 0),
        textcoords="offset points", ha="right", va="center", fontsize=10, color=style.WARM,
    )  # fmt: skip
    left.set_ylim(0.4, None)
    style.legend(right, loc="upper left")
    return figure


def _round(x: float) -> str:
    digits = 10 ** max(int(np.log10(x)) - 1, 0)
    return f"{round(x / digits) * digits:,.0f}"


def draw_residuals(before: np.ndarray, after: np.ndarray, losses: Sequence[float]) -> Figure:
    """|f| over t and x before and after training, and L at every step.

    Args:
        before: |f| on a grid, of shape (t, x).
        after: the same after training.
        losses: L at every step.
    """
    figure = style.new_figure(10.6, 3.4)
    panels = figure.subplots(1, 3, width_ratios=(1, 1, 0.95))
    top = float(before.max())
    for axes, size, title in zip(panels, (before, after), ("before", "after"), strict=False):
        style.dress(axes, f"$|f|$ {title}", "$t$", "$x$", grid=False)
        image = axes.imshow(
            size.T, origin="lower", extent=(0, 1, -1, 1), aspect="auto", cmap=style.sequential(), vmin=0, vmax=top
        )
    style.colorbar(figure, image, label="$|f|$", ax=list(panels[:2]))
    style.dress(panels[2], "$L = \\frac{1}{N}\\sum |f|$", "step", "$L$")
    panels[2].plot(losses, color=style.NETWORK, linewidth=1.5)
    panels[2].set_ylim(0, None)
    return figure
