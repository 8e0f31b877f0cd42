"""Teach one of the lecture's systems: python scripts/lesson.py try_it (without a name: the list of them)."""

import sys

from pinn_ac.lessons import command

if __name__ == "__main__":
    sys.exit(command.main(sys.argv[1:]))
