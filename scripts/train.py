"""Train a PINN: python scripts/train.py model=mlp (see --help)."""

from pinn_ac.app.commands import train

if __name__ == "__main__":
    train()
