"""What people do, to read a model's figures against. Only values whose source is at hand; others are left out.

Not here, because only second-hand accounts were at hand: the means of single languages but English (Stivers et al.
2009), and the distributions of Heldner & Edlund (2010).
"""

from __future__ import annotations

from dataclasses import dataclass

from .interval import Table


@dataclass(frozen=True, slots=True)
class HumanValue:
    """One published value in seconds. ``about`` says how it was rounded or handed on."""

    name: str
    value_s: float
    source: str
    about: str = ""


_STIVERS = "Stivers et al. 2009, PNAS 106(26), 10587"

HUMAN = Table(
    HumanValue,
    (
        HumanValue("typical response offset, ten languages", 0.2, _STIVERS, "rounded"),
        HumanValue("largest distance of a language from the mean of all", 0.25, _STIVERS, "all ten lie within"),
        HumanValue("mean response offset, English", 0.239, _STIVERS, "as cited in arXiv 2404.16053"),
        HumanValue("median offset of smooth transfers", -0.151, "TurnBench, arXiv 2608.25218"),
        HumanValue(
            "time to prepare a word", 0.6, "Levinson & Torreira 2015, Frontiers in Psychology 6, 731", "at least"
        ),
    ),
)
"""Values in seconds, with their sources."""
