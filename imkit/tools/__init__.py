"""Tools: typed Python functions that models may call, and the notebook's own set."""

from .namespace import Namespace
from .notebook import notebook_tools
from .order import order_drink
from .tool import Tier, Tool, ToolError, ToolRefused, tool
from .toolbox import Toolbox

__all__ = [
    "Namespace",
    "Tier",
    "Tool",
    "ToolError",
    "ToolRefused",
    "Toolbox",
    "notebook_tools",
    "order_drink",
    "tool",
]
