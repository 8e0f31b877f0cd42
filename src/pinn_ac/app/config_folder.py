"""Where the configs lie that the commands compose, and which options each of their groups has."""

from pathlib import Path

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
"""In a checkout a link to the folder `configs/` at its top level; in an installed package a folder of its own."""


def options(group: str) -> list[str]:
    """The options of a config group, sorted.

    Args:
        group: its path below configs/, such as "model" or "problem/initial_condition"; the last part is enough.

    Example:
        >>> options("gradient")
        ['jax', 'own']
    """
    found = [path for path in CONFIGS.rglob(f"{group}/*.yaml") if "experiment" not in path.relative_to(CONFIGS).parts]
    return sorted(path.stem for path in found)
