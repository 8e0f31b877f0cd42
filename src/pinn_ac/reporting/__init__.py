"""What a run shows: its figures, its progress and its closing table. The only importer of matplotlib.

Modules are imported one by one, so that a progress bar does not wait for matplotlib.
"""
