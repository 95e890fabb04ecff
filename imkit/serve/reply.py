"""Acts as events: responses that begin and end with the model's own speech, and the transcript of the user.

The model speaks when it likes; a response is what it says from its first sound to the silence after the last. When it
yields, or the client cancels, the response is cancelled and the rest of what it was saying is not sent.
"""

from __future__ import annotations

import json
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from imkit.adapters import realtime_events as wire
from imkit.adapters.realtime_events import API_RATE, Json, Names
from imkit.capture.resample import Resampler
from imkit.stream import Act, Call, Floor, Word, samples_per_tick

QUIET_TICKS: Final = 2
ANSWER_TICKS: Final = 15
MAX_ITEMS: Final = 256
MAX_CHARS: Final = 20_000


class Response:
    """One response under way. ``words``: (text, the sample of the item at which it begins)."""

    def __init__(self, response_id: str, output_rate: int, metadata: Json | None) -> None:
        self.id = response_id
        self.item_id = ""
        self.words: list[tuple[str, int]] = []
        self.output: list[Json] = []
        self.sent = 0
        self.quiet = 0
        self.held: list[NDArray[np.float32]] = []
        self.resampler = Resampler(output_rate, API_RATE)
        self.more: dict[str, Any] = {"metadata": metadata} if metadata else {}

    @property
    def text(self) -> str:
        """The words said so far."""
        return " ".join(word for word, _ in self.words)[:MAX_CHARS]


