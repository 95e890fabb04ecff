"""The cascade's voice: whole sentences by espeak-ng, handed out one micro-turn at a time, cut off when told to."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Final

import numpy as np
import numpy.typing as npt

from imkit.stream import INPUT_RATE, ModelError, Word, heard_from_s, samples_per_tick
from imkit.voices import EngineMissing, Utterance, Voice, require

Sound = npt.NDArray[np.float32]

RATE: Final = INPUT_RATE
TICK: Final = samples_per_tick(RATE)
VOICE: Final = Voice("espeak", "en-us+f3")
FADE: Final = 160
REMEMBERED: Final = 200


class Speaker:
    """Sentences as sound, the same bytes every time. Raises ModelError that names the Debian package if one is missing.

    The engine speaks in a process of its own, one fork a sentence (see ``imkit.voices.fresh``). The process is a plain
    interpreter, started here so that the first answer need not wait for it: one of multiprocessing's would run the
    caller's script a second time. It ends when this object does.
    """

    def __init__(self, voice: Voice = VOICE) -> None:
        self.voice = voice
        try:
            require(voice)
        except (EngineMissing, ValueError) as error:
            raise ModelError(f"model 'cascade' cannot speak: {error}") from error
        self._lock = threading.Lock()
        self._said: OrderedDict[str, Utterance] = OrderedDict()
        self._engine, theirs = multiprocessing.Pipe()
        code = (
            f"import sys; sys.path[:] = {sys.path!r}; from multiprocessing.connection import Connection; "
            f"from imkit.voices.fresh import _serve; _serve(Connection({theirs.fileno()}))"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code], pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, process_group=0
        )
        theirs.close()
        weakref.finalize(self, _end, self._engine, process)

    def say(self, words: Sequence[str]) -> Utterance:
        """Words as one sentence, with a start and an end for each."""
        text = " ".join(words)
        with self._lock:
            if text not in self._said:
                self._said[text] = self._speak(text)
                if len(self._said) > REMEMBERED:
                    self._said.popitem(last=False)
            return self._said[text]

    def _speak(self, text: str) -> Utterance:
        try:
            self._engine.send((self.voice, text))
            answer = self._engine.recv()
        except (EOFError, OSError) as error:
            raise ModelError(f"the speech engine's process ended before {text!r}; load the model again") from error
        if not isinstance(answer, Utterance):
            raise ModelError(f"{self.voice.engine}:{self.voice.name} cannot say {text!r}: {answer or 'no word times'}")
        return answer


def _end(engine: Connection, process: subprocess.Popen[bytes]) -> None:
    engine.close()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class Line:
    """Something to say: its words, when it is due (seconds on the session clock), and the least time it takes."""

    words: tuple[str, ...]
    due_s: float = 0.0
    pace_s: float = 0.0


@dataclass
class Mouth:
    """What is being said and what waits for it. A line that has begun is finished unless it is cut."""

    waiting: deque[Line] = field(default_factory=deque)
    rest: Sound = field(default_factory=lambda: np.zeros(0, np.float32))
    words: list[Word] = field(default_factory=list)

    @property
    def busy(self) -> bool:
        """Something is being said or waits to be."""
        return bool(len(self.rest) or self.waiting)

    def hush(self) -> bool:
        """Drop everything. Says whether a line was being said; it fades within 10 ms."""
        said = bool(len(self.rest))
        self.waiting.clear()
        self.words.clear()
        self.rest = self.rest[:FADE] * np.linspace(1, 0, len(self.rest[:FADE]), dtype=np.float32)
        return said

    def tick(self, index: int, speaker: Speaker) -> tuple[Sound, tuple[Word, ...]]:
        """The sound of act ``index``, float32 [3200], and the words that begin in it. Lines start on the sample."""
        out = np.zeros(TICK, np.float32)
        start_s = heard_from_s(index)
        at = 0
        while at < TICK:
            if not len(self.rest):
                if not self.waiting:
                    break
                at = max(at, round((self.waiting[0].due_s - start_s) * RATE))
                if at >= TICK:
                    break
                self._begin(self.waiting.popleft(), start_s + at / RATE, speaker)
            piece, self.rest = self.rest[: TICK - at], self.rest[TICK - at :]
            out[at : at + len(piece)] = piece
            at += len(piece)
        begun = tuple(word for word in self.words if word.start_s < heard_from_s(index + 1) - 1e-9)
        self.words = self.words[len(begun) :]
        return out, begun

    def _begin(self, line: Line, at_s: float, speaker: Speaker) -> None:
        said = speaker.say(line.words)
        self.words += [Word(text, round(at_s + start, 3), round(at_s + end, 3)) for text, start, end in said.words]
        self.rest = np.pad(said.audio, (0, max(0, round(line.pace_s * RATE) - len(said.audio))))
