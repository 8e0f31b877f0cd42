"""A comparison of experiments: a sweep of every experiment with every seed, and one table of what came of it."""
