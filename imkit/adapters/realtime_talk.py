"""A conversation with a realtime server, without the server: percepts and events in, events and acts out.

No sockets, no threads, no clock. Whatever a server sends, in whatever order, costs at most itself: what is unknown,
malformed, stale or repeated is counted and nothing else happens.
"""

from __future__ import annotations

import json
import re
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from imkit.capture.resample import Resampler
from imkit.stream import INPUT_RATE, Act, Call, Event, Floor, Percept, Provenance, samples_per_tick
from imkit.stream.fates import Fates

from . import realtime_events as wire
from .realtime_dialect import BACKGROUND, Dialect, Opening, capabilities_of
from .realtime_events import Json, WireError
from .realtime_heard import Hearing
from .realtime_pictures import jpeg
from .realtime_voice import Playing, Spoken

FRAME_EVERY_TICKS: Final = 5
MAX_REMEMBERED: Final = 256
MAX_TEXT: Final = 20_000
ACK_EVERY_TICKS: Final = 2
_CODE: Final = re.compile("[a-z_]{1,60}")  # no word of the server's is kept that could hold a key


class Talk:
    """One stream with a remote model.

    fates  tells what became of acts, for ``playback.ack`` and truncation; None takes what was handed out as played
    """

    def __init__(self, dialect: Dialect, opening: Opening, output_rate: int, sees: bool = False) -> None:
        self.dialect, self.opening, self.sees = dialect, opening, sees
        self.playing = Playing(output_rate)
        self.fates: Callable[[], Fates | None] = lambda: None
        self.counts: Counter[str] = Counter()
        self.capabilities: Json = {}
        self.session_id = self.resume_token = self.last_error = ""
        self.seen_seq = -1
        self._microphone, self._primed = Resampler(INPUT_RATE, dialect.input_rate), False
        self._say: deque[Json] = deque()
        self._hearing = Hearing(self.counts)
        self._calls: deque[Call] = deque()
        self._open_calls: OrderedDict[str, str] = OrderedDict()  # call id -> name, of this session of the server
        self._names: OrderedDict[str, str] = OrderedDict()  # item id -> name of the function
        self._over: OrderedDict[str, None] = OrderedDict()  # responses whose sound nobody wants any more
        self._active: str | None = None
        self._wants_answer = False
        self._yielded = False
        self._decision = ""
        self._epoch = 0
        self._acked: Json = {}
        self._index = 0
        self._framed = -FRAME_EVERY_TICKS

    # --- to the server

    def begin(self) -> list[Json]:
        """What is said first on a new connection: go on with the session where that is possible, else open one."""
        if self.resume_token:
            told = {"session_id": self.session_id, "resume_token": self.resume_token}
            return [{"type": "session.resume", **told, "last_received_server_event_seq": self.seen_seq}]
        return [wire.session_update(self.dialect.session(self.opening))]

    def hear(self, percept: Percept) -> list[Json]:
        """What one micro-turn says to the server. Its sound comes last, and alone may be lost."""
        self._index = percept.index
        for event in percept.events:
            self._tell(event)
        if percept.text.strip():
            self._say.append(wire.user_message(wire.input_text(percept.text[:MAX_TEXT])))
            self._wants_answer = True
        riding: list[bytes] = []
        if percept.frames:
            if self.sees and percept.index - self._framed >= FRAME_EVERY_TICKS:
                self._framed = percept.index
                riding.append(jpeg(percept.frames[-1]))
                self.counts["skipped_frames"] += len(percept.frames) - 1
            else:
                self.counts["skipped_frames"] += len(percept.frames)
        if riding and not self.dialect.frames_ride:
            self._say.append(wire.user_message(wire.input_image(riding.pop())))
        if self._wants_answer and (self._active is None or not self.dialect.asks):
            self._wants_answer = False
            if self.dialect.asks:
                self._say.append({"type": "response.create"})
        if self.dialect.acks and self.playing.newest is not None:
            ack = self._ack(self.playing.newest)
            if ack != self._acked and (percept.index % ACK_EVERY_TICKS == 0 or self.playing.speaking is None):
                self._acked = ack
                self._say.append(ack)
        told = list(self._say)
        self._say.clear()
        more: Json = {"sample_rate_hz": self.dialect.input_rate} if self.dialect.frames_ride else {}
        if riding:
            more["video_frames"] = [wire.in_base64(one) for one in riding]
        return [*told, wire.append(self._sound(percept.audio), **more)]

    def _sound(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """One tick at the server's rate, one tick long: what the resampler looks ahead (1 ms) is silence first."""
        sound = self._microphone.push(audio)
        missing = 0 if self._primed else samples_per_tick(self.dialect.input_rate) - len(sound)
        self._primed = True
        return np.concatenate([np.zeros(missing, np.float32), sound])

    def _tell(self, event: Event) -> None:
        """What happened beside sound, sight and typing, as an item. Only a person's own text is said without a mark."""
        if event.kind == "system" and event.payload.get("interrupt"):
            self._cancel()
        elif event.kind == "result" and event.call_id in self._open_calls:
            del self._open_calls[event.call_id]
            ok = event.payload.get("ok", True)
            self._say.append(wire.call_output(event.call_id, event.text if ok else f"Failed: {event.text}"))
            self._wants_answer = True
        elif event.text:
            marked = f"[{event.kind} from {event.provenance}] {event.text[:MAX_TEXT]}"
            asked = event.provenance is Provenance.TYPED
            self._say.append(wire.user_message(wire.input_text(event.text[:MAX_TEXT] if asked else marked)))
            self._wants_answer |= event.kind == "result"

    def _cancel(self) -> None:
        """The person pressed stop."""
        if self._active is not None:
            self._say.append({"type": "response.cancel", "response_id": self._active})
        self._cut(None)

    def _cut(self, response_id: str | None) -> None:
        """Nothing more is said of a response, or of any: the server is told how much of it was heard."""
        speaking = self.playing.speaking
        gone = self.playing.stop(response_id)
        for one in gone:
            self._outdate(one.response_id)
            if one is speaking or one.waiting:
                self._say.append(self._truncation(one))
                self._yielded |= one is speaking
        if self._active is not None and response_id in (None, self._active):
            self._outdate(self._active)

    def _truncation(self, item: Spoken) -> Json:
        if self.dialect.acks:
            return self._ack(item) | {"truncate": True}
        return wire.truncate(item.item_id, item.content_index, self._played_ms(item))

    def _played_ms(self, item: Spoken) -> int:
        return self.playing.played_ms(item, self._index, self.fates())

    def _ack(self, item: Spoken) -> Json:
        played_ms = self._played_ms(item)
        told = {"response_id": item.response_id, "item_id": item.item_id}
        return {"type": "playback.ack", "played_ms": played_ms, "committed_ms": played_ms, **told}

    def _outdate(self, response_id: str) -> None:
        self._over[response_id] = None
        while len(self._over) > MAX_REMEMBERED:
            self._over.popitem(last=False)

    # --- from the server

    def opened(self, resumed: bool) -> None:
        """A connection is there. A fresh session knows nothing of before: what was coming ends where it is."""
        self._acked = {}  # what was told last may have been lost with the connection
        if resumed:
            return
        self.playing.newest = None
        self.counts["sessions"] += 1
        self._active, self._epoch, self.seen_seq = None, 0, -1
        self._open_calls.clear()
        self._names.clear()
        for item in self.playing.items:
            self.playing.end(item)

    def take(self, event: Json) -> None:
        """One event of the server. Never raises."""
        seq = event.get("server_event_seq")
        if isinstance(seq, int) and not isinstance(seq, bool) and 0 <= seq <= 2**53:
            if seq <= self.seen_seq:
                self.counts["repeated_events"] += 1
                return
            if self.seen_seq >= 0:
                self.counts["missing_events"] += min(seq - self.seen_seq - 1, 10**6)
            self.seen_seq = seq
        heed = _HEED.get(event["type"])
        if heed is None:
            self.counts["unknown_events"] += 1
            return
        try:
            heed(self, event)
        except WireError:
            self.counts["malformed_events"] += 1

    def _session(self, event: Json) -> None:
        session = wire.object_in(event, "session")
        self.capabilities = {**self.capabilities, **capabilities_of(session)}
        self.session_id = wire.text_in(session, "id", default=self.session_id)
        self.resume_token = wire.text_in(session, "resume_token", 4096, default=self.resume_token)

    def _resync(self, event: Json) -> None:  # noqa: ARG002
        """The server cannot go on with this session: the next connection opens a new one."""
        self.resume_token = ""

    def _audio(self, event: Json) -> None:
        item = self._item_of(event)
        sound = wire.sound_of(event.get("delta"))
        if item is None:
            self.counts["stale_deltas"] += 1
            self.counts["stale_samples"] += len(sound)
            return
        rate = wire.whole_in(event, "sample_rate_hz", self.dialect.output_rate)
        if not 4_000 <= rate <= 192_000:
            raise WireError("sample_rate_hz", f"is {rate}")
        self.playing.hear(item, sound, rate)

    def _words(self, event: Json) -> None:
        text = wire.text_in(event, "delta", MAX_TEXT)
        item = self._item_of(event)
        if item is None:
            self.counts["stale_deltas"] += 1
        else:
            self.playing.read(item, text)

    def _item_of(self, event: Json) -> Spoken | None:
        """The item that a delta belongs to; None where it is of a response that is over, or of an older epoch."""
        response_id, item_id = wire.text_in(event, "response_id"), wire.text_in(event, "item_id", default="")
        epoch = wire.whole_in(wire.object_in(event, "metadata"), "epoch", self._epoch)
        if epoch > self._epoch:
            self._epoch = epoch
            self._cut(None)
            self._over.pop(response_id, None)
        if epoch < self._epoch or response_id in self._over:
            return None
        return self.playing.item(response_id, item_id or response_id, wire.whole_in(event, "content_index", 0))

    def _audio_done(self, event: Json) -> None:
        item_id = wire.text_in(event, "item_id", default="") or wire.text_in(event, "response_id")
        for item in self.playing.items:
            if item.item_id == item_id:
                self.playing.end(item)

    def _began(self, event: Json) -> None:
        response_id = wire.text_in(wire.object_in(event, "response"), "id")
        if response_id in self._over:
            return
        self._active, self._decision = response_id, "speak"
        for item in self.playing.items:
            if item.response_id != response_id:
                self.playing.end(item)

    def _done(self, event: Json) -> None:
        response = wire.object_in(event, "response")
        response_id, status = wire.text_in(response, "id"), wire.text_in(response, "status", default="completed")
        if response_id == self._active:
            self._active = None
        if status == "cancelled":
            self._cut(response_id)
            self._outdate(response_id)
        elif status == "failed":
            self.counts["failed_responses"] += 1
        for item in self.playing.items:
            if item.response_id == response_id:
                self.playing.end(item)

    def _speech(self, event: Json) -> None:  # noqa: ARG002
        if self.dialect.speech_stops:
            self._cut(None)

    def _speak(self, event: Json) -> None:  # noqa: ARG002
        self._decision = "speak"

    def _listen(self, event: Json) -> None:  # noqa: ARG002
        self._decision = "listen"

    def _item_added(self, event: Json) -> None:
        item = wire.object_in(event, "item")
        if item.get("type") == "function_call":
            self._names[wire.text_in(item, "id", default="")] = wire.text_in(item, "name", default="")
            while len(self._names) > MAX_REMEMBERED:
                self._names.popitem(last=False)

    def _called(self, event: Json) -> None:
        known = self._names.get(wire.text_in(event, "item_id", default=""), "")
        self._call(wire.text_in(event, "call_id"), wire.text_in(event, "name", default=known), event)

    def _item_done(self, event: Json) -> None:
        item = wire.object_in(event, "item")
        if item.get("type") == "function_call":
            self._call(wire.text_in(item, "call_id"), wire.text_in(item, "name"), item)

    def _call(self, call_id: str, name: str, told: Json) -> None:
        """A function is called: a tool of the session, or the background. What cannot be read is answered at once."""
        if call_id in self._open_calls or any(call.id == call_id for call in self._calls):
            return  # told twice: as arguments and as an item
        try:
            arguments = json.loads(wire.text_in(told, "arguments", MAX_TEXT, "") or "{}")
        except (ValueError, RecursionError):
            arguments = None
        if not name or not isinstance(arguments, dict):
            self.counts["malformed_calls"] += 1
            self._say.append(wire.call_output(call_id, "Failed: the arguments are not one JSON object"))
            self._wants_answer = True
            return
        self._open_calls[call_id] = name
        while len(self._open_calls) > MAX_REMEMBERED:
            self._open_calls.popitem(last=False)
        if name == BACKGROUND:
            topic, request = str(arguments.get("topic") or name)[:64], str(arguments.get("request", ""))[:MAX_TEXT]
            self._calls.append(Call("delegate", call_id, topic, {"request": request}))
        else:
            self._calls.append(Call("tool", call_id, name, arguments))

    def _heard_delta(self, event: Json) -> None:
        self._hearing.delta(wire.text_in(event, "item_id", default=""), wire.text_in(event, "delta", MAX_TEXT, ""))

    def _heard_all(self, event: Json) -> None:
        self._hearing.all(wire.text_in(event, "item_id", default=""), wire.text_in(event, "transcript", MAX_TEXT))

    def _error(self, event: Json) -> None:
        self.counts["server_errors"] += 1
        told = event.get("error")
        code = told.get("code") if isinstance(told, dict) else event.get("code")
        self.last_error = code if isinstance(code, str) and _CODE.fullmatch(code) else "unnamed"

    def _nothing(self, event: Json) -> None:
        """Known, and nothing to do."""

    # --- to the session

    def act(self, index: int, **diagnostics: Any) -> Act:
        """What the remote model does in this micro-turn."""
        audio, words, spoke = self.playing.act(index)
        if not spoke and not self.playing.waiting and self._active is None:
            self._decision = "listen" if self._decision == "listen" else ""
        told: dict[str, Any] = dict(diagnostics)
        if self._decision:
            told["decision"] = self._decision
        if self._yielded:
            told["yielded"] = True
        self._yielded, self._index = False, index + 1
        heard, calls = self._hearing.words(index), tuple(self._calls)
        self._calls.clear()
        floor = Floor.SPEAK if spoke else Floor.LISTEN
        return Act(index, np.asarray(audio), floor, words, heard, calls, told)


_HEED: Final[dict[str, Callable[[Talk, Json], None]]] = {
    "session.created": Talk._session,
    "session.updated": Talk._session,
    "session.resumed": Talk._session,
    "session.replaced": Talk._resync,
    "session.expired": Talk._resync,
    "session.closed": Talk._resync,
    "session.resync_required": Talk._resync,
    "input_audio_buffer.speech_started": Talk._speech,
    "conversation.item.input_audio_transcription.delta": Talk._heard_delta,
    "conversation.item.input_audio_transcription.completed": Talk._heard_all,
    "response.created": Talk._began,
    "response.output_item.added": Talk._item_added,
    "response.output_item.done": Talk._item_done,
    "response.output_audio.delta": Talk._audio,
    "response.output_audio.done": Talk._audio_done,
    "response.output_audio_transcript.delta": Talk._words,
    "response.output_text.delta": Talk._words,
    "response.function_call_arguments.done": Talk._called,
    "response.done": Talk._done,
    "response.speak": Talk._speak,
    "response.listen": Talk._listen,
    "error": Talk._error,
    **dict.fromkeys(wire.QUIET, Talk._nothing),
}
