"""Looking into a model and trying what would have been: activations, hooks, and forks of a timeline.

Torch is loaded only when a model is opened.
"""

from .answers import Withheld
from .attention import StreamAttention, attention_by_stream, attention_figure
from .attribution import Attribution, attribute
from .branch import Branch
from .cache import ActivationCache
from .errors import ForkError, ProbeError, UnknownSite
from .files import load_cache
from .fork import Fork, fork
from .inside import FwdHooks, Hook, Inside
from .integrated import IntegratedGradients
from .lens import Lens, logit_lens
from .live import Capture, Change, capture, change
from .names import NamesFilter, Points
from .positions import Positions
from .run import hooks, run_with_cache, run_with_hooks, sites
from .seen import Seen
from .why import Why, why

__all__ = [
    "ActivationCache",
    "Attribution",
    "Branch",
    "Capture",
    "Change",
    "Fork",
    "ForkError",
    "FwdHooks",
    "Hook",
    "Inside",
    "IntegratedGradients",
    "Lens",
    "NamesFilter",
    "Points",
    "Positions",
    "ProbeError",
    "Seen",
    "StreamAttention",
    "UnknownSite",
    "Why",
    "Withheld",
    "attention_by_stream",
    "attention_figure",
    "attribute",
    "capture",
    "change",
    "fork",
    "hooks",
    "load_cache",
    "logit_lens",
    "run_with_cache",
    "run_with_hooks",
    "sites",
    "why",
]
