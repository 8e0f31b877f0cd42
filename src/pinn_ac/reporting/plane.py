"""Figures of a field in two dimensions: maps at several times, the energy and the collocation points."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pinn_ac.evaluation import energy
from pinn_ac.reporting import style
from pinn_ac.reporting.fields import scientific
from pinn_ac.reporting.style import Axes, Figure, Normalize, QuadMesh


def draw_maps(problem: Any, sampled: Any, reference: Any = None, count: int = 5) -> Figure:
    """The network's u at `count` times from the first to the last; with a reference u* and |u − u*| below.

    Args:
        problem: gives the domain.
        sampled: the network's field, a :class:`~pinn_ac.plane.SampledPlane`.
        reference: u* on the same grid, or None for the first row alone.
        count: the number of times.
    """
    rows = np.unique(np.linspace(0, len(sampled.t) - 1, count).round().astype(int))
    exact = None if reference is None else np.asarray(reference.u, float)
    height, width = 1 if exact is None else 3, len(rows)
    shape = float(np.clip(problem.sides[1] / problem.sides[0], 0.3, 2.5))
    figure = style.new_figure(2.3 * width + 1.0, (1.9 * shape + 0.15) * height + 0.5)
    panels = figure.subplots(height, width, sharex=True, sharey=True, squeeze=False)
    largest = max(largest_size(sampled.u[rows]), 0.0 if exact is None else largest_size(exact[rows])) or 1.0
    scale = Normalize(-largest, largest)
    for axes, row in zip(panels[0], rows, strict=True):
        mesh = heat_map(axes, problem, sampled, sampled.u[row], scale, f"$t = {sampled.t[row]:.3g}$")
    style.colorbar(figure, mesh, label="$u$", ticks=np.linspace(-largest, largest, 5), ax=list(panels[0]))
    names = ["Network"]
    if exact is not None:
        names += ["Reference", "Error"]
        for axes, row in zip(panels[1], rows, strict=True):
            mesh = heat_map(axes, problem, sampled, exact[row], scale)
        style.colorbar(figure, mesh, label="$u^*$", ticks=np.linspace(-largest, largest, 5), ax=list(panels[1]))
        error = style.magnitude(sampled.u[rows] - exact[rows])
        errors = style.log_scale(error)
        for axes, values, row in zip(panels[2], error, rows, strict=True):
            share = np.linalg.norm(sampled.u[row] - exact[row]) / (np.linalg.norm(exact[row]) or 1.0)
            mesh = heat_map(axes, problem, sampled, values, errors, f"relative $L^2$: {scientific(float(share))}")
            axes.title.set_fontsize(9)
        style.colorbar(figure, mesh, label="$|u_\\theta - u^*|$", ax=list(panels[2]))
    for axes, name in zip(panels[:, 0], names, strict=True):
        axes.set_ylabel(f"{name}\n$y$", fontsize=10.5, color=style.INK)
    for axes in panels[-1]:
        axes.set_xlabel("$x$", fontsize=10.5, color=style.INK)
    return figure


def largest_size(u: np.ndarray) -> float:
    """The largest finite |u|."""
    return float(np.abs(u[np.isfinite(u)]).max(initial=0.0))


def heat_map(axes: Axes, problem: Any, sampled: Any, values: np.ndarray, scale: Any, title: str = "") -> QuadMesh:
    """u over the rectangle, (n, n) with x first."""
    colours = style.diverging() if type(scale) is Normalize else style.sequential()
    shown = np.ma.masked_invalid(values.T)
    mesh = axes.pcolormesh(sampled.x, sampled.y, shown, norm=scale, cmap=colours, shading="nearest", rasterized=True)
    style.dress(axes, title, grid=False)
    axes.set_xlim(*problem.domain[0])
    axes.set_ylim(*problem.domain[1])
    axes.set_aspect("equal")
    return mesh


def draw_energy(problem: Any, sampled: Any, reference: Any = None) -> Figure:
    """E(t) of the network and of the reference; beside it their difference, as a share of |E(0)|.

    With a reference the slopes of both are spectral, since its values are all that is known of it: so that the
    difference is one of the fields, and not what the grid does not resolve.
    """
    from pinn_ac.reporting.curves import draw_energies

    if reference is None:
        return draw_energies(sampled.t, energy(problem, sampled.u, *sampled.slopes), None)
    ours, theirs = (
        energy(problem, u, *spectral_slopes(problem, u)) for u in (sampled.u, np.asarray(reference.u, float))
    )
    return draw_energies(sampled.t, ours, theirs)


def spectral_slopes(problem: Any, u: np.ndarray) -> list[np.ndarray]:
    """u_x and u_y, (n_t, n, n), of a periodic field on an even grid: the derivatives of its Fourier series."""
    found = []
    for axis, side in ((-2, problem.sides[0]), (-1, problem.sides[1])):
        n = u.shape[axis]
        factor = 2j * np.pi / side * np.arange(n // 2 + 1)
        if n % 2 == 0:  # the highest mode is a cosine that the grid meets at its crests alone
            factor[-1] = 0
        c = np.moveaxis(np.fft.rfft(u, axis=axis), axis, -1) * factor
        found.append(np.moveaxis(np.fft.irfft(c, n, axis=-1), -1, axis))
    return found


def draw_points(
    problem: Any,
    points: np.ndarray,
    residuals: np.ndarray | None = None,
    breaks: Sequence[float] = (),
    count: int | None = None,
) -> Figure:
    """The collocation points in the (x, y) plane and in the (t, x) plane, coloured by |residual|.

    Args:
        problem: gives the domain, the horizon and the unit of time.
        points: (n, 3), each (t, x, y).
        residuals: f at each point, (n,), or None for points of one colour.
        breaks: times at which one time window ends and the next begins.
        count: how many there are, where these are some of them.
    """
    t, x, y = np.asarray(points, float).reshape(-1, 3).T
    figure = style.new_figure(10.4, 4.4)
    plane, time = figure.subplots(1, 2)
    look: dict[str, Any] = {"s": float(np.clip(12000 / max(len(t), 1), 1.5, 16)), "linewidths": 0}
    order = np.arange(len(t))
    if residuals is None:
        look["color"] = style.NETWORK
    else:
        values = style.magnitude(np.ravel(residuals), 1 / problem.time_unit)
        order = np.argsort(values)  # the largest residuals lie on top
        look |= {"c": values[order], "cmap": style.sequential(skipped=1), "norm": style.log_scale(values, 5)}
    dots = plane.scatter(x[order], y[order], **look)
    time.scatter(t[order], x[order], **look)
    if residuals is not None:
        style.colorbar(figure, dots, label="residual  $|f|$", ax=[plane, time])
    windows = f" in {len(breaks) + 1} time windows" if len(breaks) else ""
    shown = f", {len(t):,} of them shown" if count is not None and count > len(t) else ""
    style.dress(plane, f"{count or len(t):,} collocation points{windows}{shown}", x="$x$", y="$y$", grid=False)
    style.dress(time, x="$t$", y="$x$", grid=False)
    for border in breaks:
        time.axvline(border, color=style.INK, linewidth=0.6, linestyle=(0, (4, 3)))
    plane.set_xlim(*problem.domain[0])
    plane.set_ylim(*problem.domain[1])
    plane.set_aspect("equal")
    time.set_xlim(0, problem.horizon)
    time.set_ylim(*problem.domain[0])
    return figure
