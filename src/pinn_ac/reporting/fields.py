"""Figures of the field itself: heat maps, profiles and the collocation points."""

from collections.abc import Sequence

import numpy as np

from pinn_ac.evaluation import ReferenceField, Sampled
from pinn_ac.problem import Problem
from pinn_ac.reporting import style
from pinn_ac.reporting.style import Axes, Figure, Line2D, LogNorm, Normalize, PathCollection, QuadMesh


def draw_solution(problem: Problem, sampled: Sampled, reference: ReferenceField | None = None) -> Figure:
    """Heat maps over (t, x): the network's u and, with a reference, u* and |u − u*| on a logarithmic scale.

    Args:
        problem: gives the domain.
        sampled: the network's field.
        reference: u* on the same grid, or None for the first panel alone.
    """
    exact = None if reference is None else np.asarray(reference.u, float)
    figure = style.new_figure(4.8 if exact is None else 12.4, 3.5)
    panels = figure.subplots(1, 1 if exact is None else 3, sharey=True, squeeze=False)[0]
    largest = max(_largest(sampled.u), 0.0 if exact is None else _largest(exact)) or 1.0
    scale = Normalize(-largest, largest)
    shared = list(panels[:1] if exact is None else panels[:2])
    mesh = _heat_map(panels[0], problem, sampled, sampled.u, scale, "Network  $u_\\theta(t, x)$")
    style.colorbar(figure, mesh, label="$u$", ticks=np.linspace(-largest, largest, 5), ax=shared)
    panels[0].set_ylabel("$x$")
    if exact is not None:
        _heat_map(panels[1], problem, sampled, exact, scale, "Reference  $u^*(t, x)$")
        error = style.magnitude(sampled.u - exact)
        mesh = _heat_map(panels[2], problem, sampled, error, style.log_scale(error), _error_title(sampled.u, exact))
        style.colorbar(figure, mesh, label="$|u_\\theta - u^*|$", ax=panels[2])
        for axes in panels[1:]:
            axes.tick_params(axis="y", length=0)
    return figure


def draw_small(problem: Problem, t: np.ndarray, x: np.ndarray, u: np.ndarray) -> Figure:
    """The network's u over (t, x) alone, a few hundred pixels wide, as a notebook shows it.

    Args:
        problem: gives the domain.
        t, x, u: (m,) times, (n,) positions, and (m, n) values.
    """
    figure, largest = style.new_figure(4.2, 2.4), _largest(u) or 1.0
    axes = figure.subplots()
    mesh = _heat_map(axes, problem, Sampled(t, x, u, u, u), u, Normalize(-largest, largest), "")
    style.colorbar(figure, mesh, label="$u$", ax=axes)
    axes.set_ylabel("$x$")
    return figure


def _largest(u: np.ndarray) -> float:
    return float(np.abs(u[np.isfinite(u)]).max(initial=0.0))


def _heat_map(
    axes: Axes, problem: Problem, sampled: Sampled, values: np.ndarray, scale: Normalize, title: str
) -> QuadMesh:
    colours = style.sequential() if isinstance(scale, LogNorm) else style.diverging()
    shown = np.ma.masked_invalid(values.T)
    mesh = axes.pcolormesh(sampled.t, sampled.x, shown, norm=scale, cmap=colours, shading="nearest", rasterized=True)
    style.dress(axes, title, x="$t$", grid=False)
    axes.set_xlim(sampled.t[0], sampled.t[-1])
    axes.set_ylim(*problem.domain)
    return mesh


def _error_title(u: np.ndarray, exact: np.ndarray) -> str:
    difference, size = np.linalg.norm(u - exact), np.linalg.norm(exact)
    share = difference / size if size > 0 else difference
    return f"Error  $|u_\\theta - u^*|$    (relative $L^2$: {scientific(float(share))})"


def scientific(number: float, digits: int = 1) -> str:
    """A number in scientific notation for matplotlib: 3.2e-06 as 3.2 × 10⁻⁶."""
    if not np.isfinite(number) or number == 0:
        return f"{number:g}"
    mantissa, exponent = f"{number:.{digits}e}".split("e")
    return f"${mantissa} \\times 10^{{{int(exponent)}}}$"


