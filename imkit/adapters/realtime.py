"""A remote realtime server in the chair: OpenAI's Realtime API and what speaks like it, ``imkit serve`` included."""

from __future__ import annotations

import importlib.util
import random
import time
import weakref
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn

from imkit.stream import TICK_S, Act, Ledger, ModelError, ModelSpec, OpenConfig, Percept

from .realtime_address import Address
from .realtime_dialect import BACKGROUND, Opening, dialect_of
from .realtime_line import CONNECTED, Connection, Line
from .realtime_talk import Talk

OPEN_S: Final = 8.0
AHEAD_S: Final = 1.2  # a live session that was held up catches up with five ticks at once

_ASK: Final = {
    "name": BACKGROUND,
    "description": "Hands work that takes longer to a helper beside you; its answer comes as this function's output.",
    "parameters": {
        "type": "object",
        "properties": {"request": {"type": "string", "description": "what is wanted, in full"}},
        "required": ["request"],
    },
}


class RealtimeState:
    """One stream: a line to the server and what is known of the conversation. It cannot be copied."""

    def __init__(self, line: Line, talk: Talk) -> None:
        self.line, self.talk = line, talk
        self.lead_s, self.held = 0.0, False
        self.stepped_s: float | None = None

    def _stay(self, *_: Any) -> NoReturn:
        raise ModelError(
            "a stream of a remote model cannot be forked or kept: what it knows is on the server. Fork a session of a "
            "local model, such as nano, or open a second stream and live through it again"
        )

    __copy__ = __deepcopy__ = __reduce_ex__ = _stay


