"""The kinds of objects that a run is made of: what each has to offer, whichever door it comes in by."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from pinn_ac.errors import require, require_object


class Kind(NamedTuple):
    """Objects that may stand in one place of a run.

    Args:
        room: the package or module of pinn_ac whose `__all__` names ours.
        offers: a method that every object of the kind has, and objects of other kinds in the same room do not.
        example: one of ours.
        others: what else a run asks of every object of the kind.
    """

    room: str
    offers: str
    example: str
    others: tuple[str, ...] = ()


OF_A_REGIME = ("draws", "counts", "weights", "stages", "terms", "box", "points", "change", "remember")
"""What `Regime` has besides `recalled`."""

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "network": Kind("models", "apply", "MLP()", ("init",)),
        "embedding": Kind("models", "even", "Periodic()", ("__call__",)),
        "ansatz": Kind("ansatz", "combine", "Soft()", ("exact_at_start",)),
        "derivatives": Kind("derivatives", "__call__", "OwnTaylor()"),
        "gradient": Kind("gradients", "linearize", "JaxGradient()", ("value_and_grad",)),
        "sampler": Kind("sampling", "draw", "Sobol()", ("num_points", "num_initial", "resample_every", "hides")),
        "optimizer": Kind("optimizers", "build", "Adam()", ("steps",)),
        "weighting": Kind("weighting", "update", "Causal()", ("init", "renew", "figures")),
        "regime": Kind("regimes", "recalled", "Curriculum()", OF_A_REGIME),
        "tracker": Kind("tracking", "log", "Jsonl(PATH)", ("start", "say", "finish")),
    }
)
"""What a user may choose → its kind."""


def require_kind(name: str, value: Any) -> None:
    """Refuse what is no object of the kind that `name` names.

    Raises:
        InputError: it is a class, an object of another kind, or lacks something that a run asks of it.

    >>> from pinn_ac.sampling import Sobol
    >>> require_kind("sampler", Sobol())
    """
    kind = KINDS[name]
    require_object(name, value)
    is_short = isinstance(value, str | int | float | list | tuple)
    said = repr(value) if is_short else f"of the class {type(value).__name__}"
    is_one = callable(getattr(value, kind.offers, None))
    require(is_one, f"{name} is {said}: give one of pinn_ac.{kind.room}, such as {kind.example}.")
    missing = [one for one in kind.others if not hasattr(value, one)]
    require(
        not missing,
        f"The {name} {type(value).__name__} has no {', '.join(missing)}, which a run asks of it: define it, as the "
        f"classes of pinn_ac.{kind.room} do.",
    )
