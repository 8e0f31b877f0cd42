"""What the figures use of matplotlib: the one place that imports it.

On first use matplotlib lists the computer's fonts, and says so in sentences that a user can do nothing about. They
are held back here while it is imported, and no longer: its loggers are a user's own.
"""

import logging

_log = logging.getLogger("matplotlib.font_manager")
_level = _log.level
_log.setLevel(logging.ERROR)
try:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import Collection, PathCollection, QuadMesh
    from matplotlib.colors import Colormap, LinearSegmentedColormap, LogNorm, Normalize
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
    from matplotlib.path import Path as Curve
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
finally:
    _log.setLevel(_level)

__all__ = [
    "Axes",
    "Collection",
    "Colormap",
    "Curve",
    "FancyArrowPatch",
    "FancyBboxPatch",
    "Figure",
    "FigureCanvasAgg",
    "FuncFormatter",
    "Line2D",
    "LinearSegmentedColormap",
    "LogLocator",
    "LogNorm",
    "MaxNLocator",
    "Normalize",
    "NullLocator",
    "PathCollection",
    "QuadMesh",
]
