"""``imkit bench serve``: how many spoken conversations a server holds, over real sockets and by the clock.

The server lives in a process of its own, kept to one core where the system allows that, and the clients in this one, on
the other cores. Every client sends the same spoken questions, 200 ms of sound at a time, from another place on, and
hears what comes back. Times of ticks are the server's: from the beat until all who were due have their act. It is late
when the next has come by then; a tick is skipped when its act is never made, because the server is too far behind.
"""

from __future__ import annotations

import asyncio
import json
import math
import multiprocessing as mp
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from imkit.adapters import realtime_events as wire
from imkit.capture.resample import Resampler
from imkit.serve import Limits, Server
from imkit.stream import INPUT_RATE, TICK_S, ImkitError
from imkit.views.charts import axis, line, look, note
from imkit.views.lanes import DEADLINE_MS
from imkit.views.palette import theme_of

from .bench import LEAD_S, PAUSE_S, Row, conversation, questions, rank
from .bench_streams import closer

SECONDS = 20.0
WARM_S = 3.0
MOST = 256
PATIENCE_S = 60.0
REPLY_S = 3.0


@dataclass(frozen=True)
class Load:
    """So many sessions for so long.

    late     share of beats that took longer than a tick
    skipped  share of all ticks of all sessions
    reply_s  median from the end of a question to the first sound of the answer, None without
    ended    sessions that were over too early
    """

    streams: int
    p50_ms: float
    p99_ms: float
    late: float
    skipped: float
    beats: int
    asked: int
    answered: int
    reply_s: float | None
    ended: int


def keeps_up(one: Load) -> bool:
    """Whether 99 of 100 ticks are done before the next begins, none is skipped and nobody is thrown out."""
    return one.p99_ms <= DEADLINE_MS and one.skipped == 0 and one.ended == 0


def load(
    model: str, seconds: float = SECONDS, most: int = MOST, table: Path | None = None, picture: Path | None = None
) -> Iterator[Row]:
    """Rows for 1, 2, 4, 8 ... sessions until they are too many, then the most that are not.

    ``table`` is a JSON file for the numbers, ``picture`` an HTML file for a figure of them.
    """
    kept: list[Load] = []
    with _served(model, most) as server:

        def tried(count: int) -> Load:
            kept.append(server.load(count, seconds))
            return kept[-1]

        count = 1
        while count <= most:
            yield _row(tried(count))
            if not keeps_up(kept[-1]):
                break
            count *= 2
        if not keeps_up(kept[-1]) and count < most:  # what too many are like
            yield _row(tried(2 * count))
        for one in closer(tried, list(kept), keeps_up):
            yield _row(one)
    kept.sort(key=lambda one: one.streams)
    able = [one.streams for one in kept if keeps_up(one)]
    told = "" if len(able) < len(kept) else "at least; no more were tried"
    yield Row(f"served sessions, {server.cores}", float(max(able, default=0)), None, "", told)
    if table is not None:
        whole = {"model": model, "seconds": seconds, "cores": server.cores, "loads": list(map(asdict, kept))}
        table.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    if picture is not None:
        load_figure(kept, server.cores).write_html(picture, include_plotlyjs=True)


def _row(one: Load) -> Row:
    reply = "" if one.reply_s is None else f", question to sound p50 {one.reply_s:.2f} s"
    late = f"p99 {one.p99_ms:.0f} ms, late {100 * one.late:.1f} %, skipped {100 * one.skipped:.2f} %"
    told = f"{late}, answered {one.answered} of {one.asked}{reply}"
    ended = f", {one.ended} ended early" if one.ended else ""
    return Row(f"serve: tick of {one.streams}, p50", one.p50_ms, DEADLINE_MS, "ms", told + ended)


# --- the server's process


def _serve(model: str, most: int, cores: set[int], line: Connection) -> None:
    """Serves until the line is closed; for every word on it the ticks since the last, and what was skipped."""
    if cores:
        os.sched_setaffinity(0, cores)
    from .run import load_model

    with Server(load_model(model), limits=replace(Limits(), sessions=most)) as server:
        line.send((server.url, server.token))
        with suppress(EOFError):
            while True:
                line.recv()
                beat = server.beat
                taken, skipped = list(beat.taken_ms), beat.counts["skipped_ticks"]
                skipped += sum(seat.intake.counts["skipped_ticks"] for seat in list(beat.seats))
                line.send((taken, skipped))
                beat.taken_ms.clear()


