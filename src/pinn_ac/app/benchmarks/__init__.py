"""Measurements of speed, side by side in one process: ratios, not absolute times, are what they are for."""
