"""Problems that nothing was tuned to: what `experiment=record` must solve with no setting but the problem's own."""

VARIANTS = {
    "D = 1e-2": ("problem.diffusivity=1e-2",),
    "D = 1e-3": ("problem.diffusivity=1e-3",),
    "D = 1e-5": ("problem.diffusivity=1e-5",),
    "D = 1e-6": ("problem.diffusivity=1e-6",),
    "R = 1": ("problem.reaction_rate=1",),
    "R = 10": ("problem.reaction_rate=10",),
    "R = 20": ("problem.reaction_rate=20",),
    "T = 2": ("problem.horizon=2",),
    "T = 4": ("problem.horizon=4",),
    "T = 10": ("problem.horizon=10",),
    "cos πx": ("problem/initial_condition=cosine",),
    "sin πx": ("problem/initial_condition=sine",),
    "no symmetry": (
        "problem/initial_condition=fourier",
        "problem.initial_condition.mean=0.1",
        "problem.initial_condition.cosine=[0.3,-0.2]",
        "problem.initial_condition.sine=[0.5,0.1,-0.2]",
    ),
    "½ sin 3πx, D = 1e-3": (
        "problem/initial_condition=sine",
        "problem.initial_condition.wavenumber=3",
        "problem.initial_condition.amplitude=0.5",
        "problem.diffusivity=1e-3",
    ),
}
"""What it is → the words of the command line."""
