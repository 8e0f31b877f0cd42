"""Show the reference's refinement tables: python scripts/reference.py problem.diffusivity=1e-3 (see --help)."""

from pinn_ac.app.commands import reference

if __name__ == "__main__":
    reference()
