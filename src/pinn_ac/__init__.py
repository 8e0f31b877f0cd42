"""Physics-informed neural networks for the Allen–Cahn equation, with their own differentiation.

>>> import pinn_ac
>>> run = pinn_ac.load_run("outputs/default/2026-01-31_12-00-00-000000")
>>> run.predict(t=0.5, x=[-0.5, 0.0, 0.5]).shape
(3,)
>>> sorted(run.derivatives(t=0.5, x=0.0))
['residual', 'u', 'u_t', 'u_x', 'u_xx']
"""

from pinn_ac.app.saved_run import Run, load_run
from pinn_ac.errors import InputError
from pinn_ac.problem import AllenCahn

__all__ = ["AllenCahn", "InputError", "Run", "load_run"]
