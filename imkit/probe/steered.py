"""A direction added to a session's model while it streams: its scale can be turned, and it can be taken off."""

from __future__ import annotations

from typing import Any, Literal

from imkit.session import Session
from imkit.stream import OpenConfig, Percept

from .changes import Rows, Steering, steer
from .errors import ProbeError
from .inside import Inside
from .live import Change, Looker, looker_of


class Steered(Change):
    """A direction that is added while a session runs; ``session.steer(...)`` makes one.

    ``steered.scale = 2`` holds from the next micro-turn on. In the timeline it is called by its site and its scale, so
    that the figure shows when it was turned. Used in ``with``, or until ``remove()``; see ``Change`` for the rest.
    """

    def __init__(self, looker: Looker, site: str, steering: Steering, name: str) -> None:
        self.site, self.steering, self.called = site, steering, name or f"steer {site}"
        super().__init__(looker, [(site, steering)], self._told())

    @property
    def scale(self) -> float:
        """How much of the direction is added; see ``Steering``."""
        return self.steering.scale

    @scale.setter
    def scale(self, scale: float) -> None:
        self.steering.scale = scale
        self.name = self._told()

    def __repr__(self) -> str:
        why = f"; {self.dropped}" if self.dropped else ""
        return f"Steered({self.site}, {self.steering!r}, {'on' if self.on else 'off'}{why})"

    def _told(self) -> str:
        return f"{self.called} × {self.scale:g}".replace("× -", "× −")


def steer_live(
    session: Session,
    site: str | tuple[str, int],
    direction: Any,
    scale: float = 1.0,
    *,
    unit: Literal["given", "norm", "row"] = "given",
    rows: Rows = "act",
    name: str = "",
) -> Steered:
    """Adds ``scale`` times a direction at a site of a session's model from its next micro-turn on.

    direction, unit, rows  as in ``imkit.probe.steer``
    name                   what the timeline calls it; "" is the site's name

    It is tried on a fresh state first, so that what does not fit is an error here and nothing happens to the session.
    Raises UnknownSite, ProbeError.
    """
    steering = steer(direction, scale, unit=unit, rows=rows)
    looker = looker_of(session)
    if not isinstance(site, str | tuple):
        raise ProbeError(f"site={site!r}: expected the name of one site, such as 'blocks.2.hook_out'")
    own = looker.inside.points.canonical(site)
    with Inside(session.model, [(own, steering)]) as tried:
        tried.step(tried.open(OpenConfig()), Percept(0))
    return Steered(looker, own, steering, name)
