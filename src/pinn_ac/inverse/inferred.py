"""What the data say of the unknowns, and how sure that is."""

from dataclasses import dataclass
from typing import Any

import numpy as np

FACTOR = 1.0
"""The largest standard error of the logarithm of an unknown that is still a number: more than a factor of e either
way is no answer, and the linearization that gave it says nothing any more."""
NUMERICAL = 1e-7
"""Of the largest sensitivity: a smaller one is not told from zero by the solver."""


@dataclass(frozen=True, eq=False)
class Inferred:
    """The estimate θ̂ of the unknowns and its uncertainty, from observations u_i = u(t_i, x_i; θ) + ε_i.

    θ̂ minimises Σ (u(t_i, x_i; θ) − u_i)²/σ_i² over the solutions of the equation. With S = ∂u/∂(log θ) at the data
    and Σ = diag(σ_i²) the covariance of log θ̂ is (Sᵀ Σ⁻¹ S)⁻¹ to first order in the noise, and the standard error of
    θ̂_j is θ̂_j times the root of its j-th entry. It attains the Cramér–Rao bound.

    Args:
        names: of the unknowns, p of them.
        found: θ̂, (p,).
        slopes: S, (m, p).
        residuals: u(t_i, x_i; θ̂) − u_i, (m,).
        sigma: σ_i, (m,); None where one σ is estimated, σ² = Σ residuals²/(m − p).
        floor: the error of u that the solver may have left, below which no σ is claimed.
        scales: ∂θ/∂η, (p,), where η are the numbers that S is the slope by; None: the logarithms, so that it is θ̂.
        prior: standard deviations of a normal prior of η, (p,), infinite where there is none; None for none.

    >>> import numpy as np
    >>> found = Inferred(("diffusivity",), np.array([0.1]), np.ones((5, 1)), np.array([1, -1, 1, -1, 0]) * 1e-3)
    >>> f"{found.noise:.1e}, {found.standard_errors[0]:.1e}"
    '1.0e-03, 4.5e-05'
    """

    names: tuple[str, ...]
    found: np.ndarray
    slopes: np.ndarray
    residuals: np.ndarray
    sigma: np.ndarray | None = None
    floor: float = 0.0
    scales: np.ndarray | None = None
    prior: np.ndarray | None = None

    @property
    def degrees_of_freedom(self) -> float:
        """m − p; where some of the p unknowns have a prior, m less how many of them the data determine.

        That is tr(C Sᵀ Σ⁻¹ S), C the covariance: so many numbers are fitted to the data, the others to the prior.
        """
        if not self._has_prior:
            return len(self.residuals) - len(self.names)
        values, rows = self._svd
        return len(self.residuals) - float(np.sum((self._of_data @ rows.T / np.maximum(values, 1e-300)) ** 2))

    @property
    def noise(self) -> float:
        """σ; where it was given, its root mean square."""
        if self.sigma is not None:
            return float(np.sqrt(np.mean(self.sigma**2)))
        return max(float(np.sqrt(np.sum(self.residuals**2) / max(self.degrees_of_freedom, 1))), self.floor)

    @property
    def chi_squared(self) -> float | None:
        """Σ residuals²/σ_i² over the degrees of freedom, 1 or so if σ and the equation are right; None without σ."""
        if self.sigma is None:
            return None
        return float(np.sum((self.residuals / self._deviations) ** 2) / max(self.degrees_of_freedom, 1))

    @property
    def _has_prior(self) -> bool:
        return self.prior is not None and bool(np.isfinite(self.prior).any())

    @property
    def _deviations(self) -> np.ndarray | float:
        """σ_i, each with what the solver may be off by."""
        return (self.noise or 1e-300) if self.sigma is None else np.hypot(self.sigma, self.floor)

    @property
    def _of_data(self) -> np.ndarray:
        """Σ^(−½) S."""
        return self.slopes / np.reshape(self._deviations, (-1, 1))

    @property
    def _weighted(self) -> np.ndarray:
        """Σ^(−½) S, and a row for each normal prior."""
        if self.prior is None:
            return self._of_data
        return np.vstack([self._of_data, np.diag(1 / self.prior)[np.isfinite(self.prior)]])

    @property
    def _svd(self) -> tuple[np.ndarray, np.ndarray]:
        """The singular values of Σ^(−½) S, (p,), and its right singular vectors as rows."""
        _, values, rows = np.linalg.svd(self._weighted, full_matrices=False)
        return values, rows

    @property
    def condition(self) -> float:
        """Of Σ^(−½) S: the largest standard error of a direction of log θ over the smallest."""
        values, _ = self._svd
        return float(values[0] / values[-1]) if values[-1] > 0 else float("inf")

    @property
    def _is_determined(self) -> np.ndarray:
        """Which singular directions the data determine, (p,)."""
        values, _ = self._svd
        return self._is_felt & (self._has_prior | (values * FACTOR > 1))

    @property
    def _is_felt(self) -> np.ndarray:
        """Which singular directions the data feel at all, or the prior, (p,)."""
        values, _ = self._svd
        if self._has_prior:
            return values > 0
        size = np.sqrt(len(self.residuals)) / (self.noise or 1e-300)
        return values > NUMERICAL * max(values[0], size)

    @property
    def covariance(self) -> np.ndarray:
        """Of log θ̂, (p, p); what a direction that the data do not feel adds to it is infinite."""
        values, rows = self._svd
        kept = self._is_felt
        covariance = (rows[kept].T / values[kept] ** 2) @ rows[kept]
        for row in rows[~kept]:
            covariance = covariance + np.where(np.abs(np.outer(row, row)) > 1e-4, np.inf, 0.0)
        return covariance

    @property
    def standard_errors(self) -> np.ndarray:
        """Of θ̂, (p,); infinite where the data do not determine it."""
        deviations = np.sqrt(np.diag(self.covariance))
        is_free = True if self.prior is None else ~np.isfinite(self.prior)  # known by its logarithm, without a prior
        return np.abs(self._scales) * np.where(is_free & ~(deviations <= FACTOR), np.inf, deviations)

    @property
    def _scales(self) -> np.ndarray:
        return self.found if self.scales is None else self.scales

    @property
    def correlation(self) -> np.ndarray:
        """Of log θ̂, (p, p), as far as it is determined."""
        deviations = np.sqrt(np.diag(self.covariance))
        with np.errstate(invalid="ignore"):
            found = self.covariance / np.outer(deviations, deviations)
        np.fill_diagonal(found, 1.0)
        return found

    @property
    def is_determined(self) -> bool:
        """All unknowns are."""
        return bool(np.isfinite(self.standard_errors).all())

    def sentence(self) -> str | None:
        """What the data do not determine, in one sentence; None where they determine all."""
        if self.is_determined:
            return None
        values, rows = self._svd
        lost = [name for name, one in zip(self.names, self.standard_errors, strict=True) if not np.isfinite(one)]
        if not self._is_determined.any() and len(self.names) > 1:
            which = "every direction is singular"
        else:
            row = rows[-1] * np.sign(rows[-1][np.argmax(np.abs(rows[-1]))])
            powers = zip(self.names, row, strict=True)
            which = "the singular direction is " + " · ".join(
                f"{name}^{power:.2g}" for name, power in powers if abs(power) >= 0.005
            )
        spread = 1 / max(values[-1], 1e-300)
        uncertain = "which they hardly feel" if spread > 10 else f"which they leave uncertain by e^{spread:.2g}"
        size = uncertain if self._is_felt[-1] else "which they do not feel at all"
        fewer = ", or fix one of the unknowns" if len(self.names) > 1 else ""
        return (
            f"The {len(self.residuals)} observations do not determine {' and '.join(lost)}: {which}, {size}; "
            f"observe at other times and places{fewer}."
        )

    def metrics(self) -> dict[str, Any]:
        """As they stand in metrics.json; a value that is not determined is null."""
        finite = np.isfinite(self.standard_errors)
        inferred = {
            name: {
                "value": float(value) if known else None,
                "standard_error": float(error) if known else None,
            }
            for name, value, error, known in zip(self.names, self.found, self.standard_errors, finite, strict=True)
        }
        correlation = [[None if not np.isfinite(one) else float(one) for one in row] for row in self.correlation]
        return {
            "inferred": inferred,
            "inferred_correlation": correlation,
            "inferred_condition": self.condition if np.isfinite(self.condition) else None,
            "inferred_undetermined": self.sentence(),
            "observations": len(self.residuals),
            "degrees_of_freedom": self.degrees_of_freedom,
            "noise": self.noise,
            "noise_is": "given" if self.sigma is not None else "estimated",
            "chi_squared": self.chi_squared,
        }