class Realtime:
    """Speaks with a server over a WebSocket, 200 ms at a time. Needs ``pip install imkit[realtime]``.

    url           where it is: "wss://api.openai.com/v1/realtime", "ws://127.0.0.1:8765/v1/realtime"
    dialect       "openai", or "vllm_omni" for the duplex extensions of vLLM-Omni
    model         the name that the server knows the model by
    instructions  what the model is told first
    voice         one that the server knows
    tools         function tools: {"name", "description", "parameters"}; tools that the session lets the model call
                  itself, and that are not among them, are offered without arguments. Work for the background model
                  goes through a function of its own
    sees          True sends what the camera shows, one small JPEG picture a second. Off by default
    session       further fields of ``session.update``, as the server spells them
    open_s        how long ``open`` waits for the server; 0 does not wait

    The key is read from the environment when it is needed, from IMKIT_REALTIME_KEY, or OPENAI_API_KEY for
    api.openai.com and nobody else; it goes to ``url`` only. Sound goes to that server once a stream is open.

    ``step`` never waits for the network. While the connection is down it listens in silence, says so in
    ``diagnostics["connection"]`` (connecting, live, lost, idle, refused, closed), counts every tick of sound that was
    lost, and calls again after 0.1 to 2 s. A server that cannot resume then begins anew and knows nothing of before.
    A stream that is not stepped for a minute hangs up, and calls again with the next step.

    A remote model lives by the wall clock. A session that runs ahead, such as ``Session.run``, is held back to it.
    """

    def __init__(
        self,
        url: str,
        dialect: str = "openai",
        model: str | None = None,
        *,
        instructions: str = "",
        voice: str = "",
        tools: Sequence[Mapping[str, Any]] = (),
        sees: bool = False,
        session: Mapping[str, Any] | None = None,
        open_s: float = OPEN_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        if importlib.util.find_spec("websockets") is None:
            raise ModelError("a realtime server needs the websockets package; run: pip install 'imkit[realtime]'")
        self.dialect = dialect_of(dialect)
        self._address = Address(url, model or "", self.dialect.query)
        self._opening = Opening(self._address.model, instructions, voice, tuple(tools), dict(session or {}))
        self._sees, self._open_s, self._clock, self._sleep = sees, open_s, clock, sleep
        self._ledger: Callable[[], Ledger | None] = lambda: None
        self._streams: weakref.WeakSet[RealtimeState] = weakref.WeakSet()
        self._newest: weakref.ref[RealtimeState] | None = None
        self._spec = ModelSpec(
            "realtime", self.dialect.output_rate, TICK_S, sees=sees, reads=True, delegates=True, repeats=False
        )

    @property
    def spec(self) -> ModelSpec:
        """What the model says of itself."""
        return self._spec

    def __repr__(self) -> str:
        named = f", {self._address.model!r}" if self._address.model else ""
        return f"Realtime({self._address.url!r}, {self.dialect.name!r}{named})"

    def __getstate__(self) -> NoReturn:
        raise TypeError("a Realtime model is not pickled: it holds open connections")

    @property
    def capabilities(self) -> dict[str, Any]:
        """What the server said of itself to the newest stream; {} before it did."""
        newest = self._newest() if self._newest is not None else None
        return {} if newest is None else dict(newest.talk.capabilities)

    def follow(self, ledger: Callable[[], Ledger | None]) -> None:
        """Truncates and acknowledges by what was really played: ``model.follow(lambda: session.ledger)``.

        Without it, what was handed out a tick ago counts as played.
        """
        self._ledger = ledger

    def open(self, config: OpenConfig) -> RealtimeState:
        """Calls the server. Raises ModelError when it refuses, or cannot be reached within ``open_s``."""
        given = {str(tool["name"]) for tool in self._opening.tools}
        bare = [{"name": name} for name in config.tools if name not in given]
        opening = Opening(
            self._opening.model,
            self._opening.instructions,
            self._opening.voice,
            (*self._opening.tools, *bare, _ASK),
            {**self._opening.more, **config.options},
        )
        talk = Talk(self.dialect, opening, self._spec.output_rate, self._sees)
        talk.fates = lambda: ledger.fates if (ledger := self._ledger()) is not None else None
        line = Line(self._address.dial, talk.begin, beat_s=self.dialect.heartbeat_s, rng=random.Random())
        line.start()
        if self._open_s:
            line.ready.wait(self._open_s)
            if line.state is not Connection.LIVE:
                reason = line.reason or "no session was opened in time"
                line.close()
                raise ModelError(f"realtime server at {self._address.where}: {reason}; is it running there?")
        state = RealtimeState(line, talk)
        self._take_in(state)
        weakref.finalize(state, line.close, wait=False)
        self._streams.add(state)
        self._newest = weakref.ref(state)
        return state

    def step(self, state: RealtimeState, percept: Percept) -> tuple[Act, RealtimeState]:
        """One micro-turn: what came in since the last one is taken, what was perceived is put on its way."""
        self._keep_to_the_clock(state)
        line, talk = state.line, state.talk
        self._take_in(state)
        lost_before = line.counts["lost_ticks"]
        line.put(talk.hear(percept))
        told: dict[str, Any] = {"connection": str(line.state)}
        if lost := line.counts["lost_ticks"] - lost_before:
            told["lost_ticks"] = lost
        return talk.act(percept.index, **told), state

    def _take_in(self, state: RealtimeState) -> None:
        """Everything that came in since the last time."""
        for event in state.line.drain():
            if event["type"] == CONNECTED:
                state.talk.opened(bool(event["resumed"]))
            else:
                state.talk.take(event)

    def counts(self, state: RealtimeState) -> Counter[str]:
        """What was lost, dropped, stale, unknown, malformed or repeated on a stream so far."""
        return state.line.counts + state.talk.counts + state.talk.playing.counts

    def close(self) -> None:
        """Hangs up all streams."""
        for state in list(self._streams):
            state.line.close()

    def _keep_to_the_clock(self, state: RealtimeState) -> None:
        """Waits where a run in virtual time is ahead of the clock; a live session, which goes by one, never is."""
        now_s = self._clock()
        passed_s = 0.0 if state.stepped_s is None else now_s - state.stepped_s
        state.lead_s = max(0.0, state.lead_s + TICK_S - passed_s)
        state.stepped_s = now_s
        state.held |= state.lead_s > AHEAD_S
        if state.held and state.lead_s > TICK_S:
            self._sleep(state.lead_s - TICK_S)
