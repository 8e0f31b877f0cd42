"""What a run says is printed once, and kept in its folder."""

import io
import logging
import logging.config
from contextlib import redirect_stderr

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from composed import CONFIGS
from pinn_ac.app import config as app_config
from pinn_ac.app.train import Logged
from typed import own_process


def test_what_the_display_has_shown_is_in_the_log_and_not_on_the_console(tmp_path):
    """With logging as Hydra sets it up from our config."""
    app_config.register()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        settings = compose("config", return_hydra_config=True).hydra.job_logging
    settings.handlers.file.filename = str(tmp_path / "train.log")
    with own_process(), redirect_stderr(io.StringIO()) as console:
        logging.config.dictConfig(OmegaConf.to_container(settings, resolve=True))
        Logged("seed=3").say("The network over-fits.")
        logging.getLogger("pinn_ac.app.cli").warning("Saved.")
    assert console.getvalue() == "Saved.\n"
    first, second = (tmp_path / "train.log").read_text().splitlines()
    assert first.endswith("seed=3: The network over-fits.")
    assert second.endswith("Saved.")
