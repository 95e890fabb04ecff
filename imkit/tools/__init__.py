"""Tools: typed Python functions that models may call, and the notebook's own set."""

from .approval import Approval, Approvals, Asks
from .cells import CellRun, NotebookLog, cell_tools
from .errors import ToolError, ToolRefused, ToolStopped
from .explain import explain
from .mcp_server import McpServer, mcp
from .namespace import Namespace
from .notebook import notebook_tools
from .order import order_drink
from .progress import Progress
from .tool import Tier, Tool, tool
from .toolbox import Toolbox, ToolServer

__all__ = [
    "Approval",
    "Approvals",
    "Asks",
    "CellRun",
    "McpServer",
    "Namespace",
    "NotebookLog",
    "Progress",
    "Tier",
    "Tool",
    "ToolError",
    "ToolRefused",
    "ToolServer",
    "ToolStopped",
    "Toolbox",
    "cell_tools",
    "explain",
    "mcp",
    "notebook_tools",
    "order_drink",
    "tool",
]
