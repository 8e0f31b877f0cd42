"""The problems that the benchmarks measure on, as the command line chooses them."""

from functools import cache

from hydra import compose, initialize_config_dir

from pinn_ac.app.config import register
from pinn_ac.app.config_folder import CONFIGS
from pinn_ac.app.objects import build
from pinn_ac.problem import Problem


def default_problem() -> Problem:
    """The problem of configs/config.yaml."""
    return problem_of(())


@cache
def problem_of(words: tuple[str, ...]) -> Problem:
    """The problem that these words of the command line choose."""
    register()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return build(compose("config", list(words)).problem)
