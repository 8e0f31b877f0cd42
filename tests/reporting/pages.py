"""A run and several runs with known numbers, for the tests of their pages."""

from types import SimpleNamespace

import numpy as np

from pinn_ac.evaluation import Sampled, spectral_slope
from pinn_ac.problem import AllenCahn, Cosine
from pinn_ac.reporting.page_data import RunPage
from pinn_ac.reporting.sweep_page import Run, RunsPage

PROBLEM = AllenCahn(initial_condition=Cosine())
T, X = np.linspace(0, 1, 21), -1 + 2 * np.arange(32) / 32
EXACT = np.exp(-T[:, None]) * np.cos(np.pi * X)
ERROR = 1e-9 * (1 + T[:, None]) * np.sin(np.pi * X + 0.3)


def history(windows: int = 2, steps: int = 10) -> list[dict]:
    """Losses that fall in each of several windows; an error every fifth step."""
    lines = []
    for step in range(1, windows * steps + 1):
        window = (step - 1) // steps + 1
        stage = f"{window}/{windows} adam" if windows > 1 else "adam"
        entry = {"step": step, "seconds": 0.5 * step, "loss": 0.5 ** (step % steps), "stage": stage}
        lines.append(entry | ({"relative_l2": 10.0**-step} if step % 5 == 0 else {}))
    return lines


def a_run(known: bool = True, **others) -> RunPage:
    """A run whose error is ERROR everywhere."""
    u = EXACT + ERROR
    exact = SimpleNamespace(t=T, x=X, u=EXACT, label="exact")
    metrics = {"relative_l2": 1e-9, "estimated_relative_l2": 2e-9, "estimate_unreliable": False, "steps": 20}
    points = np.array([[0.1, 0.2, 1e-3], [0.5, -0.5, -1e-6], [0.9, 0.9, 1e-4]])
    chosen = {
        "title": "A <run>",
        "problem": PROBLEM,
        "metrics": metrics | {"relative_l2_by_time": [1e-9] * len(T), "versions": {"jax": "0.10"}},
        "history": history(),
        "sampled": Sampled(T, X, u, spectral_slope(PROBLEM, u), 1e-3 * (1 + T[:, None] * X**2)),
        "reference": exact if known else None,
        "points": points,
        "breaks": [0.5],
        "config": "name: </script><b>x</b>\n",
        "commands": ["python scripts/train.py experiment=plain 'name=a b'"],
    }
    return RunPage(**chosen | others)


def some_runs(is_going_on: bool = False, **others) -> RunsPage:
    """Two widths with two seeds each; one run failed."""
    rows = [
        {"width": width, "name": f"width={width}", "median error": error, "runs": 2}
        for width, error in ((8, 1e-4), (4, 1e-2))
    ]
    runs, members = [], []
    for width, error in ((8, 1e-4), (4, 1e-2)):
        for seed in (0, 1):
            failed = width == 4 and seed == 1
            name = f"width={width},seed={seed}"
            value, status = (None, "failed") if failed else (error * (seed + 1), "finished")
            link = "" if failed else f"{name}/report.html"
            failure = "The loss is <not> finite." if failed else ""
            runs.append({"run": name, "status": status, "relative_l2": value, "failure": failure, "link": link})
            curve = [(1.0, 1.0), (10.0, error)]
            curves = {"seconds": curve, "evaluations": [(10 * s, e) for s, e in curve]}
            members.append(Run(name, f"width={width}", status, {"width": width}, value, curves, link))
    columns = {"width": "width", "median error": "median error", "runs": "runs"}
    run_columns = {"run": "run", "status": "status", "relative_l2": "error", "failure": "what happened"}
    made = {"title": "Sweep", "about": ["4 runs."], "what": "Configurations", "columns": columns, "rows": rows}
    made |= {"run_columns": run_columns, "runs": runs, "members": members, "is_going_on": is_going_on}
    return RunsPage(**made | others)
