"""docs/own_equation.md: what it tells a reader to write works, as a script and from the command line."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

import pinn_ac
from composed import CONFIGS
from pinn_ac.app import config
from pinn_ac.app.assembly import assemble
from pinn_ac.app.objects import allowing
from pinn_ac.errors import InputError
from pinn_ac.problem import Fourier

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "own_equation.md").read_text(encoding="utf-8")
SCRIPT, FILE = (re.search(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)[1] for kind in ("python", "yaml"))


@pytest.mark.landing
def test_the_script_is_short_and_solves_its_equation(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert len(SCRIPT.splitlines()) <= 40
    assert "seconds=30)" in SCRIPT
    small = "steps=12, progress=False, network=MLP(8, 2), sampler=Sobol(256))"
    imports = "from pinn_ac.models import MLP\nfrom pinn_ac.sampling import Sobol\n"
    names = {"__name__": "__main__"}
    exec(imports + SCRIPT.replace("seconds=30)", small), names)
    solution, problem = names["solution"], names["problem"]
    assert problem.capabilities == {"lift", "flow", "spectral"}
    assert type(solution.experiment.field.ansatz).__name__ == "ReactionFlow"
    assert solution.error() < 1e-3
    assert solution.estimate() == pytest.approx(solution.error(), rel=0.5)
    assert len(capsys.readouterr().out.split()) >= 3
    # The reference is that of this equation, whose mean obeys d/dt ∫u = r ∫u(1 − u); by central differences.
    reference = solution.reference()
    means, rates = reference.u.mean(1), 4.0 * (reference.u * (1 - reference.u)).mean(1)
    np.testing.assert_allclose(np.gradient(means, reference.t)[1:-1], rates[1:-1], rtol=1e-3)


def test_the_file_composes_to_the_same_problem(tmp_path, monkeypatch):
    (tmp_path / "my_module.py").write_text(SCRIPT.partition("\nproblem =")[0])
    (tmp_path / "my_configs" / "problem").mkdir(parents=True)
    (tmp_path / "my_configs" / "problem" / "fisher_kpp.yaml").write_text(FILE)
    monkeypatch.syspath_prepend(tmp_path)
    config.register()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        words = ["problem=fisher_kpp", f"hydra.searchpath=[file://{tmp_path / 'my_configs'}]"]
        chosen = compose("config", words)
    with pytest.raises(InputError, match="my_module"):
        assemble(chosen)
    with allowing(["my_module"]):
        problem = assemble(chosen).problem
    assert problem == sys.modules["my_module"].FisherKPP(initial_condition=Fourier(0.5, (0.4,)))
    del sys.modules["my_module"]


def test_the_table_names_members_that_there_are():
    named = re.findall(
        r"`(\w+)(?:\([^)]*\))?(?: = False)?`",
        "\n".join(line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")),
    )
    assert len(named) >= 15
    assert all(hasattr(pinn_ac.Problem, name) for name in named)
