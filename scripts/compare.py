"""Compare methods, each with several seeds, in one table: python scripts/compare.py --help."""

from pinn_ac.app.commands import compare

if __name__ == "__main__":
    compare()
