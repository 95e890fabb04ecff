"""The background model: what thinks longer than a tick, beside the conversation."""

from .analyst import Analyst
from .chat import ChatModel
from .choose import choose
from .local import LocalModel
from .protocol import Adjusts, Answer, BackgroundModel, Cancelled, Desk, OpenTask, Task, Variable
from .rounds import Limits

__all__ = [
    "Adjusts",
    "Analyst",
    "Answer",
    "BackgroundModel",
    "Cancelled",
    "ChatModel",
    "Desk",
    "Limits",
    "LocalModel",
    "OpenTask",
    "Task",
    "Variable",
    "choose",
]
