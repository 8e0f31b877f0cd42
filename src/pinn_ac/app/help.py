"""The groups of the configs with a line each, for the `--help` of a command."""

import shutil
from collections.abc import Mapping
from types import MappingProxyType

from pinn_ac.app.config_folder import CONFIGS, options

SUMMARIES: Mapping[str, str] = MappingProxyType(
    {
        "experiment": "complete settings",
        "problem": "the equation",
        "problem/initial_condition": "u(0, x)",
        "model": "the network",
        "embedding": "the network's inputs",
        "ansatz": "how it becomes u(t, x)",
        "derivatives": "engines for u_t, u_xx, …",
        "gradient": "who differentiates the loss",
        "loss": "norm and terms",
        "weighting": "adaptive weights",
        "regime": "how the problem changes",
        "sampler": "collocation points",
        "optimizer": "the method",
        "stages": "several in turn",
        "size": "as published, or small",
        "tracker": "who records the run",
        "hydra/launcher": "where a sweep runs",
        "hydra/sweeper": "what a sweep tries",
    }
)
"""Group → what it chooses, in the order of the help; groups without a summary follow."""
UNSAID = ("size/network", "hydra/help")
"""Groups that others choose for the user."""
NARROWEST, WIDEST = 80, 120


def groups() -> list[str]:
    """All config groups that a user chooses options of, in the order of the help."""
    found = {path.parent.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob("*/*.yaml")} - {".", *UNSAID}
    return [*(name for name in SUMMARIES if name in found), *sorted(found - set(SUMMARIES))]


def listed(wanted: str = "", width: int | None = None) -> str:
    """One line a group: its name, what it chooses, and as many of its options as fit.

    Args:
        wanted: names of groups, separated by spaces; all groups if it is empty.
        width: of a line; by default that of the terminal.

    >>> print(listed("gradient loss", 80))
      gradient                   who differentiates the loss: jax, own
      loss                       norm and terms: gradient_enhanced, l1, mse
    """
    width = min(max(width or shutil.get_terminal_size().columns, NARROWEST), WIDEST)
    lines = []
    for group in wanted.split() or groups():
        summary = f"{SUMMARIES[group]}: " if group in SUMMARIES else ""
        start = f"  {group:<27}{summary}"
        lines.append(start + _as_many(_own(group), width - 1 - len(start)))
    return "\n".join(lines)


def _own(group: str) -> list[str]:
    """The options of a group; of one that lies in several folders, all."""
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml")) or options(group)


def _as_many(names: list[str], room: int) -> str:
    """The first names, as many as there is room for, and how many there are where some are left out."""
    whole = ", ".join(names)
    if len(whole) <= room:
        return whole
    end = f", … ({len(names)})"
    shown = names[:1]
    for name in names[1:]:
        if len(", ".join([*shown, name]) + end) > room:
            break
        shown.append(name)
    return ", ".join(shown) + end
