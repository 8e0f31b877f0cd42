"""Networks (Flax) and the embeddings that feed them, one module each."""

from pinn_ac.models.chebyshev_kan import ChebyshevKAN
from pinn_ac.models.mlp import MLP
from pinn_ac.models.modified_mlp import ModifiedMLP
from pinn_ac.models.periodic import Periodic
from pinn_ac.models.piratenet import PirateNet
from pinn_ac.models.random_features import RandomFeatures
from pinn_ac.models.separable import Separable
from pinn_ac.models.siren import Siren
from pinn_ac.models.splitting import Splitting

__all__ = [
    "MLP",
    "ChebyshevKAN",
    "ModifiedMLP",
    "Periodic",
    "PirateNet",
    "RandomFeatures",
    "Separable",
    "Siren",
    "Splitting",
]
