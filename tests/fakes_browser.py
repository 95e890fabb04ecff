"""A small model for tests with a browser: it listens by loudness and answers with tones. Deterministic, no weights."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from imkit.stream import TICK_S, Act, Call, Floor, ModelSpec, OpenConfig, Percept, Word, heard_from_s

RATE = 16_000
LOUD = 0.01
ANSWER_TICKS = 3


@dataclass(frozen=True)
class Mind:
    """What the stand-in remembers: ticks of speech heard, tones still to sound, calls made."""

    voiced: int = 0
    tones: int = 0
    asked: int = 0
    frames: int = 0


class StandIn:
    """Answers 0.2 s after speech with 0.6 s of tone and a word; yields when talked over; delegates typed "plot"."""

    spec = ModelSpec("stand-in", RATE, sees=True, delegates=True)

    def open(self, config: OpenConfig) -> Mind:
        return Mind()

    def step(self, mind: Mind, percept: Percept) -> tuple[Act, Mind]:
        loud = float(np.sqrt(np.mean(percept.audio**2))) > LOUD
        start_s = heard_from_s(percept.index)
        heard: tuple[Word, ...] = ()
        words: tuple[Word, ...] = ()
        calls: tuple[Call, ...] = ()
        diagnostics: dict[str, object] = {}
        tones, asked, voiced = mind.tones, mind.asked, mind.voiced
        if loud:
            voiced += 1
            if tones and voiced >= 2:
                tones, diagnostics = 0, {"yielded": True}
        elif voiced >= 2:
            heard = (Word("sounds", percept.index * TICK_S - voiced * TICK_S, percept.index * TICK_S),)
            words = (Word("seven", start_s, start_s + 0.5),)
            tones, voiced = ANSWER_TICKS, 0
        else:
            voiced = 0
        if percept.text:
            words += (Word("typed", start_s, start_s + 0.2),)
            tones = max(tones, 1)
            if "plot" in percept.text:
                asked += 1
                calls = (Call("delegate", f"plot-{asked}", "plot", {"request": percept.text}, percept.index),)
        for event in percept.events:
            if event.kind == "result":
                words += tuple(Word(text, start_s, start_s + 0.2) for text in event.text.split()[:3])
                tones = max(tones, 2)
        audio = np.zeros(RATE // 5, np.float32)
        if tones:
            audio[:] = 0.3 * np.sin(2 * np.pi * 440 * np.arange(RATE // 5) / RATE)
            tones -= 1
        floor = Floor.SPEAK if audio.any() else Floor.LISTEN
        mind = replace(mind, voiced=voiced, tones=tones, asked=asked, frames=mind.frames + len(percept.frames))
        return Act(percept.index, audio, floor, words, heard, calls, diagnostics), mind
