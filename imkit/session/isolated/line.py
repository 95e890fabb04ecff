"""One end of the line between kernel and process apart: two threads, so that neither side ever waits for the other."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from io import BufferedReader
from typing import BinaryIO, Final

from .moments import let_go
from .wire import Message, WireError, bytes_of, read_message

MAX_WAITING_BYTES: Final = 64 << 20
MAX_WAITING: Final = 20_000
JOIN_S: Final = 5.0


class Line:
    """Sends messages over one pipe and reads them from another.

    ``receive(message)`` is called in the reading thread for each that comes, ``lost(why)`` once, when the other side
    hangs up; both must only enqueue. ``send`` never waits: what the other side does not take stays here. When that is
    more than 64 MB, moments lose their pictures, then their sound, oldest first; of more than 20,000 messages (an hour
    of moments) the oldest go. ``counts`` says how many.
    """

    def __init__(
        self,
        incoming: BufferedReader,
        outgoing: BinaryIO,
        receive: Callable[[Message], object],
        lost: Callable[[str], object],
        *,
        max_bytes: int = MAX_WAITING_BYTES,
        max_messages: int = MAX_WAITING,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._incoming, self._outgoing = incoming, outgoing
        self._receive, self._lost = receive, lost
        self._max_bytes, self._max_messages = max_bytes, max_messages
        self._waiting: deque[Message] = deque()
        self._bytes = 0
        self._writing = self._closed = False
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=self._read, name="imkit-line-in", daemon=True),
            threading.Thread(target=self._write, name="imkit-line-out", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def send(self, message: Message) -> None:
        """Takes a message and returns at once; nothing happens once the line is closed."""
        with self._changed:
            if self._closed:
                return
            self._waiting.append(message)
            self._bytes += message.size
            if self._bytes > self._max_bytes:
                self._lighten()
            if len(self._waiting) > self._max_messages:
                self._bytes -= self._waiting.popleft().size
                self.counts["lost_messages"] += 1
            self._changed.notify_all()

    @property
    def quiet(self) -> bool:
        """Whether nothing waits to be sent."""
        return not self._waiting

    def finish(self, timeout_s: float) -> bool:
        """Waits until all was sent, at most ``timeout_s`` seconds; True when it was."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._writing, timeout_s)

    def close(self) -> None:
        """Ends the sending thread and hangs up; what waits is let go. The reading one ends with the other side."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(JOIN_S)

    def _lighten(self) -> None:
        """With the lock held."""
        for lighter in range(2):
            for place, message in enumerate(self._waiting):
                if self._bytes <= self._max_bytes:
                    return
                if message.kind != "moment" or len(message.arrays) <= (0 if lighter else 2):
                    continue
                self._waiting[place] = let_go(message)
                self._bytes -= message.size - self._waiting[place].size
                self.counts["lost_sound" if lighter else "lost_pictures"] += 1

    def _read(self) -> None:
        why = ""
        try:
            while (message := read_message(self._incoming)) is not None:
                self._receive(message)
        except (WireError, OSError, ValueError) as error:
            why = str(error)
        self._lost(why)

    def _write(self) -> None:
        while True:
            with self._changed:
                self._writing = False
                self._changed.notify_all()
                while not self._waiting:
                    if self._closed:
                        break
                    self._changed.wait()
                message = self._waiting.popleft() if self._waiting else None
                self._bytes -= message.size if message is not None else 0
                self._writing = message is not None
            try:
                if message is None:
                    self._outgoing.close()
                    return
                for piece in bytes_of(message):
                    self._outgoing.write(piece)
                self._outgoing.flush()
            except (OSError, ValueError):  # hung up: the reading thread says so
                with self._changed:
                    self._closed, self._writing = True, False
                    self._waiting.clear()
                    self._changed.notify_all()
                return
            except WireError:
                self.counts["unsent"] += 1
