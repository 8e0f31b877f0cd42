"""The one table of the engine: primitive → evaluation, JVP, VJP and Taylor rule."""

from . import elementwise, linear_algebra, shape
from .kinds import TABLE

__all__ = ["TABLE", "elementwise", "linear_algebra", "shape"]
