"""Scenes that only a full-duplex model plays well: generated, scored, with policies that know nothing beside them."""

from __future__ import annotations

from collections.abc import Mapping

from . import turns
from .kinds import SceneKind
from .scoring import Verdict
from .suite import Suite, SuiteError, load_suite
from .world import World

__all__ = ["SCENES", "SceneKind", "Suite", "SuiteError", "Verdict", "World", "load_suite"]

SCENES: Mapping[str, SceneKind] = {kind.name: kind for family in (turns,) for kind in family.KINDS}
"""All scenes by name, in the order of the report."""
