"""How many threads SciPy's LAPACK uses while a run trains."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import scipy.linalg  # noqa: F401  # so that its LAPACK is loaded, and can be told
from threadpoolctl import ThreadpoolController


@contextmanager
def lapack_on_one_thread() -> Iterator[None]:
    """Within it SciPy's LAPACK, which JAX calls on a CPU, does not split its factorizations.

    Measured on two cores with 1000 rows: one thread takes 13 ms. Two take 28 ms, and 1300 ms once another
    process wants a core too, since they wait for each other at every block. NumPy's BLAS keeps its threads.

    The limit is the process's, not the thread's: of several trainings at once the last one to end lifts it.
    """
    with _lapack.lock:
        if _lapack.users == 0:
            _lapack.limiter = limit_lapack()
        _lapack.users += 1
    try:
        yield
    finally:
        with _lapack.lock:
            _lapack.users -= 1
            if _lapack.users == 0:
                _lapack.limiter.restore_original_limits()


class _Lapack:
    """Who wants LAPACK on one thread now, and what undoes that."""

    def __init__(self) -> None:
        self.lock, self.users = threading.Lock(), 0
        self.limiter: Any = None


_lapack = _Lapack()


def limit_lapack() -> Any:
    """Limit it, and return what lifts that again."""
    libraries = ThreadpoolController()
    ours = [library["filepath"] for library in libraries.info() if "scipy.libs" in library["filepath"]]
    return libraries.select(filepath=ours).limit(limits=1)
