"""A run of a few steps, told to a tracker as the training loop tells it."""

from PIL import Image

from pinn_ac.tracking import tracked

CONFIG = "seed: 0\nmodel:\n  width: 8\ntrain:\n  steps: 5\n"
RESULTS = {"relative_l2": 0.25, "windows": 2, "name": "default", "converged": True, "estimate": float("nan")}


def session(tracker, folder, first, steps, config=CONFIG, **metrics):
    """A session that continues from step `first`; its losses tell it from others."""
    with tracked([tracker], {"folder": folder, "step": first, "config": config}) as found:
        for step in steps:
            stage = "adam" if step < 4 else "lbfgs"
            tracker.log(step, stage, {"seconds": 0.5 * step, "loss": 10.0 * first + step})
        tracker.say("The loss is not finite.")
        found.update(metrics)


def with_figures(folder):
    """A run's folder with what its report leaves there."""
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), (0, 158, 115)).save(folder / "solution.png")
    (folder / "report.html").write_text("<p>A page.</p>")
    return folder
