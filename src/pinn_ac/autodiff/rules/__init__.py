"""The table of rules: for every primitive its evaluation and its JVP, VJP and Taylor rules.

`builders` makes a row from a few of its rules; the other modules hold the rows.
"""

from ..table import TABLE
from . import elementwise, linear_algebra, shape

__all__ = ["TABLE", "elementwise", "linear_algebra", "shape"]
