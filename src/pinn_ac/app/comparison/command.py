"""The command `compare`: a comparison by Hydra, or the table of one that is there."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import jax
from omegaconf import DictConfig

from pinn_ac.app.comparison.plan import SETTINGS
from pinn_ac.app.comparison.result import report
from pinn_ac.app.run import train
from pinn_ac.errors import expanded, require

SWEEPER = "hydra.sweeper."


def main(words: Sequence[str], compare: Callable[[], Any]) -> None:
    """Compare, or write the table of a folder that the words name.

    Args:
        words: of the command line, as the user wrote them.
        compare: the Hydra application, which reads them from `sys.argv`, where they stand as Hydra wants them.

    Raises:
        InputError: the words name a folder and something else.
    """
    named = [word for word in words if word.startswith("run=")]
    if len(words) == 1 and "=" not in words[0] and not words[0].startswith(("-", "~")):
        named = list(words)
    folders = [expanded(word.removeprefix("run=")) for word in named]
    if not folders:
        sys.argv[1:] = [for_sweeper(word) for word in sys.argv[1:]]
        compare()
        return
    require(
        len(words) == 1,
        f"run={folders[0]} writes the table of the runs that are there: give nothing else with it. To go on with the "
        f"runs: the same words as before and hydra.run.dir={folders[0]}",
    )
    report(folders[0])


def for_sweeper(word: str) -> str:
    """A setting of the comparison as Hydra knows it: one of its sweeper's.

    >>> for_sweeper("seeds=[0,1]"), for_sweeper("seed=0")
    ('hydra.sweeper.seeds=[0,1]', 'seed=0')
    """
    return f"{SWEEPER}{word}" if word.partition("=")[0] in SETTINGS else word


def train_for_comparison(config: DictConfig) -> float:
    """Train one run of a comparison, which compiles all of its programs itself, whatever was compiled before."""
    jax.config.update("jax_enable_compilation_cache", False)
    jax.clear_caches()
    return train(config)
