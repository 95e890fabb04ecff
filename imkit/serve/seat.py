"""One session of a server, without the server: client events in, percepts out; acts in, server events out."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Final

from imkit.adapters import realtime_events as wire
from imkit.adapters.realtime_dialect import BACKGROUND
from imkit.adapters.realtime_events import Json, Names, WireError, object_in, text_in
from imkit.stream import Act, Call, Event, ModelSpec, OpenConfig, Percept, Provenance

from .intake import Intake
from .items import MAX_TEXT, content_of, pictures_in, read_parts
from .limits import Limits
from .reply import Hearing, Reply
from .settings import Settings

PICTURE_COST: Final = 20  # messages: decoding one takes that long
MAX_REFUSED: Final = 1000
WAIT_TICKS: Final = 2
BEHIND_TICKS: Final = 5
BACKLOG_TICKS: Final = 25
SOUND: Final = ("response.output_audio.delta",)


class Seat:
    """What one client hears and says.

    spec    of the model that sits in the chair
    clock   seconds; for the rate of messages and for who has left
    wake    called when something waits to be sent
    fed     called when something came in
    """

    def __init__(
        self,
        spec: ModelSpec,
        limits: Limits,
        clock: Callable[[], float],
        *,
        virtual: bool = False,
        wake: Callable[[], object] = lambda: None,
        fed: Callable[[], object] = lambda: None,
    ) -> None:
        self.spec, self.limits = spec, limits
        self.state: Any = None
        self.out: deque[str] = deque()
        self.unsent_bytes = 0
        self.counts: Counter[str] = Counter()
        self.ended = ""
        """Why the session is over, in words; "" while it goes on."""
        self.begun = False
        self.index = 0
        self._clock, self._wake, self._fed, self._virtual = clock, wake, fed, virtual
        self._names = Names()
        self._elapsed = self._backlog = 0
        self._allowed, self._asked_s = 2.0 * limits.messages_per_s, clock()
        self.spoke_s = clock()
        self.settings = Settings(spec, self._names("sess"))
        self.intake = Intake(limits.audio_s)
        self.reply = Reply(self._names, spec.output_rate, self.tell)
        self._hearing = Hearing(self._names, self.tell, self.reply.keep)
        self._asked: dict[str, str] = {}
        self._warned: set[str] = set()
        self.tell({"type": "session.created", "session": self.settings.told()})

    # --- out

    def tell(self, event: Json) -> None:
        """One event for the client. A client that does not read loses sound first, then its session."""
        message = wire.write({"event_id": self._names("event"), **event})
        over = self.unsent_bytes + len(message) > self.limits.unsent_bytes
        if over and event["type"] in SOUND:
            self.counts["unread_sound_events"] += 1
            return
        if self.unsent_bytes + len(message) > 2 * self.limits.unsent_bytes:
            self.counts["unread_events"] += 1
            self.ended = self.ended or "the client does not read what it is sent"
            return
        self.unsent_bytes += len(message)
        self.out.append(message)
        self._wake()

    def sent(self) -> str | None:
        """The next message to be sent, None when there is none."""
        if not self.out:
            return None
        message = self.out.popleft()
        self.unsent_bytes -= len(message)
        return message

    def _warn(self, code: str, words: str, param: str | None = None) -> None:
        """Says what was asked for and is not so, once each."""
        if (param or code) not in self._warned and len(self._warned) < 100:
            self._warned.add(param or code)
            self.tell({"type": "imkit.warning", "code": code, "message": words, "param": param})

    def _refuse(self, event: Json, code: str, words: str, param: str | None = None) -> None:
        asked_by = event.get("event_id")
        event_id = asked_by if isinstance(asked_by, str) and len(asked_by) <= 200 else None
        self.counts["refused_events"] += 1
        if self.counts["refused_events"] > MAX_REFUSED:
            self.ended = self.ended or "too many events that are none"
            return
        self.tell(wire.error(code, words, param=param, event_id=event_id))

    # --- in

    def take(self, message: str | bytes) -> None:
        """One message of the client. Never raises: what cannot be done is answered with an error event."""
        now_s = self._clock()
        most = 2.0 * self.limits.messages_per_s
        self._allowed = min(most, self._allowed + (now_s - self._asked_s) * self.limits.messages_per_s)
        self._asked_s = self.spoke_s = now_s
        if self._allowed < 1:
            self.counts["over_rate"] += 1
            self._refuse({}, "rate_limit_exceeded", f"more than {self.limits.messages_per_s} messages a second")
            return
        self._allowed -= 1
        event: Json = {}
        try:
            event = wire.read(message, self.limits.message_bytes)
            heed = _HEED.get(event["type"])
            if heed is None:
                self._refuse(event, "unknown_event", "no event of this type is known here", "type")
            else:
                heed(self, event)
        except WireError as error:
            self.counts["malformed"] += 1
            self._refuse(event, "invalid_value", str(error), error.field)
        self._fed()

    def _update(self, event: Json) -> None:
        told = self.settings.update(object_in(event, "session"), self.begun)
        self.tell({"type": "session.updated", "session": self.settings.told()})
        for param, words in told:
            self._warn("setting_ignored", f"{param}: {words}", param)

    def _append(self, event: Json) -> None:
        sound = wire.sound_of(event.get("audio"))
        self.begun = True
        lost = self.intake.hear(sound)
        if lost:
            words = f"{lost / 16_000:.1f} s of sound found no room and are lost; send it as it is spoken"
            self._refuse(event, "input_audio_buffer_full", words, "audio")

    def _commit(self, event: Json) -> None:
        if not self.intake.appended and not self._hearing.item_id:
            self._refuse(event, "input_audio_buffer_commit_empty", "there is no sound since the last commit")
            return
        self.intake.appended = False
        self._hearing.finish()

    def _clear(self, event: Json) -> None:  # noqa: ARG002
        self.intake.clear()
        self.tell({"type": "input_audio_buffer.cleared"})

    def _create_item(self, event: Json) -> None:
        item = object_in(event, "item")
        kind, item_id = item.get("type"), text_in(item, "id", 64, self._names("item"))
        if kind == "function_call_output":
            call_id, output = text_in(item, "call_id"), text_in(item, "output", MAX_TEXT)
            topic, ok = self._asked.pop(call_id, ""), not output.startswith("Failed:")
            told = {"topic": topic, "ok": ok}
            words = output if ok else output.removeprefix("Failed:").strip()
            self.intake.tell(Event("result", Provenance.TOOL, words, call_id, told))
            kept: Json = {"type": kind, "call_id": call_id, "output": output}
        elif kind == "message":
            kept = self._message(item)
        else:
            raise WireError("item.type", "expected 'message' or 'function_call_output'")
        self.begun = True
        kept = {"id": item_id, "object": "realtime.item", "status": "completed", **kept}
        self.reply.keep(kept)
        self.tell({"type": "conversation.item.added", "item": kept, "previous_item_id": None})
        self.tell({"type": "conversation.item.done", "item": kept, "previous_item_id": None})

    def _message(self, item: Json) -> Json:
        """A message of the user, of the application, or one that is said to be the model's."""
        content, role = content_of(item), str(item["role"])
        if role == "assistant":
            self._warn("item_ignored", "the model remembers what it said itself, and nothing that others say it said")
            return {"type": "message", "role": role, "content": []}
        pictures = pictures_in(content)
        self._allowed -= PICTURE_COST * pictures
        if pictures and self._allowed < 0:
            raise WireError("item.content", "holds more pictures than can be looked at; send fewer a second")
        if pictures and not self.spec.sees:
            self._warn("picture_ignored", "the model that is served here does not see")
        kept, given = read_parts(role, content)
        for kind, value in given:
            if kind == "text":
                self.intake.read(value)
            elif kind == "picture":
                self.intake.see(value)
            elif kind == "sound":
                self.intake.hear(value)
            else:  # the application's word, not the user's
                self.intake.tell(Event("notebook", Provenance.NOTEBOOK, value))
        return {"type": "message", "role": role, "content": kept}

    def _delete_item(self, event: Json) -> None:
        item_id = text_in(event, "item_id")
        if self.reply.items.pop(item_id, None) is None:
            self._refuse(event, "item_not_found", "there is no such item", "item_id")
            return
        self.tell({"type": "conversation.item.deleted", "item_id": item_id})
        self._warn(
            "item_remembered", "a deleted item is no longer kept here; what the model lived through it remembers"
        )

    def _retrieve_item(self, event: Json) -> None:
        item = self.reply.items.get(text_in(event, "item_id"))
        if item is None:
            self._refuse(event, "item_not_found", "there is no such item", "item_id")
        else:
            self.tell({"type": "conversation.item.retrieved", "item": item})

    def _truncate_item(self, event: Json) -> None:
        item_id, until_ms = text_in(event, "item_id"), wire.whole_in(event, "audio_end_ms")
        content_index = wire.whole_in(event, "content_index", 0)
        active = self.reply.active
        if active is not None and active.item_id == item_id:
            self.reply.cancel()
        if not self.reply.truncate(item_id, until_ms):
            self._refuse(event, "invalid_value", "there is no such item, or it is not so long", "audio_end_ms")
            return
        told = {"item_id": item_id, "content_index": content_index, "audio_end_ms": until_ms}
        self.tell({"type": "conversation.item.truncated", **told})

    def _create_response(self, event: Json) -> None:
        asked = object_in(event, "response")
        if self.reply.active is not None:
            words = "a response is under way; wait for response.done or cancel it"
            self._refuse(event, "conversation_already_has_active_response", words)
            return
        if set(asked) - {"metadata", "conversation", "output_modalities", "audio"}:
            self._warn("response_settings_ignored", "the model decides by itself what to answer, and whether")
        metadata = asked.get("metadata")
        fits = isinstance(metadata, dict) and len(metadata) <= 16 and all(isinstance(v, str) for v in metadata.values())
        self.begun = True
        self.reply.create(metadata if fits else None)

    def _cancel_response(self, event: Json) -> None:
        active = self.reply.active
        wanted = event.get("response_id")
        if active is None or (wanted is not None and wanted != active.id):
            self._refuse(event, "response_cancel_not_active", "no such response is under way")
            return
        self.reply.cancel()
        self.intake.tell(Event("system", Provenance.UI, "the person wants silence", payload={"interrupt": True}))

    # --- ticks

    def pass_by(self, ticks: int) -> None:
        """So many ticks of the clock have passed. What can no longer be caught up with is lost, and said."""
        if not self.begun:
            return
        self._elapsed += ticks
        self._backlog = self._backlog + 1 if self.intake.ticks >= 2 else 0
        if self._backlog >= BACKLOG_TICKS and self._backlog % 5 == 0:
            self._elapsed += 1  # a client whose clock is faster, or who sent ahead: a fifth faster until it is heard
        behind = self._elapsed - self.index - BEHIND_TICKS
        if behind > 0:
            self.intake.skip(behind)
            self.index += behind

    @property
    def due(self) -> bool:
        """Whether a tick can be lived now: one has passed, and its sound is there or has been waited for."""
        if not self.begun or self.ended:
            return False
        if self._virtual:
            return self.intake.ticks > 0
        lag = self._elapsed - self.index
        return lag > 0 and (self.intake.ticks > 0 or lag > WAIT_TICKS)

    def config(self) -> OpenConfig:
        """How the model is opened for this session."""
        return OpenConfig(tools=tuple(name for name in self.settings.tools if name != BACKGROUND))

    def percept(self) -> Percept:
        """What is perceived in the tick that is due."""
        return self.intake.percept(self.index)

    def give(self, act: Act, state: Any) -> None:
        """The act of that tick, and the model's state after it."""
        self.state = state
        self.index += 1
        active = self.reply.active
        speaking = active is not None and bool(active.item_id)
        self._hearing.heard(act.heard, speaking)
        if act.diagnostics.get("yielded") and speaking:
            self._hearing.yielded()
        for call in self.reply.act(act, self._function):
            self.counts["calls_nobody_takes"] += 1
            words = f"the model asked for {call.name!r}; give the session a function of that name, or {BACKGROUND!r}"
            self._warn("call_without_function", words, call.name)
            told = {"ok": False, "topic": call.name}
            self.intake.tell(Event("result", Provenance.TOOL, "nobody here can do that", call.id, told))

    def _function(self, call: Call) -> tuple[str, Json] | None:
        """The function of the session that takes a call, and its arguments."""
        if call.kind not in ("tool", "delegate"):
            return None
        name, arguments = call.name, dict(call.arguments)
        if name not in self.settings.tools:
            if call.kind != "delegate" or BACKGROUND not in self.settings.tools:
                return None
            name, arguments = BACKGROUND, {"topic": call.name, **arguments}
        self._asked[call.id] = call.name
        while len(self._asked) > 64:
            self._asked.pop(next(iter(self._asked)))
        return name, arguments

    def fail(self, words: str) -> None:
        """The session ends with an error of the server's."""
        self.tell(wire.error("server_error", words, kind="server_error"))
        self.ended = self.ended or words


_HEED: Final[dict[str, Callable[[Seat, Json], None]]] = {
    "session.update": Seat._update,
    "input_audio_buffer.append": Seat._append,
    "input_audio_buffer.commit": Seat._commit,
    "input_audio_buffer.clear": Seat._clear,
    "conversation.item.create": Seat._create_item,
    "conversation.item.delete": Seat._delete_item,
    "conversation.item.retrieve": Seat._retrieve_item,
    "conversation.item.truncate": Seat._truncate_item,
    "response.create": Seat._create_response,
    "response.cancel": Seat._cancel_response,
}
