"""The surfaces of one session: what was shown, and what people do with it, as events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from imkit.stream import TICK_S, Event, Moment, Provenance

from .catalog import fault
from .lines import Rate
from .spec import MAX_ID, SurfaceError
from .surface import Action, Surface

MAX_SURFACES: Final = 100
MAX_SAID: Final = 120
EPS_S: Final = 1e-6  # sums of ticks are not exact


class Board:
    """At most 100 surfaces, the oldest goes first.

    Actions of one control become at most one event a tick: the first at once, and of those that follow within it the
    newest, with the next call of ``due``. Lines of one surface that is generated come at most 500 at once and 100 a
    second, on the clock of whoever hands them in. ``counts``: refused, replaced (by a newer value), dropped, broken,
    dropped_lines (too fast) and failed_answers.
    """

    def __init__(self, surfaces: list[Surface] | None = None) -> None:
        self.surfaces: list[Surface] = [] if surfaces is None else surfaces
        self.counts: Counter[str] = Counter()
        self._sent_s: dict[tuple[str, str], float] = {}
        self._waiting: dict[tuple[str, str], Event] = {}
        self._rates: dict[str, Rate] = {}
        self._now_s = 0.0

    def find(self, id: str) -> Surface | None:
        """The surface of that id, if it is still held."""
        return next((one for one in reversed(self.surfaces) if one.id == id), None)

    def show(self, surface: Surface) -> Surface | None:
        """Takes a surface. One whose id is known adds to the older, which changes in place; then this is None."""
        known = self.find(surface.id)
        if known is surface:
            return None
        if known is not None:
            known.merge(surface)
            return None
        self.surfaces.append(surface)
        if len(self.surfaces) > MAX_SURFACES:
            self.surfaces.pop(0)
            self.counts["dropped"] += 1
        return surface

    def notice(self, moment: Moment) -> list[Surface]:
        """Takes what results and progress of this moment brought to show, and gives what is new. Never raises.

        A payload that holds no surface after all is shown as a placeholder that says so. The clock of the rate is that
        of the moments, live and in virtual time alike, so that a replay drops what was dropped.
        """
        found: list[Surface] = []
        for event in moment.percept.events:
            value = event.payload.get("surface") if event.kind in ("result", "progress") else None
            if isinstance(value, Mapping):
                surface = self.made(value, moment.start_s, event.call_id)
                surface.source = f"{event.payload.get('topic') or 'task'}, {moment.start_s:.1f} s"[:MAX_SAID]
                new = self.show(surface)
                if new is not None:
                    found.append(new)
        return found

    def made(self, value: Mapping[str, Any], now_s: float, call_id: str = "") -> Surface:
        """A surface of plain data that came at ``now_s``, not shown yet; a placeholder where it is none.

        Its lines count toward what the surface of that id may have, and what is too much is dropped.
        """
        self._now_s = now_s
        id = str(value.get("id", ""))[:MAX_ID]
        if len(self._rates) > 2 * MAX_SURFACES:
            held = {one.id for one in self.surfaces}
            self._rates = {name: rate for name, rate in self._rates.items() if name in held}
        rate = self._rates.setdefault(id, Rate(lambda: self._now_s))
        try:
            surface = Surface.from_json(value, rate)
        except (SurfaceError, ValueError, TypeError, RecursionError) as error:
            self.counts["broken"] += 1
            broken = Surface((call_id or "broken")[:MAX_ID], "")
            broken._take([fault("root", str(error))])
            return broken
        self.counts["dropped_lines"] += surface.counts["dropped_rate"]
        return surface

    def act(self, surface_id: Any, component_id: Any, value: Any, now_s: float) -> Event | None:
        """A page says that somebody did something: the event to tell, None when it waits. SurfaceError if forged."""
        surface = self.find(surface_id) if isinstance(surface_id, str) else None
        try:
            if surface is None:
                raise SurfaceError(f"there is no surface {str(surface_id)[:80]!r}")
            action = surface.act(component_id, value)
        except SurfaceError:
            self.counts["refused"] += 1
            raise
        try:
            surface.answer(action)
        except Exception:  # an answer of the user's own broke; what was done is still told
            self.counts["failed_answers"] += 1
        key = (action.surface, action.component)
        event = ui_event(action)
        older = any(waiting[0] == action.surface for waiting in self._waiting)
        if older or self._early(key, now_s):
            self.counts["replaced"] += key in self._waiting
            self._waiting.pop(key, None)  # the newest is the last thing done
            self._waiting[key] = event
            return None
        self._sent_s[key] = now_s
        return event

    def due(self, now_s: float) -> list[Event]:
        """Events that waited for their tick: those of one surface in the order in which things were done."""
        found: list[Event] = []
        held: set[str] = set()
        for key in list(self._waiting):
            if key[0] in held or self._early(key, now_s):
                held.add(key[0])
                continue
            found.append(self._waiting.pop(key))
            self._sent_s[key] = now_s
        if len(self._sent_s) > 1_000:
            self._sent_s = {key: at_s for key, at_s in self._sent_s.items() if now_s - at_s < TICK_S}
        return found

    def _early(self, key: tuple[str, str], now_s: float) -> bool:
        """Whether a component was heard of less than a tick ago."""
        return now_s - self._sent_s.get(key, -TICK_S) < TICK_S - EPS_S

    def clear(self) -> None:
        """Forgets all."""
        self.surfaces.clear()
        self._sent_s.clear()
        self._waiting.clear()
        self._rates.clear()


def ui_event(action: Action) -> Event:
    """An action as the event that model and background perceive."""
    name = action.label or action.component
    said = f"{name} pressed" if action.value is None else f"{name} set to {str(action.value)[:MAX_SAID]}"
    payload = {
        "surface": action.surface,
        "component": action.component,
        "action": action.name,
        "value": action.value,
        "values": dict(action.values),
    }
    return Event("ui", Provenance.UI, said, action.surface, payload)
