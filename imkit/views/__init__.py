"""Pictures of a timeline: a plotly figure, a self-contained HTML report, a static SVG."""

from .figure import figure
from .report import report_html
from .svg import timeline_svg

__all__ = ["figure", "report_html", "timeline_svg"]