@contextmanager
def _served(model: str, most: int) -> Iterator[_Far]:
    able = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    apart = len(able) > 1
    spawn = mp.get_context("spawn")
    near, far = spawn.Pipe()
    served = spawn.Process(target=_serve, args=(model, most, {able[-1]} if apart else set(), far), daemon=True)
    served.start()
    far.close()
    try:
        if apart:
            os.sched_setaffinity(0, set(able[:-1]))
        yield _Far(near, "server on one core" if apart else "server and clients together")
    finally:
        near.close()
        if apart:
            os.sched_setaffinity(0, set(able))
        served.join(10)
        served.terminate()


class _Far:
    """The server, from here."""

    def __init__(self, line: Connection, cores: str) -> None:
        self.line, self.cores = line, cores
        self.url, self.token = self._told()

    def _told(self) -> Any:
        if not self.line.poll(PATIENCE_S):
            raise ImkitError(f"imkit bench serve: no word from the server's process for {PATIENCE_S:.0f} s")
        try:
            return self.line.recv()
        except EOFError:
            raise ImkitError("imkit bench serve: the server's process ended; its message stands above") from None

    def lap(self) -> tuple[list[float], int]:
        """Ticks in ms since the last time, and how many were skipped since the server began."""
        self.line.send("lap")
        taken, skipped = self._told()
        return taken, skipped

    def load(self, count: int, seconds: float) -> Load:
        """So many conversations, for so long each."""
        clients = asyncio.run(self._talk(count, seconds))
        taken, skipped = self._taken
        replies = [reply for one in clients for reply in one.replies if reply is not None]
        return Load(
            count,
            round(rank(taken, 0.5), 2) if taken else float("inf"),
            round(rank(taken, 0.99), 2) if taken else float("inf"),
            round(sum(ms > DEADLINE_MS for ms in taken) / max(1, len(taken)), 4),
            round(skipped / (count * seconds / TICK_S), 6),
            len(taken),
            sum(len(one.replies) for one in clients),
            len(replies),
            round(statistics.median(replies), 3) if replies else None,
            sum(one.ended for one in clients),
        )

    async def _talk(self, count: int, seconds: float) -> list[_Client]:
        from websockets.asyncio.client import connect

        spoken, ends_s = _spoken()
        clients = [_Client(spoken, ends_s, 7 * k) for k in range(count)]
        header = {"Authorization": f"Bearer {self.token}"}

        async def one(k: int, client: _Client) -> None:
            try:
                async with connect(self.url, additional_headers=header, proxy=None) as socket:
                    await client.talk(socket, start_s + TICK_S * k / count, ticks)
            except (OSError, ImkitError, TimeoutError) as error:
                raise ImkitError(f"imkit bench serve: session {k + 1} of {count}: {error}") from error

        async def measured() -> None:
            await asyncio.sleep(max(0.0, start_s + WARM_S - time.monotonic()))
            before = (await asyncio.to_thread(self.lap))[1]
            for client in clients:
                client.replies.clear()
            await asyncio.sleep(seconds)
            taken, skipped = await asyncio.to_thread(self.lap)
            self._taken = taken, skipped - before

        ticks = round((WARM_S + seconds + LEAD_S) / TICK_S)
        start_s = time.monotonic() + 0.5 + 0.02 * count
        await asyncio.gather(measured(), *(one(k, client) for k, client in enumerate(clients)))
        return clients


def _spoken() -> tuple[list[str], list[float]]:
    """Messages of 200 ms each, to be sent over and over, and where in them a question ends, in seconds."""
    ticks = conversation().ticks
    up = Resampler(INPUT_RATE, wire.API_RATE)
    whole = np.concatenate([up.push(np.concatenate(ticks)), up.finish()])
    size = round(wire.API_RATE * TICK_S)
    whole = np.pad(whole, (0, len(ticks) * size))[: len(ticks) * size]
    ends, at_s = [], 0.0
    for question in questions():
        at_s += question.end_s
        ends.append(at_s)
        at_s += PAUSE_S
    return [json.dumps(wire.append(part)) for part in whole.reshape(len(ticks), size)], ends


