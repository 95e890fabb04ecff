"""Pictures of a timeline: plotly figures, a self-contained HTML report, a static SVG."""

from .compare import compare, differences
from .figure import figure
from .fork_figure import fork_figure
from .latency import latency_figure
from .moment import moment_figure
from .report import report
from .svg import timeline_svg
from .turn_taking import turn_taking_figure

__all__ = [
    "compare",
    "differences",
    "figure",
    "fork_figure",
    "latency_figure",
    "moment_figure",
    "report",
    "timeline_svg",
    "turn_taking_figure",
]
