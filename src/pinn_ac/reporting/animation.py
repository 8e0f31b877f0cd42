"""The solution as a moving picture."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from pinn_ac.files import write_whole
from pinn_ac.problem import Problem
from pinn_ac.reporting import style
from pinn_ac.reporting.plane import heat_map, largest_size
from pinn_ac.reporting.style import Figure, Normalize

MOST_FRAMES = 60
SECONDS = 5.0
DPI = 90


def animate(problem: Problem, sampled: Any, path: Path, reference: Any = None) -> Path:
    """Write the field as a GIF that takes five seconds: its profile in one dimension, its map in two.

    Args:
        problem: gives the domain.
        sampled: the network's field on a grid, in one or two dimensions.
        path: of the file.
        reference: u* on the same grid, drawn behind the profile; None for none.

    Returns:
        The path.
    """
    logging.getLogger("matplotlib.animation").setLevel(logging.WARNING)  # it tells of every writer
    function_animation, pillow_writer = style.moving()
    rows = np.unique(np.linspace(0, len(sampled.t) - 1, MOST_FRAMES).round().astype(int))
    figure, show = _in_plane(problem, sampled) if sampled.u.ndim == 3 else _on_line(problem, sampled, reference)
    moving = function_animation(figure, lambda row: show(row), frames=rows.tolist(), blit=False)
    writer = pillow_writer(fps=max(1, round(len(rows) / SECONDS)))
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_whole(path, lambda draft: moving.save(f"{draft}", writer=writer, dpi=DPI))


def _in_plane(problem: Problem, sampled: Any) -> tuple[Figure, Any]:
    figure = style.new_figure(5.2, 4.4)
    axes, largest = figure.subplots(), largest_size(sampled.u) or 1.0
    mesh = heat_map(axes, problem, sampled, sampled.u[0], Normalize(-largest, largest), "$t = 0$")
    style.colorbar(figure, mesh, label="$u$", ticks=np.linspace(-largest, largest, 5), ax=axes)
    axes.set_xlabel("$x$")
    axes.set_ylabel("$y$")

    def show(row: int) -> list[Any]:
        mesh.set_array(np.ma.masked_invalid(sampled.u[row].T))
        axes.set_title(f"$t = {sampled.t[row]:.3g}$", fontsize=11, color=style.INK)
        return [mesh]

    return figure, show


def _on_line(problem: Problem, sampled: Any, reference: Any) -> tuple[Figure, Any]:
    figure = style.new_figure(6.4, 3.6)
    axes, largest = figure.subplots(), 1.05 * (largest_size(sampled.u) or 1.0)
    lines = []
    if reference is not None:
        lines.append((axes.plot(sampled.x, reference.u[0], color=style.REFERENCE, linewidth=5)[0], reference.u))
    lines.append((axes.plot(sampled.x, sampled.u[0], color=style.NETWORK, linewidth=1.5)[0], sampled.u))
    style.dress(axes, "$t = 0$", x="$x$", y="$u$")
    axes.set_xlim(*problem.domain)
    axes.set_ylim(-largest, largest)

    def show(row: int) -> list[Any]:
        for line, values in lines:
            line.set_ydata(values[row])
        axes.set_title(f"$t = {sampled.t[row]:.3g}$", fontsize=11, color=style.INK)
        return [line for line, _ in lines]

    return figure, show
