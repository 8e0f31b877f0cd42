"""The problem that the benchmarks measure on: the one that the commands solve by default."""

from functools import cache

from hydra import compose, initialize_config_dir

from pinn_ac.app.config import register
from pinn_ac.app.config_folder import CONFIGS
from pinn_ac.app.objects import build
from pinn_ac.problem import Problem


@cache
def default_problem() -> Problem:
    """The problem of configs/config.yaml."""
    register()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return build(compose("config").problem)
