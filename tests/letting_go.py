"""Whether anything holds on to runs that nobody needs any more."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from pinn_ac.loss import Objective


def objectives() -> int:
    """How many there are, each with all that was compiled for its run."""
    gc.collect()
    return sum(isinstance(one, Objective) for one in gc.get_objects())


@contextmanager
def let_go_of() -> Iterator[None]:
    """After the block there are no more of them than before."""
    before = objectives()
    yield
    assert objectives() == before
