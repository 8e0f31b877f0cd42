"""Measure speed: python scripts/benchmark.py autodiff, or optimizers (see --help)."""

from pinn_ac.app.commands import benchmark

if __name__ == "__main__":
    benchmark()