@dataclass
class _Client:
    """Asks by the clock and listens. ``replies`` are seconds from a question's end to the first sound, None without."""

    spoken: list[str]
    ends_s: list[float]
    first: int
    replies: list[float | None] = field(default_factory=list)
    ended: bool = False
    _waits_s: float | None = None

    async def talk(self, socket: Any, start_s: float, ticks: int) -> None:
        """So many ticks of sound, the first of which was spoken when ``start_s`` comes."""
        from websockets.exceptions import ConnectionClosed

        hearing = asyncio.ensure_future(self._hear(socket))
        with suppress(ConnectionClosed):
            for n in range(ticks):
                await asyncio.sleep(max(0.0, start_s + n * TICK_S - time.monotonic()))
                place = (self.first + n) % len(self.spoken)
                await socket.send(self.spoken[place])
                end_s = next((end_s for end_s in self.ends_s if 0 <= place + 1 - end_s / TICK_S < 1), None)
                if end_s is not None:
                    self.replies.append(None)
                    self._waits_s = start_s + n * TICK_S - ((place + 1) * TICK_S - end_s)
        hearing.cancel()
        with suppress(asyncio.CancelledError):
            await hearing

    async def _hear(self, socket: Any) -> None:
        async for message in socket:
            now_s = time.monotonic()
            if "output_audio.delta" in message[:400] and self._waits_s is not None and self.replies:
                if now_s - self._waits_s <= REPLY_S:
                    self.replies[-1] = now_s - self._waits_s
                self._waits_s = None
        self.ended = True


def load_figure(loads: Sequence[Load], cores: str, theme: str = "light", *, width: int = 720) -> Any:
    """A plotly ``Figure``: ticks of a server, p50 and p99, over its sessions; below, what is late or skipped."""
    import plotly.graph_objects as go

    colours = theme_of(theme)
    counts = [one.streams for one in loads]
    plain = {"type": "scatter", "x": counts, "mode": "lines+markers"}

    def curve(values: list[float], colour: str, unit: str, **more: Any) -> dict[str, Any]:
        style = {"line": {"color": colour, "width": 2}, "marker": {"color": colour, "size": 7}}
        return {
            **plain,
            **style,
            "y": values,
            "hovertemplate": f"%{{x}} sessions: %{{y:.3g}} {unit}<extra></extra>",
        } | more

    data = [
        curve([one.p99_ms for one in loads], colours.cost, "ms"),
        curve([one.p50_ms for one in loads], colours.me, "ms"),
        curve([100 * one.late for one in loads], colours.cost, "% late", yaxis="y2"),
        curve([100 * one.skipped for one in loads], colours.late, "% skipped", yaxis="y2"),
    ]
    shown = [2**k for k in range(max(counts).bit_length())]
    limit = line(colours, colours.late, xref="x domain", x0=0, x1=1, yref="y", y0=DEADLINE_MS, y1=DEADLINE_MS)

    def beside(text: str, colour: str, y: float, axis: str = "y") -> dict[str, Any]:
        return note(text, colour, xref="paper", x=1.01, xanchor="left", yref=axis, y=y)

    last = loads[-1]
    high, low = max(last.p99_ms, 1.8 * last.p50_ms), last.p50_ms

    title = f"<b>imkit serve, {cores}: spoken conversations at once</b>"
    top = {"xref": "paper", "yref": "paper", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"}
    layout = look(colours, width, 460) | {
        "margin": {"l": 64, "r": 92, "t": 34, "b": 48},
        "xaxis": axis(colours, "sessions", type="log", tickvals=shown, ticktext=list(map(str, shown)), anchor="y2"),
        "yaxis": axis(
            colours, "ms a tick", type="log", tickvals=[5, 10, 20, 50, 100, 200, 500, 1000], domain=[0.36, 1]
        ),
        "yaxis2": axis(colours, "%", domain=[0, 0.26], rangemode="tozero"),
        "shapes": [limit],
        "annotations": [
            note(title, colours.ink, **top),
            note(
                "the next tick",
                colours.late,
                xref="x domain",
                x=0,
                y=math.log10(DEADLINE_MS),
                xanchor="left",
                yanchor="bottom",
            ),
            beside("p99", colours.cost, math.log10(high)),
            beside("p50", colours.me, math.log10(low)),
            beside("late", colours.cost, max(100 * last.late, 100 * last.skipped + 12), "y2"),
            beside("skipped", colours.late, 100 * last.skipped, "y2"),
        ],
    }
    return go.Figure({"data": data, "layout": layout})
