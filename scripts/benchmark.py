"""Measure speed: python scripts/benchmark.py autodiff, or optimizers (see --help)."""

from pinn_ac.app.benchmarks.command import main

if __name__ == "__main__":
    main()
