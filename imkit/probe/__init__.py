"""Looking into a model and trying what would have been: activations, hooks, and forks of a timeline.

Torch is loaded only when a model is opened.
"""

from .answers import Withheld
from .attention import StreamAttention, attention_by_stream, attention_figure
from .attribution import Attribution, attribute
from .branch import Branch
from .cache import ActivationCache
from .changes import Steering, ablate, during, patch_from, steer
from .errors import ForkError, ProbeError, UnknownSite
from .files import load_cache
from .fork import Fork, fork
from .inside import FwdHooks, Hook, Inside
from .integrated import IntegratedGradients
from .lens import Lens, logit_lens
from .linear import LinearProbe, fit_probe
from .live import Capture, Change, capture, change
from .metrics import Metric, first_speak, p_speak, speak_logit
from .names import NamesFilter, Points
from .patching import Patched, patch_sweep
from .positions import Positions
from .run import hooks, run_with_cache, run_with_hooks, sites
from .seen import Seen
from .steered import Steered, steer_live
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
    "LinearProbe",
    "Metric",
    "NamesFilter",
    "Patched",
    "Points",
    "Positions",
    "ProbeError",
    "Seen",
    "Steered",
    "Steering",
    "StreamAttention",
    "UnknownSite",
    "Why",
    "Withheld",
    "ablate",
    "attention_by_stream",
    "attention_figure",
    "attribute",
    "capture",
    "change",
    "during",
    "first_speak",
    "fit_probe",
    "fork",
    "hooks",
    "load_cache",
    "logit_lens",
    "p_speak",
    "patch_from",
    "patch_sweep",
    "run_with_cache",
    "run_with_hooks",
    "sites",
    "speak_logit",
    "steer",
    "steer_live",
    "why",
]
