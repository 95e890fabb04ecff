"""Speech that is the same bytes for the same words: every utterance is spoken by an engine that never spoke before.

espeak-ng lets what it said before colour what it says next, and it cannot be reset. So a process that has loaded the
engine, and never spoken, forks for every utterance; the fork speaks and ends.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from multiprocessing.connection import Connection
from typing import Self

from .engines import EngineMissing, Voice
from .speech import Utterance, require, synthesise


def _speak(connection: Connection, voice: Voice, text: str) -> None:
    try:
        answer: object = next(synthesise(voice, [text]))
    except (EngineMissing, ValueError, OSError) as error:
        answer = error
    connection.send(answer)


def _serve(connection: Connection) -> None:
    loaded: set[str] = set()
    while True:
        try:
            voice, text = connection.recv()
        except EOFError:
            return
        if voice.engine not in loaded:
            with contextlib.suppress(EngineMissing, ValueError):  # the fork says so, to whoever asked
                require(voice)
            loaded.add(voice.engine)
        pid = os.fork()
        if pid == 0:
            _speak(connection, voice, text)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        if status:
            connection.send(OSError(f"{voice.engine} crashed on {text!r} (status {status})"))


class FreshSpeaker:
    """A context in which ``speak`` gives the same utterance for the same voice and text, whatever was said before."""

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._process: multiprocessing.process.BaseProcess | None = None

    def speak(self, voice: Voice, text: str) -> Utterance | None:
        """One text; None where the engine's word times cannot be matched to the words. Raises as ``synthesise``."""
        if self._connection is None:
            context = multiprocessing.get_context("spawn")
            self._connection, theirs = context.Pipe()
            self._process = context.Process(target=_serve, args=(theirs,), name="imkit-voices", daemon=True)
            self._process.start()
            theirs.close()
        self._connection.send((voice, text))
        answer = self._connection.recv()
        if isinstance(answer, Exception):
            raise answer
        assert answer is None or isinstance(answer, Utterance)
        return answer

    def close(self) -> None:
        """End the process."""
        if self._connection is not None and self._process is not None:
            self._connection.close()
            self._process.join(5)
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
