"""Films: a figure that changes with time, as a GIF by Pillow or an MP4 by ffmpeg."""

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from pinn_ac.evaluation import ReferenceField, Sampled
from pinn_ac.files import write_whole
from pinn_ac.problem import Problem
from pinn_ac.reporting import style
from pinn_ac.reporting.style import Figure, Normalize

FRAMES, RATE, DPI = 61, 15, 90
"""Frames of a film, in a second, and dots an inch."""


def animate(problem: Problem, sampled: Any, path: Path, reference: ReferenceField | None = None) -> Path:
    """u(t, ·) of the network over u* moving through time, and below them the error; in two dimensions a map of u.

    Args:
        problem: gives the domain.
        sampled: the network's field, u of shape (n_t, n_x), or (n_t, n_x, n_y) with its y beside t and x.
        path: of the film: .gif or .mp4.
        reference: u* on the same grid, or None.
    """
    figure, show = _in_a_plane(sampled) if sampled.u.ndim == 3 else _on_a_line(problem, sampled, reference)
    rows = np.unique(np.linspace(0, len(sampled.t) - 1, FRAMES).round().astype(int))
    return write_film(figure, show, rows.tolist(), path)


def _on_a_line(
    problem: Problem, sampled: Sampled, reference: ReferenceField | None
) -> tuple[Figure, Callable[[int], None]]:
    """The figure of a field in one dimension, and what brings it to a row of the grid."""
    figure = style.new_figure(6.4, 3.4 if reference is None else 4.8)
    heights = [1.0] if reference is None else [1.9, 1.0]
    panels = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    exact = None if reference is None else np.asarray(reference.u, float)
    known = [values[np.isfinite(values)] for values in (sampled.u, exact) if values is not None]
    largest = max((float(np.abs(values).max(initial=0.0)) for values in known), default=0.0) or 1.0
    style.dress(panels[0], x="" if exact is not None else "$x$", y="$u(t, x)$")
    panels[0].set_xlim(*problem.domain)
    panels[0].set_ylim(-1.1 * largest, 1.1 * largest)
    lines = []
    if exact is not None:
        error = style.magnitude(sampled.u - exact)
        scale = style.log_scale(error, 7)
        low, top = float(scale.vmin or style.PRECISION_FLOOR), float(scale.vmax or 1.0)
        style.dress(panels[1], x="$x$", y="$|u_\\theta - u^*|$")
        panels[1].set_yscale("log")
        panels[1].set_ylim(0.5 * low, 2 * top)
        (theirs,) = panels[0].plot(sampled.x, exact[0], color=style.REFERENCE, linewidth=5, label="reference")
        (below,) = panels[1].plot(sampled.x, error[0], color=style.WARM, linewidth=1.2)
        lines += [(theirs, exact), (below, error)]
    (ours,) = panels[0].plot(sampled.x, sampled.u[0], color=style.NETWORK, linewidth=1.6, label="network")
    lines.append((ours, sampled.u))
    style.legend(panels[0], loc="upper right")
    title = panels[0].set_title(_time(sampled, 0), fontsize=11, color=style.INK)

    def show(row: int) -> None:
        title.set_text(_time(sampled, row))
        for line, values in lines:
            line.set_ydata(values[row])

    return figure, show


def _in_a_plane(sampled: Any) -> tuple[Figure, Callable[[int], None]]:
    """The same for a field in two dimensions."""
    figure = style.new_figure(5.2, 4.4)
    axes, known = figure.subplots(), sampled.u[np.isfinite(sampled.u)]
    largest = float(np.abs(known).max(initial=0.0)) or 1.0
    colours: dict[str, Any] = {"norm": Normalize(-largest, largest), "cmap": style.diverging(), "shading": "nearest"}
    mesh = axes.pcolormesh(sampled.x, sampled.y, np.ma.masked_invalid(sampled.u[0].T), **colours)
    style.colorbar(figure, mesh, label="$u$", ticks=np.linspace(-largest, largest, 5), ax=axes)
    style.dress(axes, _time(sampled, 0), x="$x$", y="$y$", grid=False)
    axes.set_aspect("equal")

    def show(row: int) -> None:
        mesh.set_array(np.ma.masked_invalid(sampled.u[row].T))
        axes.set_title(_time(sampled, row), fontsize=11, color=style.INK)

    return figure, show


def _time(sampled: Any, row: int) -> str:
    """The time of a frame, with the digits that tell it from those beside it."""
    end = float(sampled.t[-1]) or 1.0
    return f"$t = {sampled.t[row]:.{max(0, 3 - math.floor(math.log10(end)))}f}$"


def write_film(figure: Figure, show: Callable[[int], None], frames: Iterable[int], path: Path) -> Path:
    """Write a film whole, frame after frame; its suffix says which kind.

    Args:
        figure: what is filmed; its layout is that of the first frame.
        show: brings the figure to a frame.
        frames: in order.
        path: .gif, or .mp4 where ffmpeg is installed.
    """
    pillow, ffmpeg = style.film_writers()
    writer = (ffmpeg if path.suffix == ".mp4" else pillow)(fps=RATE)

    def write(draft: Path) -> None:
        with writer.saving(figure, str(draft), DPI):
            for number, frame in enumerate(frames):
                show(frame)
                if number == 1:
                    figure.set_layout_engine("none")  # which would take most of the time, and jump
                writer.grab_frame(facecolor="white")

    path.parent.mkdir(parents=True, exist_ok=True)
    return write_whole(path, write)
