"""The context package: what a task is told of the conversation, the pictures and the notebook."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imkit.background import OpenTask, Task, Variable
from imkit.stream import TICK_S, Act, Percept, Provenance, Utterance, Word, utterances

from .jobs import Job

MAX_CONVERSATION = 200
MAX_CONVERSATION_CHARS = 20_000
MAX_LINE_CHARS = 2_000
MAX_REQUEST = 2_000
MAX_FRAMES = 2
MAX_SIDE = 320
MAX_VARIABLES = 50
MAX_NAME = 80
REQUEST_GAP_S = 1.2
TYPED_FRESH_TICKS = 50
CAMERA_ON_TICKS = 10


class Context:
    """Listens to both sides and keeps the newest of it: 200 words heard, 200 lines typed, two pictures."""

    def __init__(self) -> None:
        self._heard: deque[Word] = deque(maxlen=MAX_CONVERSATION)
        self._lines: deque[Utterance] = deque(maxlen=MAX_CONVERSATION)
        self._typed: tuple[int, str] = (-TYPED_FRESH_TICKS, "")
        self._frames: deque[NDArray[np.uint8]] = deque(maxlen=MAX_FRAMES)
        self._frame_tick = -CAMERA_ON_TICKS
        self._came: frozenset[Provenance] = frozenset()

    @property
    def window(self) -> frozenset[Provenance]:
        """Where events and pictures came from since the user began the last request, spoken or typed.

        The camera is among them as long as a task is handed its pictures, whenever they were taken.
        """
        return self._came | {Provenance.CAMERA} if self._frames else self._came

    def note(self, percept: Percept, act: Act) -> None:
        """Takes in one moment. Pictures older than two seconds are let go: the camera is off."""
        typed = percept.text.strip()
        last_s = self._heard[-1].end_s if self._heard else -REQUEST_GAP_S
        begins = bool(typed or percept.asked) or (bool(act.heard) and act.heard[0].start_s - last_s >= REQUEST_GAP_S)
        came = {event.provenance for event in percept.events} | ({Provenance.CAMERA} if percept.frames else set())
        self._came = frozenset(came) if begins else self._came | came
        if typed:
            self._typed = (percept.index, typed[:MAX_LINE_CHARS])
        at_s = percept.index * TICK_S
        for line in filter(None, (typed, *percept.asked)):
            self._lines.append(Utterance("typed", line[:MAX_LINE_CHARS], at_s, at_s + TICK_S))
        self._heard.extend(act.heard)
        if percept.frames:
            self._frames.extend(percept.frames)
            self._frame_tick = percept.index
        elif percept.index - self._frame_tick >= CAMERA_ON_TICKS:
            self._frames.clear()

    def typed(self, tick: int) -> str:
        """What was typed in the last ten seconds before ``tick``, untouched; "" for nothing."""
        return self._typed[1] if tick - self._typed[0] < TYPED_FRESH_TICKS else ""

    def frames(self) -> tuple[NDArray[np.uint8], ...]:
        """The newest pictures as they came, oldest first; none while the camera is off."""
        return tuple(self._frames)

    def conversation(self, said: Iterable[Word]) -> tuple[Utterance, ...]:
        """Both sides up to now, oldest first: the newest 200 utterances, and 20,000 characters, at most.

        ``said`` are the model's own words that the person really heard, in order.
        """
        own = deque(said, maxlen=MAX_CONVERSATION)
        lines = [*utterances("user", self._heard), *utterances("model", own), *self._lines]
        lines.sort(key=lambda line: (line.start_s, line.end_s))
        kept: deque[Utterance] = deque()
        left = MAX_CONVERSATION_CHARS
        for line in islice(reversed(lines), MAX_CONVERSATION):
            text = line.text[-MAX_LINE_CHARS:]
            left -= len(text)
            if left < 0:
                break
            kept.appendleft(line._replace(text=text))
        return tuple(kept)


def packed(
    job: Job,
    context: Context,
    said: Iterable[Word],
    others: tuple[OpenTask, ...],
    notebook: Callable[[], Iterable[Variable]],
) -> Callable[[], Task]:
    """What makes the task, in the worker: to shrink pictures and to ask the notebook takes time.

    Everything else is as it is now. A notebook that cannot be read is left out.
    """
    call, frames = job.call, context.frames()
    task = partial(
        Task,
        id=call.id,
        topic=job.topic,
        request=str(call.arguments.get("request", ""))[:MAX_REQUEST],
        typed=job.typed[:MAX_LINE_CHARS] or ("" if job.action else context.typed(call.tick)),
        tick=call.tick,
        epoch=call.epoch,
        version=job.version,
        conversation=context.conversation(said),
        priority=job.priority,
        expires_tick=call.expires_tick,
        open_tasks=others,
    )

    def whole() -> Task:
        try:
            variables = tuple(notebook())
        except Exception:  # somebody's variables: the request can be answered without them
            variables = ()
        return task(frames=tuple(map(small, frames)), notebook=variables)

    return whole


def small(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture with at most 320 pixels a side: the mean of whole blocks, uint8 [height, width, 3]."""
    height, width = frame.shape[:2]
    block = -(-max(height, width) // MAX_SIDE)
    if block == 1:
        return frame
    tall, wide = min(block, height), min(block, width)
    rows, columns = height // tall, width // wide
    total = np.zeros((rows, columns, 3), np.uint32)
    for row in range(tall):
        for column in range(wide):
            total += frame[row : rows * tall : tall, column : columns * wide : wide]
    return np.asarray((total + tall * wide // 2) // (tall * wide), np.uint8)


def in_brief(variables: Mapping[str, Any]) -> tuple[Variable, ...]:
    """Names and types of the newest 50 variables, oldest first. A variable that goes meanwhile is left out.

    This goes along with every task and does not count as something read, so it holds nothing but plain identifiers,
    which the code of the notebook chose: never text from a file or a table. A name that is no identifier is left out, a
    type that has none is "object".
    """
    gone = object()
    names = [name for name in variables if _plain(name)][-MAX_VARIABLES:]
    found = ((name, variables.get(name, gone)) for name in names)
    return tuple(Variable(name, _type_name(one)) for name, one in found if one is not gone)


def _type_name(value: Any) -> str:
    name = type(value).__name__
    return name if _plain(name) else "object"


def _plain(name: Any) -> bool:
    return isinstance(name, str) and len(name) <= MAX_NAME and name.isidentifier()