def draw_profiles(
    problem: Problem, sampled: Sampled, reference: ReferenceField | None = None, count: int = 5
) -> Figure:
    """u against x at `count` times from the first to the last, over the reference; below, the error at each.

    Args:
        problem: gives the domain.
        sampled: the network's field.
        reference: u* on the same grid, or None.
        count: the number of times.
    """
    rows = np.unique(np.linspace(0, len(sampled.t) - 1, count).round().astype(int))
    figure = style.new_figure(7.6, 3.8 if reference is None else 5.4)
    heights = [1.0] if reference is None else [1.9, 1.0]
    panels = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for row in rows:
        colour = style.shade(sampled.t[row] / sampled.t[-1] if sampled.t[-1] > 0 else 0.0)
        if reference is not None:
            panels[0].plot(sampled.x, reference.u[row], color=colour, linewidth=4.5, alpha=0.28, gid="reference")
            error = style.magnitude(sampled.u[row] - reference.u[row])
            panels[1].plot(sampled.x, error, color=colour, linewidth=1.0)
        label = f"$t = {sampled.t[row]:.3g}$"
        panels[0].plot(sampled.x, sampled.u[row], color=colour, linewidth=1.3, label=label, gid="network")
    style.dress(panels[0], y="$u(t, x)$")
    style.dress(panels[-1], x="$x$", y="" if reference is not None else "$u(t, x)$")
    panels[0].set_xlim(*problem.domain)
    _profile_legend(panels[0], reference is not None)
    if reference is not None:
        style.show_decades(panels[1])
        style.spread_ticks(panels[1])
        panels[1].set_ylabel("$|u_\\theta - u^*|$")
    return figure


def _profile_legend(axes: Axes, with_reference: bool) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if with_reference:
        handles += [
            Line2D([], [], color=style.INK, linewidth=1.3),
            Line2D([], [], color=style.INK, linewidth=4.5, alpha=0.28),
        ]
        labels += ["network", "reference"]
    style.legend(axes, handles=handles, labels=labels, loc="center left", bbox_to_anchor=(1.0, 0.5))


def draw_points(
    problem: Problem,
    points: np.ndarray,
    residuals: np.ndarray | None = None,
    breaks: Sequence[float] = (),
    count: int | None = None,
) -> Figure:
    """The collocation points in the (t, x) plane, coloured by |residual|, with histograms of t and x at the edges.

    Args:
        problem: gives the domain, the horizon and the unit of time.
        points: (n, 2), each (t, x).
        residuals: f at each point, (n,), or None for points of one colour.
        breaks: times at which one time window ends and the next begins.
        count: how many there are, where these are some of them.
    """
    t, x = np.asarray(points, float).reshape(-1, 2).T
    figure = style.new_figure(7.8, 4.4)
    grid = figure.add_gridspec(2, 3, width_ratios=(10, 0.9, 0.25), height_ratios=(0.9, 6.5), hspace=0.02, wspace=0.02)
    plane, above, beside = (figure.add_subplot(grid[place]) for place in ((1, 0), (0, 0), (1, 1)))
    # For an even field the points lie in one half of the domain: show that half alone.
    middle = problem.domain[0] + 0.5 * problem.period
    ends = (middle, problem.domain[1]) if t.size and x.min() >= middle else problem.domain
    dots = _scatter(plane, t, x, residuals, 1 / problem.time_unit)
    if residuals is not None:
        style.colorbar(figure, dots, label="residual  $|f|$", cax=figure.add_subplot(grid[1, 2]))
    style.dress(plane, x="$t$", y="$x$", grid=False)
    for border in breaks:
        plane.axvline(border, color=style.INK, linewidth=0.6, linestyle=(0, (4, 3)))
    plane.set_xlim(0, problem.horizon)
    plane.set_ylim(*ends)
    above.hist(t, bins=50, range=(0, problem.horizon), color=style.REFERENCE)
    beside.hist(x, bins=50, range=ends, color=style.REFERENCE, orientation="horizontal")
    above.set_xlim(0, problem.horizon)
    beside.set_ylim(*ends)
    for edge in (above, beside):
        edge.axis("off")
    windows = f" in {len(breaks) + 1} time windows," if len(breaks) else ""
    shown = f" ({len(t):,} of them shown)" if count is not None and count > len(t) else ""
    above.set_title(
        f"{count or len(t):,} collocation points{shown}{windows} and their density", fontsize=11, color=style.INK
    )
    return figure


def _scatter(plane: Axes, t: np.ndarray, x: np.ndarray, residuals: np.ndarray | None, unit: float) -> PathCollection:
    size = float(np.clip(20000 / max(len(t), 1), 2.0, 16))
    if residuals is None:
        return plane.scatter(t, x, s=size, color=style.NETWORK, linewidths=0)
    values = style.magnitude(np.ravel(residuals), unit)
    order = np.argsort(values)  # the largest residuals lie on top
    return plane.scatter(
        t[order],
        x[order],
        c=np.ma.masked_invalid(values[order]),
        s=size,
        cmap=style.sequential(skipped=1),
        norm=style.log_scale(values, 5),
        linewidths=0,
        plotnonfinite=True,
    )
