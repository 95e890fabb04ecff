"""What those above the stream do with a timeline, as methods of it.

``stream`` imports nobody: these are names that are looked up when a method is called, and each method needs what its
own module needs, such as plotly for figures.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

LENT: Final = {
    "figure": "views:figure",
    "moment_figure": "views:moment_figure",
    "latency_figure": "views:latency_figure",
    "turn_taking_figure": "views:turn_taking_figure",
    "compare": "views:compare",
    "report": "views:report",
    "measure": "measures:measure",
    "export": "recordings.export:export",
    "save": "recordings:record",
    "fork": "probe:fork",
    "run_with_cache": "probe:run_with_cache",
    "run_with_hooks": "probe:run_with_hooks",
    "why": "probe:why",
}
"""Method -> the function that it is, which takes the timeline first."""


class Lent:
    """The methods of a ``Timeline`` that are lent to it. Arguments and errors are those of the function named."""

    def figure(self, *given: Any, **named: Any) -> Any:
        """Everything as lanes on one clock: ``imkit.views.figure``."""
        return self._lent("figure", given, named)

    def moment_figure(self, *given: Any, **named: Any) -> Any:
        """One micro-turn, opened: ``imkit.views.moment_figure``."""
        return self._lent("moment_figure", given, named)

    def latency_figure(self, *given: Any, **named: Any) -> Any:
        """Compute beside its deadline, and how soon the model answers: ``imkit.views.latency_figure``."""
        return self._lent("latency_figure", given, named)

    def turn_taking_figure(self, *given: Any, **named: Any) -> Any:
        """Gaps and overlaps beside those of people: ``imkit.views.turn_taking_figure``."""
        return self._lent("turn_taking_figure", given, named)

    def compare(self, *given: Any, **named: Any) -> Any:
        """Two timelines over each other, differences marked: ``imkit.views.compare``."""
        return self._lent("compare", given, named)

    def report(self, *given: Any, **named: Any) -> Any:
        """One HTML file that needs no network and can be heard: ``imkit.views.report``."""
        return self._lent("report", given, named)

    def measure(self, *given: Any, **named: Any) -> Any:
        """Turn-taking in numbers: ``imkit.measures.measure``."""
        return self._lent("measure", given, named)

    def export(self, *given: Any, **named: Any) -> Any:
        """A file for other tools, such as Praat or ELAN: ``imkit.recordings.export.export``."""
        return self._lent("export", given, named)

    def save(self, *given: Any, **named: Any) -> Any:
        """A recording in a folder: ``imkit.recordings.record``."""
        return self._lent("save", given, named)

    def fork(self, *given: Any, **named: Any) -> Any:
        """What if, from a moment on: ``imkit.probe.fork``."""
        return self._lent("fork", given, named)

    def run_with_cache(self, *given: Any, **named: Any) -> Any:
        """A model's acts and activations while it lives through it again: ``imkit.probe.run_with_cache``."""
        return self._lent("run_with_cache", given, named)

    def run_with_hooks(self, *given: Any, **named: Any) -> Any:
        """What a model does in it with hooks on: ``imkit.probe.run_with_hooks``."""
        return self._lent("run_with_hooks", given, named)

    def why(self, *given: Any, **named: Any) -> Any:
        """What led to a decision, as far as can be seen: ``imkit.probe.why``."""
        return self._lent("why", given, named)

    def _lent(self, name: str, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        module, _, function = LENT[name].partition(":")
        return getattr(import_module(f"imkit.{module}"), function)(self, *given, **named)
