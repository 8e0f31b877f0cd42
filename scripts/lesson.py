"""Teach one of the lecture's topics: python scripts/lesson.py try_it (without a name: the list of them)."""

from pinn_ac.app.commands import lesson

if __name__ == "__main__":
    lesson()
