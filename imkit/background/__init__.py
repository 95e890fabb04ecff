"""The background model: what thinks longer than a tick, beside the conversation."""

from .analyst import Analyst
from .protocol import Answer, BackgroundModel, Cancelled, Desk, Task

__all__ = ["Analyst", "Answer", "BackgroundModel", "Cancelled", "Desk", "Task"]
