"""Compare methods, each with several seeds, in one table (see --help)."""

from pinn_ac.app.commands import compare

if __name__ == "__main__":
    compare()
