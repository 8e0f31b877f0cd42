"""How a solution shows itself: a line in a terminal; in a notebook a small picture and what is known of its error."""

import html
import io
import math
from abc import abstractmethod
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from pinn_ac.reporting.tables import show

GRID = (97, 192)
"""Times and points of the small picture."""
DPI = 80


class Shown:
    """What Python and a notebook ask a solution for; :class:`pinn_ac.Solution` inherits from it.

    Nothing is solved for: an error or an estimate is shown if the run has computed it, and otherwise the call that
    would.

    Example:
        The last line of a notebook's cell::

            pinn_ac.fit(pinn_ac.Burgers(viscosity=0.1))
    """

    experiment: Any
    metrics: dict[str, Any]
    history: Sequence[Mapping[str, Any]]

    @property
    @abstractmethod
    def num_parameters(self) -> int:
        """How many numbers were found by training."""

    @abstractmethod
    def __call__(self, t: Any, x: Any) -> Any:
        """u at (t, x)."""

    def __repr__(self) -> str:
        error = self._known_error
        words = [*self._size, *([] if error is None else [f"relative L2 error {error:.1e}"])]
        return f"Solution of {self.experiment.problem!r}: {', '.join(words)}"

    def _repr_png_(self) -> bytes | None:
        return self._picture

    def _repr_html_(self) -> str:
        picture = self._picture
        data = "" if picture is None else b64encode(picture).decode()
        image = f'<img alt="u(t, x)" src="data:image/png;base64,{data}">' if data else ""
        rows = "".join(
            f'<tr><td style="text-align:left;opacity:0.65">{name}</td><td style="text-align:left">{value}</td></tr>'
            for name, value in self._rows().items()
        )
        return (
            '<div style="display:flex;flex-wrap:wrap;align-items:center;gap:1em">'
            f'{image}<table><caption style="text-align:left"><code>'
            f"{html.escape(repr(self.experiment.problem))}</code></caption>{rows}</table></div>"
        )

    def _rows(self) -> dict[str, str]:
        """Name → value, as HTML."""
        error, metrics = self._known_error, self.metrics
        rows = {"relative L² error": "<code>solution.error()</code> measures it" if error is None else f"{error:.1e}"}
        if "estimate_unreliable" in metrics:
            estimate = _shown(metrics.get("estimated_relative_l2"))
            rows["estimated"] = f"{estimate}{' (unreliable)' if metrics['estimate_unreliable'] else ''}"
        else:
            rows["estimated"] = "<code>solution.estimate()</code> estimates it"
        rows["network"] = ", ".join(self._size)
        if "train_seconds" in metrics:
            rows["training"] = f"{_shown(metrics['train_seconds'], 'seconds')}, {_shown(metrics.get('steps'))} steps"
        if metrics.get("ended_by"):
            rows["ended by"] = _shown(metrics["ended_by"])
        return rows

    @property
    def _size(self) -> list[str]:
        """Windows if there are several, parameters, precision."""
        windows = self.experiment.windows
        several = [f"{windows} time windows"] if windows > 1 else []
        return [
            *several,
            f"{self.num_parameters} parameters",
            "float64" if self.experiment.compute.double else "float32",
        ]

    @property
    def _known_error(self) -> float | None:
        """The measured error of the whole solution, if the run has one: that of its best parameters."""
        last = _part(self.history[-1]) if self.history else ""  # held-out losses of other parts are of other problems
        known = [entry for entry in self.history if None not in (entry.get("relative_l2"), _held_out(entry))]
        measured = [entry for entry in known if _part(entry) == last]
        best = min(measured, key=_held_out)["relative_l2"] if measured else None
        error = self.metrics.get("relative_l2", best)
        return None if error is None or not math.isfinite(error) else float(error)

    @cached_property
    def _picture(self) -> bytes | None:
        """u over (t, x) as PNG; None where x is no interval."""
        problem, file = self.experiment.problem, io.BytesIO()
        if np.shape(problem.domain) != (2,):
            return None
        from pinn_ac.reporting.fields import draw_small  # only here, as matplotlib is slow to import

        t, x = np.linspace(0.0, problem.horizon, GRID[0]), problem.grid(GRID[1])
        draw_small(problem, t, x, self(t[:, None], x[None, :])).savefig(file, format="png", dpi=DPI)
        return file.getvalue()


def _shown(value: Any, *name: str) -> str:
    """A metric as HTML; those of a folder may hold any text."""
    return html.escape(show(value, *name))


def _part(entry: Mapping[str, Any]) -> str:
    """The time window or the stage of a regime that a line of the history is of: "2/4"; "" where there is but one."""
    first, _, method = str(entry.get("stage", "")).partition(" ")
    return first if method else ""


def _held_out(entry: Mapping[str, Any]) -> Any:
    """By which a run chooses its best parameters."""
    return entry.get("validation_loss")