class Reply:
    """What one session is told of what the model says and does. ``tell`` sends one event.

    ``counts``: samples that were flushed when the model yielded, ticks that were muted after a cancel, calls that no
    function of the session could take.
    """

    def __init__(self, names: Names, output_rate: int, tell: Callable[[Json], None]) -> None:
        self._names, self._rate, self._tell = names, output_rate, tell
        self.active: Response | None = None
        self.counts: Counter[str] = Counter()
        self.items: OrderedDict[str, Json] = OrderedDict()
        self.spoken: OrderedDict[str, tuple[int, list[tuple[str, int]]]] = OrderedDict()
        """By item: samples sent at 24 kHz, and its words with where they begin."""
        self._muted = False

    def keep(self, item: Json) -> None:
        """An item that can be retrieved."""
        self.items[item["id"]] = item
        while len(self.items) > MAX_ITEMS:
            self.items.popitem(last=False)

    # --- asked for

    def create(self, metadata: Json | None = None) -> None:
        """A client asks for a response: it begins now, and ends empty if the model says nothing for three seconds."""
        self._begin(metadata)

    def cancel(self) -> None:
        """A client wants no more of the response under way; what the model still says of it is muted."""
        if self.active is not None:
            self._muted = bool(self.active.item_id)
            self._end("cancelled", "client_cancelled")

    def truncate(self, item_id: str, audio_end_ms: int) -> bool:
        """Only so much was heard: later words leave the transcript. False when no such sound was sent."""
        sent, words = self.spoken.get(item_id, (-1, []))
        if audio_end_ms * API_RATE // 1000 > sent:
            return False
        until = audio_end_ms * API_RATE // 1000
        heard = " ".join(word for word, begins in words if begins < until)
        if item_id in self.items:
            self.items[item_id] = wire.spoken_item(item_id, "incomplete", heard)
        return True

    # --- what the model does

    def act(self, act: Act, functions: Callable[[Call], tuple[str, Json] | None]) -> list[Call]:
        """One act. Gives the calls that none of the session's functions can take."""
        sounding = act.floor is not Floor.LISTEN or bool(act.words) or bool(act.audio.any())
        if act.diagnostics.get("yielded"):
            self._muted = False
            if self.active is not None and self.active.item_id:
                self.counts["flushed_samples"] += len(act.audio)
                self._end("cancelled", "turn_detected")
        elif self._muted:
            self._muted = sounding
            self.counts["muted_ticks"] += sounding
        elif sounding:
            self._say(act)
        elif self.active is not None:
            self._be_quiet(act)
        refused = []
        for call in act.calls:
            taken = functions(call)
            if taken is None:
                refused.append(call)
            else:
                self._call(call, *taken)
        return refused

    def _begin(self, metadata: Json | None = None) -> Response:
        self.active = Response(self._names("resp"), self._rate, metadata)
        told = wire.response(self.active.id, "in_progress", **self.active.more)
        self._tell({"type": "response.created", "response": told})
        return self.active

    def _open_item(self, one: Response) -> None:
        one.item_id = self._names("item")
        item, place = wire.spoken_item(one.item_id, "in_progress"), len(one.output)
        one.output.append(item)
        self._tell({"type": "response.output_item.added", "response_id": one.id, "output_index": place, "item": item})
        self._tell({"type": "conversation.item.added", "item": item})
        self._tell(
            {"type": "response.content_part.added", **self._at(one), "part": {"type": "audio", "transcript": ""}}
        )

    def _at(self, one: Response) -> Json:
        place = next(i for i, item in enumerate(one.output) if item["id"] == one.item_id)
        return {"response_id": one.id, "item_id": one.item_id, "output_index": place, "content_index": 0}

    def _say(self, act: Act) -> None:
        one = self.active or self._begin()
        if not one.item_id:
            self._open_item(one)
        for silence in one.held:
            self._sound(one, silence)
        one.held.clear()
        one.quiet = 0
        for word in act.words:
            one.words.append((word.text, one.sent + max(0, round((word.start_s - act.starts_s) * API_RATE))))
            self._tell({"type": "response.output_audio_transcript.delta", **self._at(one), "delta": f"{word.text} "})
        self._sound(one, act.audio)

    def _sound(self, one: Response, audio: NDArray[np.float32]) -> None:
        """One tick of sound, one tick long. The resampler looks ahead by 1 ms, which begins as silence."""
        sound = one.resampler.push(audio)
        if not one.sent:
            sound = np.concatenate([np.zeros(samples_per_tick(API_RATE) - len(sound), np.float32), sound])
        one.sent += len(sound)
        self._tell({"type": "response.output_audio.delta", **self._at(one), "delta": wire.pcm16(sound)})

    def _be_quiet(self, act: Act) -> None:
        one = self.active
        assert one is not None
        one.quiet += 1
        if one.item_id:
            one.held.append(act.audio)
        if one.quiet >= (QUIET_TICKS if one.output else ANSWER_TICKS):
            self._end("completed")

    def _end(self, status: str, reason: str = "") -> None:
        one, self.active = self.active, None
        assert one is not None
        if one.item_id:
            item = wire.spoken_item(one.item_id, "completed" if status == "completed" else "incomplete", one.text)
            at = self._at(one)
            one.output[at["output_index"]] = item
            self.spoken[one.item_id] = (one.sent, one.words)
            while len(self.spoken) > MAX_ITEMS:
                self.spoken.popitem(last=False)
            self._tell({"type": "response.output_audio.done", **at})
            self._tell({"type": "response.output_audio_transcript.done", **at, "transcript": one.text})
            part = {"type": "audio", "transcript": one.text}
            self._tell({"type": "response.content_part.done", **at, "part": part})
            self._finish(one, at["output_index"], item)
        told = wire.response(one.id, status, one.output, reason, **one.more)
        self._tell({"type": "response.done", "response": told})

    def _finish(self, one: Response, place: int, item: Json) -> None:
        self.keep(item)
        self._tell({"type": "response.output_item.done", "response_id": one.id, "output_index": place, "item": item})
        self._tell({"type": "conversation.item.done", "item": item})

    def _call(self, call: Call, name: str, given: Json) -> None:
        """A function call is an item of the response under way, or a response of its own."""
        alone = self.active is None
        one = self.active or self._begin()
        item_id, place, arguments = self._names("item"), len(one.output), json.dumps(given, default=str)
        item = wire.call_item(item_id, call.id, name, "", "in_progress")
        self._tell({"type": "response.output_item.added", "response_id": one.id, "output_index": place, "item": item})
        self._tell({"type": "conversation.item.added", "item": item})
        at = {"response_id": one.id, "item_id": item_id, "output_index": place, "call_id": call.id}
        self._tell({"type": "response.function_call_arguments.delta", **at, "delta": arguments})
        self._tell({"type": "response.function_call_arguments.done", **at, "name": name, "arguments": arguments})
        item = wire.call_item(item_id, call.id, name, arguments, "completed")
        one.output.append(item)
        self._finish(one, place, item)
        if alone:
            self._end("completed")


