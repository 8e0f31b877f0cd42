"""The names of what may be known of a problem beside its residual."""

from collections.abc import Mapping
from types import MappingProxyType

CAPABILITIES: Mapping[str, str] = MappingProxyType(
    {
        "lift": "the heat flow of the initial condition (`diffusion`)",
        "flow": "the exact flow of the reaction alone (`flow`)",
        "spectral": "a declared linear part and nonlinear term (`diffusion` or `symbol`, and `reaction` or `flux`)",
        "energy": "an energy (`energy_density`)",
        "bound": "a bound of its solutions (`bound`)",
    }
)
"""What may be known of a problem beside its residual: name → in words, with the members that define it."""
