"""Show the reference's refinement tables: python scripts/reference.py problem.diffusivity=1e-3 (see --help)."""

import hydra
from omegaconf import DictConfig

from pinn_ac import reference
from pinn_ac.app import cli, config

config.register()


@hydra.main(version_base="1.3", config_path="../configs", config_name="reference")
def main(settings: DictConfig) -> None:
    """Refine."""
    cli.execute(lambda settings: reference.study(config.build(settings.problem)), settings)


if __name__ == "__main__":
    cli.start(main)
