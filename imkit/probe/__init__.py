"""Looking into a model and trying what would have been: forks of a timeline."""

from .answers import Withheld
from .branch import Branch
from .errors import ForkError
from .fork import Fork, fork

__all__ = ["Branch", "Fork", "ForkError", "Withheld", "fork"]
