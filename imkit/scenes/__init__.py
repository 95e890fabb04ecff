"""Scenes that only a full-duplex model plays well: generated, scored, with policies that know nothing beside them."""

from __future__ import annotations

from collections.abc import Mapping

from . import clock, cues, errands, interpreting, listening, motion, orders, others, overlap, sight, turns, wakewords
from .kinds import SceneKind
from .scoring import Verdict
from .suite import Suite, SuiteError, load_suite
from .world import World

__all__ = ["ALL_SCENES", "SCENES", "SceneKind", "Suite", "SuiteError", "Verdict", "World", "load_suite"]

_FAMILIES = (turns, listening, overlap, others, clock, cues, motion, sight, errands)

SCENES: Mapping[str, SceneKind] = {kind.name: kind for family in _FAMILIES for kind in family.KINDS}
"""The twelve scenes of the suite "dev" by name, in the order of the report."""

ALL_SCENES: Mapping[str, SceneKind] = {
    **SCENES, **{kind.name: kind for family in (orders, wakewords, interpreting) for kind in family.KINDS}
}  # fmt: skip
"""These and the scenes of other suites."""
