"""The figure of an inverse run: the fit, what it leaves of the data, and how sure the unknowns are."""

from typing import Any, Protocol

import numpy as np

from pinn_ac.reporting import style
from pinn_ac.reporting.style import Axes, Figure, MaxNLocator

LEVELS = ((0.6827, 2.2957), (0.9545, 6.1801))
"""Probability of a confidence region of two unknowns, and the χ² of two degrees of freedom at its edge."""


class Data(Protocol):
    """Observations u at (t, x), each (m,)."""

    @property
    def t(self) -> Any: ...
    @property
    def x(self) -> Any: ...
    @property
    def u(self) -> Any: ...


class Found(Protocol):
    """What was inferred: see :class:`pinn_ac.inverse.Inferred`."""

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def found(self) -> np.ndarray: ...
    @property
    def residuals(self) -> np.ndarray: ...
    @property
    def sigma(self) -> np.ndarray | None: ...
    @property
    def noise(self) -> float: ...
    @property
    def covariance(self) -> np.ndarray: ...
    @property
    def standard_errors(self) -> np.ndarray: ...


def draw_inferred(data: Data, inferred: Found) -> Figure:
    """Three panels: the fit against the data, residuals over (t, x) in units of σ, how sure the unknowns are.

    The last has the regions of confidence of two unknowns; of one, of more, or where the data do not determine one,
    two standard errors of each.

    Args:
        data: the observations.
        inferred: what they say.
    """
    figure = style.new_figure(12.6, 3.9)
    fit, rest, region = figure.subplots(1, 3)
    values, sigma = (
        np.asarray(data.u) + inferred.residuals,
        inferred.noise if inferred.sigma is None else inferred.sigma,
    )
    ends = [float(min(values.min(), data.u.min())), float(max(values.max(), data.u.max()))]
    fit.plot(ends, ends, color=style.REFERENCE, linewidth=1.2)
    fit.plot(data.u, values, ".", color=style.NETWORK, markersize=4)
    style.dress(fit, "fit", "observed u", "u of the solution")
    shares = -inferred.residuals / (np.asarray(sigma) + 1e-300)
    reach = max(3.0, float(np.percentile(np.abs(shares), 99)))
    points = rest.scatter(
        data.t,
        data.x,
        c=shares,
        s=14,
        cmap=style.diverging(),
        vmin=-reach,
        vmax=reach,
        edgecolors=style.FAINT,
        linewidths=0.3,
    )
    style.dress(rest, "data less fit, in units of σ", "t", "x")
    style.colorbar(figure, points, ax=rest)
    if len(inferred.names) == 2 and np.isfinite(inferred.standard_errors).all():
        _ellipse(region, inferred)
    else:
        _errors(region, inferred)
    return figure


def _ellipse(axes: Axes, inferred: Found) -> None:
    """Joint confidence regions of two unknowns, ellipses of their logarithms."""
    angle = np.linspace(0, 2 * np.pi, 181)
    root = np.linalg.cholesky(inferred.covariance)
    ways = inferred.standard_errors / np.sqrt(np.diag(inferred.covariance))  # ∂θ/∂η
    for (probability, chi), line in zip(LEVELS, ("-", "--"), strict=True):
        edge = np.sqrt(chi) * root @ np.stack([np.cos(angle), np.sin(angle)])
        first, second = (
            value * np.exp(way / value * one) if np.isclose(abs(value), way) else value + way * one
            for value, way, one in zip(inferred.found, ways, edge, strict=True)
        )
        axes.plot(first, second, line, color=style.NETWORK, linewidth=1.2, label=f"{100 * probability:.0f} %")
    axes.plot(*inferred.found, "+", color=style.WARM, markersize=9)
    x, y = (name.replace("_", " ") for name in inferred.names)
    style.dress(axes, "confidence region", x, y)
    axes.ticklabel_format(style="sci", scilimits=(-3, 4), useOffset=False)
    axes.xaxis.set_major_locator(MaxNLocator(3))  # numbers of many digits, where the data are sure
    style.legend(axes)


def _errors(axes: Axes, inferred: Found) -> None:
    """One bar of two standard errors for each unknown, relative to its value where that is not one of many."""
    errors, many = inferred.standard_errors, len(inferred.names) > 4
    middle = inferred.found if many else np.ones(len(errors))
    scale = np.ones(len(errors)) if many else np.abs(inferred.found)
    known, places = np.isfinite(errors), np.arange(len(errors))
    axes.errorbar(
        places[known],
        middle[known],
        2 * (errors / scale)[known],
        fmt="o",
        color=style.NETWORK,
        markersize=4,
        capsize=3,
        linewidth=1,
    )
    axes.plot(places[~known], middle[~known], "x", color=style.WARM, label="not determined by these data")
    style.dress(axes, "two standard errors", "", "value" if many else "relative to its value")
    axes.set_xticks(places, [name.replace("_", "\n") for name in inferred.names], rotation=60 if many else 0)
    axes.margins(x=0.3)
    if not known.all():
        style.legend(axes)
