"""Any model in our chair, served to clients of the OpenAI Realtime API over a WebSocket."""

from .chairs import Chairs
from .door import Door
from .limits import Limits
from .pace import FedPace, Pace, RealPace
from .seat import Seat
from .server import ServeError, Server

__all__ = ["Chairs", "Door", "FedPace", "Limits", "Pace", "RealPace", "Seat", "ServeError", "Server"]
