"""A step of the unknowns: damped least squares in the logarithms, what it would gain, and how the damping follows."""

import numpy as np

LONGEST = 1.0
"""The largest change of an unknown in one step: a factor of e."""
DAMPING, DECREASE, INCREASE = 1e-2, 0.1, 2.0
"""λ at first, the least factor on it after a step that was as good as foreseen, and that after one that was not."""
WEAKEST = 1e-2
"""Of the longest column of S: a shorter one is damped as if it were as long."""


def damped_step(rho: np.ndarray, S: np.ndarray, damping: float) -> np.ndarray:
    """argmin ‖ρ + S δ‖² + λ ‖C δ‖², each entry cut to `LONGEST`; C the lengths of the columns of S.

    A column that is shorter than `WEAKEST` of the longest counts as that long, so that what the data hardly feel
    stays where it is. Directions that S feels less than 1e-9 of the largest get no step.

    Source: J. J. Moré, in Numerical Analysis, Lecture Notes in Mathematics 630 (1978) 105–116.

    Args:
        rho, S: (m,) and (m, p).
        damping: λ ≥ 0.

    >>> import numpy as np
    >>> damped_step(np.array([0.5, -0.25]), np.eye(2), 0.0).tolist()
    [-0.5, 0.25]
    """
    lengths = np.linalg.norm(S, axis=0)
    if not lengths.max() > 0:
        return np.zeros(S.shape[1])
    lengths = np.maximum(lengths, WEAKEST * lengths.max())
    U, values, rows = np.linalg.svd(S / lengths, full_matrices=False)
    filtered = np.where(values > 1e-9 * values[0], values / (values**2 + damping), 0.0)
    step = -(rows.T @ (filtered * (U.T @ rho))) / lengths
    return np.clip(step, -LONGEST, LONGEST)


def foreseen(rho: np.ndarray, S: np.ndarray, enough: float) -> tuple[float, float]:
    """By how much a whole Gauss–Newton step would lower ‖ρ‖², and its largest entry.

    Of the singular directions of S those that would lower it by less than `enough` do not count for the step: what
    the data do not determine has long steps that gain nothing.
    """
    U, values, rows = np.linalg.svd(S, full_matrices=False)
    share = np.where(values > 1e-9 * max(values[0], 1e-300), U.T @ rho, 0.0)
    counts = share**2 > enough
    step = rows[counts].T @ (share[counts] / values[counts])
    return float(np.sum(share**2)), float(np.abs(step).max())


def relaxed(rho: np.ndarray, S: np.ndarray, step: np.ndarray, new: np.ndarray) -> float:
    """The factor on λ after a step that lowered ‖ρ‖ to that of `new`, by how much of what was foreseen it did.

    Source: H. B. Nielsen, Damping parameter in Marquardt's method, IMM-REP-1999-05.
    """
    foreseen = float(rho @ rho) - float(np.sum((rho + S @ step) ** 2))
    share = (float(rho @ rho) - float(new @ new)) / max(foreseen, 1e-300)
    return max(DECREASE, 1 - (2 * min(share, 1.0) - 1) ** 3)
