# %% [markdown]
# # Comparing methods
#
# *A tutorial; ten minutes to read, two minutes to run.*
#
# Which optimizer is best? It depends on what is held fixed. Here network, points, ansatz and seeds are the same,
# four optimizers differ, and the error is the true one, against the spectral reference. It is drawn against
# seconds and against evaluations of the gradient, because these tell different stories.

# %%
import pinn_ac
from pinn_ac.ansatz import Lifted
from pinn_ac.models import MLP, Periodic
from pinn_ac.optimizers import SOAP, Adam, LevenbergMarquardt, SSBroyden
from pinn_ac.sampling import LatinHypercube

problem = pinn_ac.AllenCahn(diffusivity=1e-2, reaction_rate=3)
common = {
    "network": MLP(width=16, depth=2),
    "embedding": Periodic(modes=3),
    "ansatz": Lifted(),
    "sampler": LatinHypercube(512),
    "windows": 1,
    "progress": False,
    "reference": True,  # so that the history has the true error
}
optimizers = {
    "Adam": Adam(learning_rate=3e-3, steps=1500),
    "SOAP": SOAP(learning_rate=3e-3, steps=1500),
    "SSBroyden": SSBroyden(steps=400),
    "Levenberg–Marquardt": LevenbergMarquardt(steps=60),
}
runs = {
    name: [pinn_ac.fit(problem, optimizer=optimizer, seed=seed, **common) for seed in (0, 1, 2)]
    for name, optimizer in optimizers.items()
}

# %% [markdown]
# A solution keeps its history: one mapping a logged step, with the loss, the seconds, the number of evaluations,
# and now and then the error.

# %%
first = runs["Adam"][0]
print({name: first.history[-1][name] for name in ("step", "evaluations", "loss", "relative_l2")})

# %%
import matplotlib.pyplot as plt

from pinn_ac.reporting.style import CATEGORICAL  # colours that colour-blind readers can tell apart

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), sharey=True, layout="constrained")
for colour, (name, solutions) in zip(CATEGORICAL, runs.items(), strict=False):
    for solution in solutions:
        measured = [entry for entry in solution.history if "relative_l2" in entry]
        error = [entry["relative_l2"] for entry in measured]
        left.semilogy([entry["seconds"] for entry in measured], error, color=colour)
        label = name if solution is solutions[0] else None
        right.loglog([entry["evaluations"] for entry in measured], error, color=colour, label=label)
left.set(xlabel="seconds, compilation included", ylabel="relative L2 error")
right.set(xlabel="evaluations of the gradient, or of J")
_ = right.legend(loc="lower left")

# %% [markdown]
# (The seconds are those of the machine that made this page, two cores with other work on them: they say which
# method takes longer to compile, and little else.)

# %%
print(f"{'':20} {'best':>9} {'median':>9} {'worst':>9}")
for name, solutions in runs.items():
    best, median, worst = sorted(solution.error() for solution in solutions)
    print(f"{name:20} {best:9.1e} {median:9.1e} {worst:9.1e}")

# %% [markdown]
# ## What a fair comparison needs
#
# - **One reference**, not the loss: a loss can be small where the solution is wrong, and its size depends on
#   weights and points.
# - **Several seeds**: give the median and the spread. With three seeds, differences of less than the spread say
#   nothing.
# - **A budget that is the same for all**: the seconds of one idle machine, with compilation or without, said so.
#   An evaluation of the Jacobian $J$ costs far more than one of a gradient.
# - **Each method's own settings**: the published ones, or a search for each with the same effort.
#
# The command `compare` does all this. It trains experiments with several seeds under any launcher, goes on where
# it was interrupted, and writes one table as CSV, Markdown and a page with both pictures:
#
# ```sh
# python scripts/compare.py experiments=[plain,broyden] seeds=[0,1,2] seconds=120 size=small
# ```
#
# Experiments with published settings, what they are said to reach, and what they reach here: [published
# methods](../docs/methods.md). Our own numbers: [results](../docs/results.md).
