"""What one client may cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of a server. What is over one is refused and counted, and the client is told.

    sessions      at a time
    handshakes    connections that have not said who they are
    handshake_s   how long one may take over that
    message_bytes one message
    messages_per_s  and twice as many at once
    audio_s       sound that waits to be heard
    unsent_bytes  events that a client has not read; sound is dropped then, and at twice as much the client
    idle_s        a client that says nothing for so long is let go
    """

    sessions: int = 4
    handshakes: int = 16
    handshake_s: float = 5.0
    message_bytes: int = 6 << 20
    messages_per_s: int = 200
    audio_s: float = 60.0
    unsent_bytes: int = 2 << 20
    idle_s: float = 300.0