class Hearing:
    """The transcript of the user as items: one from the first word that was heard to a second of none.

    ``speech_started`` makes clients stop their playback. So it is told only while the model is silent or yields; of
    what the user says while the model speaks on, the words are told and no start and no stop.
    """

    QUIET_TICKS: Final = 5

    def __init__(self, names: Names, tell: Callable[[Json], None], keep: Callable[[Json], None]) -> None:
        self._names, self._tell, self._keep = names, tell, keep
        self.item_id = ""
        self._words: list[Word] = []
        self._quiet = 0
        self._started = False

    def heard(self, words: tuple[Word, ...], speaking: bool) -> None:
        """What was heard in one tick; ``speaking`` says that a response is being spoken and goes on."""
        if words and not self.item_id:
            self.item_id = self._names("item")
            self._quiet, self._started, self._words = 0, False, []
            self._start(speaking, words[0])
            self._tell({"type": "conversation.item.added", "item": wire.heard_item(self.item_id, None)})
        elif self.item_id and not self._started and self._words:
            self._start(speaking or not words, self._words[0])
        self._quiet = 0 if words else self._quiet + 1
        for word in words:
            self._words.append(word)
            told: dict[str, Any] = {"item_id": self.item_id, "content_index": 0, "delta": f"{word.text} "}
            self._tell({"type": "conversation.item.input_audio_transcription.delta", **told})
        if self.item_id and self._quiet >= self.QUIET_TICKS:
            self.finish()

    def yielded(self) -> None:
        """The model gave way: a client must stop playing what it still has."""
        if self.item_id and not self._started and self._words:
            self._start(False, self._words[0])
        elif not self.item_id:
            self._tell(
                {"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": self._names("item")}
            )

    def _start(self, speaking: bool, word: Word) -> None:
        if not speaking:
            self._started = True
            begins_ms = max(0, round(word.start_s * 1000))
            told = {"audio_start_ms": begins_ms, "item_id": self.item_id}
            self._tell({"type": "input_audio_buffer.speech_started", **told})

    def finish(self) -> None:
        """The item under way is over; without one there is a new, empty one, as after a commit."""
        item_id, words = self.item_id or self._names("item"), self._words
        text = " ".join(word.text for word in words)[:MAX_CHARS]
        item = wire.heard_item(item_id, text)
        if self._started and words:
            ends_ms = max(0, round(words[-1].end_s * 1000))
            self._tell({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": ends_ms, "item_id": item_id})
        self._tell({"type": "input_audio_buffer.committed", "item_id": item_id, "previous_item_id": None})
        if not self.item_id:
            self._tell({"type": "conversation.item.added", "item": item})
        seconds = words[-1].end_s - words[0].start_s if words else 0.0
        usage = {"type": "duration", "seconds": round(max(0.0, seconds), 3)}
        told = {"item_id": item_id, "content_index": 0, "transcript": text, "usage": usage}
        self._tell({"type": "conversation.item.input_audio_transcription.completed", **told})
        self._tell({"type": "conversation.item.done", "item": item})
        self._keep(item)
        self.item_id, self._words, self._started, self._quiet = "", [], False, 0
