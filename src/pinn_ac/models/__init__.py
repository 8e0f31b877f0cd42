"""Networks (Flax) and the embeddings that feed them, one module each."""

from pinn_ac.models.mlp import MLP
from pinn_ac.models.modified_mlp import ModifiedMLP
from pinn_ac.models.periodic import Periodic
from pinn_ac.models.random_features import RandomFeatures
from pinn_ac.models.splitting import Splitting

__all__ = ["MLP", "ModifiedMLP", "Periodic", "RandomFeatures", "Splitting"]
